//! The layer is what a user names.

use http::request::Parts;
use tower_layer::Layer;

use super::rules::Rules;
use super::{Headers, RateLimit};
use crate::{Limiter, Policy};

/// Passes a request on if all limits admit it, and answers it otherwise.
///
/// A request that is denied gets 429 with a problem document, one that nobody could decide on and
/// the failure policy refuses gets 503, and a gRPC request the status that says the same. Both
/// have a `Retry-After`. All answers tell the client where it stands, see [`Headers`].
///
/// Put it outside of everything that costs, and inside of tracing. All services that one layer
/// makes share its limiter.
///
/// # Examples
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use redis_ratelimit::{Limiter, Policy, Quota, RateLimitLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let per_user = Policy::gcra("user", Quota::per_minute(60).burst(1))?;
/// let layer = RateLimitLayer::new(Limiter::memory()).limit(per_user, |request| {
///     let user = request.headers.get("x-user")?;
///     Some(user.as_bytes().to_vec())
/// });
/// let mut service = ServiceBuilder::new()
///     .layer(layer)
///     .service_fn(async |_request: Request<()>| {
///         Ok::<_, std::io::Error>(Response::new(String::from("hello")))
///     });
///
/// let request = || Request::builder().header("x-user", "42").body(());
/// let answer = service.ready().await?.call(request()?).await?;
/// assert_eq!(answer.status(), StatusCode::OK);
/// let answer = service.ready().await?.call(request()?).await?;
/// assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
/// assert_eq!(answer.headers()["retry-after"], "1");
/// assert_eq!(answer.headers()["ratelimit"], r#""user";r=0;t=1"#);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct RateLimitLayer {
    rules: Rules,
}

impl RateLimitLayer {
    /// A layer without limits: add some by [`limit`](Self::limit).
    pub fn new(limiter: Limiter) -> Self {
        Self {
            rules: Rules::new(limiter),
        }
    }

    /// Limits requests by `policy` for each key that `key` finds in them, which is one of any
    /// bytes. A request without a key is not limited by this policy.
    ///
    /// Several limits are all-or-none: a request that one of them denies takes from none.
    pub fn limit<K: Into<Vec<u8>>>(
        mut self,
        policy: Policy,
        key: impl Fn(&Parts) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        self.rules
            .add(policy, move |request| key(request).map(Into::into));
        self
    }

    /// Which headers tell a client where it stands: [`Headers::Draft11`] unless set.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.rules.headers = headers;
        self
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, service: S) -> Self::Service {
        RateLimit::new(service, self.rules.clone())
    }
}
