use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use redis_0_32::Client;
use redis_0_32::aio::MultiplexedConnection;
use tower::{Layer, ServiceExt, service_fn};
use tower_rate_limit_redis::{KeyResolver, RateLimitLayer};

use crate::load::Quota;
use crate::stand::Limits;

/// It has no function to ask, only a layer: that is put around a service that does nothing, and two
/// limits are two layers.
#[derive(Clone)]
pub(crate) struct TowerRateLimitRedis {
    layers: [RateLimitLayer<OfExtension>; 2],
}

impl Limits for TowerRateLimitRedis {
    const NAME: &str = "tower-rate-limit-redis";

    async fn open(url: &str, quotas: [Quota; 2]) -> Self {
        let client = Client::open(url).expect("a URL");
        let connection = client.get_multiplexed_async_connection().await;
        let connection = connection.expect("the server answers");
        let [a, b] = quotas;
        Self {
            layers: [layer(&connection, "a", a), layer(&connection, "b", b)],
        }
    }

    async fn once(self, key: u64) -> bool {
        let [layer, _] = self.layers;
        let answer = layer.layer(service_fn(empty)).oneshot(request(key)).await;
        is_admitted(answer)
    }

    async fn twice(self, key: u64) -> bool {
        let [a, b] = self.layers;
        let service = a.layer(b.layer(service_fn(empty)));
        is_admitted(service.oneshot(request(key)).await)
    }
}

fn layer(
    connection: &MultiplexedConnection,
    name: &'static str,
    quota: Quota,
) -> RateLimitLayer<OfExtension> {
    let interval = Duration::from_secs(quota.seconds.into()) / quota.units;
    RateLimitLayer::builder()
        .conn(connection.clone())
        .key_resolver(OfExtension(name))
        // It counts to 65 535 and in milliseconds.
        .capacity(u16::try_from(quota.units).unwrap_or(u16::MAX))
        .emission_interval(interval.max(Duration::from_millis(1)))
        .build()
}

fn request(key: u64) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(key);
    request
}

fn empty(_request: Request<()>) -> Ready<Result<Response<()>, Infallible>> {
    ready(Ok(Response::new(())))
}

fn is_admitted(answer: Result<Response<()>, Infallible>) -> bool {
    let Ok(answer) = answer;
    let status = answer.status();
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "it failed");
    status != StatusCode::TOO_MANY_REQUESTS
}

/// The key of a policy, which stands in the request's extensions.
#[derive(Debug, Clone, Copy)]
struct OfExtension(&'static str);

impl KeyResolver for OfExtension {
    type Key = String;
    type ErrorBody = ();

    fn key<T>(&self, request: &Request<T>) -> Result<String, Response<()>> {
        let key = request.extensions().get::<u64>().copied();
        key.map(|key| format!("{}:user:{key}", self.0))
            .ok_or_else(|| Response::new(()))
    }
}
