use std::sync::Arc;

use redis::aio::ConnectionManager;
use trypema::hybrid::HybridRateLimiterProvider;
use trypema::redis::{RedisKey, RedisRateLimiterProvider};
use trypema::{RateLimit, RateLimitDecision, RateLimiterBuilder, WindowSize};

use crate::load::Quota;
use crate::stand::Limits;

/// Its limiter in Redis: a window of buckets. Two limits are two calls.
#[derive(Clone)]
pub(crate) struct Trypema {
    provider: Arc<RedisRateLimiterProvider>,
    rates: [RateLimit; 2],
}

/// The one that decides in the process and tells Redis later.
#[derive(Clone)]
pub(crate) struct TrypemaHybrid {
    provider: Arc<HybridRateLimiterProvider>,
    rates: [RateLimit; 2],
}

impl Limits for Trypema {
    const NAME: &str = "trypema";

    async fn open(url: &str, quotas: [Quota; 2]) -> Self {
        let provider = RedisRateLimiterProvider::builder(connect(url).await)
            .window_size(window(quotas))
            .build();
        Self {
            provider: provider.expect("settings"),
            rates: quotas.map(rate),
        }
    }

    async fn once(self, key: u64) -> bool {
        let [rate, _] = &self.rates;
        self.take(format!("a-user-{key}"), rate).await
    }

    async fn twice(self, key: u64) -> bool {
        let [a, b] = &self.rates;
        self.take(format!("a-user-{key}"), a).await && self.take(format!("b-user-{key}"), b).await
    }
}

impl Trypema {
    async fn take(&self, key: String, rate: &RateLimit) -> bool {
        let key = RedisKey::try_from(key).expect("a short key");
        let decision = self.provider.absolute().inc(&key, rate, 1).await;
        is_admitted(&decision.expect("an answer"))
    }
}

impl Limits for TrypemaHybrid {
    const NAME: &str = "trypema-hybrid";

    async fn open(url: &str, quotas: [Quota; 2]) -> Self {
        let provider = HybridRateLimiterProvider::builder(connect(url).await)
            .window_size(window(quotas))
            .build();
        Self {
            provider: provider.expect("settings"),
            rates: quotas.map(rate),
        }
    }

    async fn once(self, key: u64) -> bool {
        let [rate, _] = &self.rates;
        self.take(format!("a-user-{key}"), rate).await
    }

    async fn twice(self, key: u64) -> bool {
        let [a, b] = &self.rates;
        self.take(format!("a-user-{key}"), a).await && self.take(format!("b-user-{key}"), b).await
    }
}

impl TrypemaHybrid {
    async fn take(&self, key: String, rate: &RateLimit) -> bool {
        let key = RedisKey::try_from(key).expect("a short key");
        let decision = self.provider.absolute().inc(&key, rate, 1).await;
        is_admitted(&decision.expect("an answer"))
    }
}

async fn connect(url: &str) -> ConnectionManager {
    let client = redis::Client::open(url).expect("a URL");
    let manager = client.get_connection_manager().await;
    manager.expect("the server answers")
}

/// The one window of all limits.
fn window([quota, _]: [Quota; 2]) -> WindowSize {
    WindowSize::seconds_or_panic(quota.seconds.into())
}

fn rate(quota: Quota) -> RateLimit {
    RateLimit::per_second_or_panic(f64::from(quota.units) / f64::from(quota.seconds))
}

fn is_admitted(decision: &RateLimitDecision) -> bool {
    matches!(decision, RateLimitDecision::Allowed)
}
