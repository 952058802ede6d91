//! An error as a problem document in an HTTP response.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use crate::report::problem::{Place, render, status};
use crate::{CodeRef, Error, Retry};

/// An error as a client may see it: a problem document (RFC 9457). It prints itself with `{}`.
///
/// `title` and `status` are those of the code, `code` is its domain and reason, and public fields
/// are members of `fields`; a key that was given more than once has an array of its values there.
/// Fields that do not fit are left out, and `"is_cut":true` says so. The public field `detail`, the
/// outermost one that is a text, is the member of that name: what the standard wants said about
/// this very occurrence. An error without a code is the server's fault: its status is 500 or
/// above, whatever its cause was.
///
/// # Examples
///
/// ```
/// use errchain::{Kind, code, err};
///
/// code!(NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "User not found");
///
/// let error = err!(NOT_FOUND, "no row").public("user_id", 7).with("shard", 3);
/// assert_eq!(
///     error.problem().instance("/users/7").to_string(),
///     r#"{"type":"about:blank","title":"User not found","status":404,"instance":"/users/7","code":"user/NOT_FOUND","fields":{"user_id":7}}"#
/// );
///
/// let response = error.problem().into_response();
/// assert_eq!(response.status(), 404);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct Problem<'a> {
    error: &'a Error,
    place: Place<'a>,
}

impl Error {
    /// The error as a client may see it.
    pub fn problem(&self) -> Problem<'_> {
        Problem {
            error: self,
            place: Place::default(),
        }
    }
}

impl<'a> Problem<'a> {
    /// Where the codes are documented: `type` becomes this with `domain/REASON` behind it. It is
    /// `about:blank` if nothing is said.
    pub fn type_base(mut self, base: &'a str) -> Self {
        self.place.type_base = Some(base);
        self
    }

    /// What `instance` says: the occurrence, as the path of the request or its id.
    pub fn instance(mut self, instance: &'a str) -> Self {
        self.place.instance = Some(instance);
        self
    }

    /// The status alone.
    #[must_use]
    pub fn status(self) -> StatusCode {
        let status = status(self.error);
        // Every kind and every code has a status from 400 to 599.
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The document as a response, with `Retry-After` if the code knows it.
    #[must_use]
    pub fn into_response(self) -> Response<String> {
        let mut response = Response::new(render(self.error, self.place));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, json);
        if let Some(Retry::After(after)) = self.error.code().map(CodeRef::retry) {
            headers.insert(RETRY_AFTER, whole_seconds(after).into());
        }
        response
    }
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self.error, self.place))
    }
}

/// The document too, because somebody will log it next to what went to the client.
impl fmt::Debug for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Rounded up: who comes early is sent away again.
fn whole_seconds(duration: Duration) -> u64 {
    let is_broken = duration.subsec_nanos() > 0;
    duration.as_secs().saturating_add(u64::from(is_broken))
}
