//! The answer to a request that is not passed on.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::headers::seconds;
use super::rules::Limits;
use super::{Headers, ResponseBody, grpc};
use crate::{CheckError, Verdict};

/// Who asks, and so in which way it is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    Http,
    Grpc,
}

impl Asker {
    pub(super) fn of(request: &Parts) -> Self {
        let content_type = request.headers.get(header::CONTENT_TYPE);
        match content_type {
            Some(value) if is_grpc(value.as_bytes()) => Self::Grpc,
            _ => Self::Http,
        }
    }
}

/// `application/grpc`, alone or with a message format or parameters after it. gRPC-Web is another
/// protocol: it reads its status from the body.
fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let Some((begin, rest)) = content_type.split_at_checked(GRPC.len()) else {
        return false;
    };
    begin.eq_ignore_ascii_case(GRPC) && matches!(rest, [] | [b'+' | b';' | b' ', ..])
}

/// Why a request is refused: what its answer says.
struct Refusal {
    status: StatusCode,
    problem: &'static str,
    title: &'static str,
    grpc_status: &'static str,
    grpc_code: u8,
    /// The policies that deny it.
    violated: Vec<String>,
    retry_after: Option<u64>,
}

/// The problem types of draft-ietf-httpapi-ratelimit-headers-11, section 7.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const REDUCED_CAPACITY: &str =
    "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

pub(super) fn refusal<B>(
    asker: Asker,
    headers: Headers,
    limits: &Limits,
    verdict: &Result<Verdict, CheckError>,
) -> Response<ResponseBody<B>> {
    let refusal = Refusal::new(limits, verdict);
    let mut answer = match asker {
        Asker::Http => refusal.http(),
        Asker::Grpc => refusal.grpc(),
    };
    if let Ok(verdict) = verdict {
        headers.append(answer.headers_mut(), &limits.limits, verdict);
    }
    if let Some(seconds) = refusal.retry_after {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

impl Refusal {
    fn new(limits: &Limits, verdict: &Result<Verdict, CheckError>) -> Self {
        let Ok(verdict) = verdict else {
            return Self {
                status: StatusCode::BAD_REQUEST,
                problem: "about:blank",
                title: "Bad Request",
                grpc_status: "3",
                grpc_code: 3,
                violated: Vec::new(),
                retry_after: None,
            };
        };
        let is_denied = verdict.doubt().is_none() || !verdict.states().is_empty();
        if !is_denied {
            return Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                problem: REDUCED_CAPACITY,
                title: "Request cannot be satisfied due to temporary server capacity constraints",
                grpc_status: "14",
                grpc_code: 14,
                violated: Vec::new(),
                retry_after: Some(1),
            };
        }
        let states = limits.limits.iter().zip(verdict.states());
        let violated = states.filter(|(_, state)| !state.retry_after.is_zero());
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            problem: QUOTA_EXCEEDED,
            title: "Request cannot be satisfied as assigned quota has been exceeded",
            grpc_status: "8",
            grpc_code: 8,
            violated: violated
                .map(|((policy, _), _)| policy.name().to_owned())
                .collect(),
            // Without one if it would be in vain.
            retry_after: verdict.retry_after().map(|wait| seconds(wait).max(1)),
        }
    }

    /// RFC 9457. Nothing needs to be escaped: policies have no names with quotes.
    fn http<B>(&self) -> Response<ResponseBody<B>> {
        let Self {
            status,
            problem,
            title,
            ..
        } = self;
        let code = status.as_u16();
        let violated = if self.violated.is_empty() {
            String::new()
        } else {
            format!(
                r#","violated-policies":["{}"]"#,
                self.violated.join(r#"",""#)
            )
        };
        let document =
            format!(r#"{{"type":"{problem}","title":"{title}","status":{code}{violated}}}"#);
        let length = document.len();
        let mut answer = Response::new(ResponseBody::problem(document));
        *answer.status_mut() = *status;
        let headers = answer.headers_mut();
        set(headers, header::CONTENT_TYPE, "application/problem+json");
        headers.insert(header::CONTENT_LENGTH, length.into());
        answer
    }

    /// An answer of trailers only, which stand in the headers.
    fn grpc<B>(&self) -> Response<ResponseBody<B>> {
        let mut answer = Response::new(ResponseBody::problem(""));
        let headers = answer.headers_mut();
        set(headers, header::CONTENT_TYPE, "application/grpc");
        set(
            headers,
            HeaderName::from_static("grpc-status"),
            self.grpc_status,
        );
        set(headers, HeaderName::from_static("grpc-message"), self.title);
        if let Some(seconds) = self.retry_after {
            let details = grpc::status_with_retry_info(self.grpc_code, self.title, seconds);
            let details = HeaderValue::from_str(&details).expect("base64 is ASCII");
            headers.insert(HeaderName::from_static("grpc-status-details-bin"), details);
        }
        answer
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
