//! A request through the layer, in one process and in front of a service that does nothing.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use axum::body::Body;
use bench::{Operation, batch};
use http::{Request, Response, StatusCode};
use redis_ratelimit::{Limiter, Policy, Quota, RateLimitLayer};
use tokio::runtime::Builder;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

const HEADER: &str = "x-user";

/// What becomes of all requests.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    Admitted,
    Denied,
}

impl Fate {
    fn status(self) -> StatusCode {
        match self {
            Self::Admitted => StatusCode::OK,
            Self::Denied => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// After which time there is another unit, and how many there are at first.
    fn quota(self) -> (Duration, u32) {
        match self {
            Self::Admitted => (Duration::from_micros(1), u32::MAX),
            Self::Denied => (Duration::from_hours(24), 1),
        }
    }
}

pub(crate) fn ours(fate: Fate) -> impl Operation {
    let (interval, burst) = fate.quota();
    let policy = Policy::gcra("user", Quota::per(1, interval).burst(burst)).expect("a quota");
    let layer = RateLimitLayer::new(Limiter::memory()).limit(policy, |request| {
        let user = request.headers.get(HEADER)?;
        Some(user.as_bytes().to_vec())
    });
    requests(layer.layer(service_fn(empty)), fate)
}

pub(crate) fn tower_governor(fate: Fate) -> impl Operation {
    let (interval, burst) = fate.quota();
    let config = GovernorConfigBuilder::default()
        .period(interval)
        .burst_size(burst)
        .key_extractor(User)
        .use_headers()
        .finish()
        .expect("neither is zero");
    requests(GovernorLayer::new(config).layer(service_fn(empty)), fate)
}

fn requests<S, B>(service: S, fate: Fate) -> impl Operation
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let ask = async move || {
        let request = Request::builder().header(HEADER, "42").body(Body::empty());
        let Ok(answer) = service.clone().oneshot(request.expect("a request")).await;
        answer
    };
    // The one that a denied user has.
    runtime.block_on(ask());
    batch(move |count| {
        runtime.block_on(async {
            for _ in 0..count {
                let answer = std::hint::black_box(ask().await);
                assert_eq!(answer.status(), fate.status());
            }
        });
    })
}

fn empty(_request: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::empty())))
}

#[derive(Debug, Clone, Copy)]
struct User;

impl KeyExtractor for User {
    type Key = Vec<u8>;

    fn extract<T>(&self, request: &Request<T>) -> Result<Vec<u8>, GovernorError> {
        let user = request.headers().get(HEADER);
        let user = user.ok_or(GovernorError::UnableToExtractKey)?;
        Ok(user.as_bytes().to_vec())
    }
}
