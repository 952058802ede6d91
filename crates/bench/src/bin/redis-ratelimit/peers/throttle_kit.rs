use std::sync::Arc;
use std::time::Duration;

use throttle_kit::{RateLimitBackend, RedisBackend};

use crate::load::Quota;
use crate::stand::Limits;

/// Two limits are two calls.
#[derive(Clone)]
pub(crate) struct ThrottleKit {
    backend: Arc<RedisBackend>,
    quotas: [throttle_kit::Quota; 2],
}

impl Limits for ThrottleKit {
    const NAME: &str = "throttle-kit";

    async fn open(url: &str, quotas: [Quota; 2]) -> Self {
        let backend = RedisBackend::connect(url).await;
        Self {
            backend: Arc::new(backend.expect("the server answers")),
            quotas: quotas.map(|quota| {
                let interval = Duration::from_secs(quota.seconds.into()) / quota.units;
                // Of more than a unit per millisecond it makes an error, and lets all pass.
                let interval = interval.max(Duration::from_millis(1));
                throttle_kit::Quota::from_parts(interval, quota.units)
            }),
        }
    }

    async fn once(self, key: u64) -> bool {
        let [quota, _] = &self.quotas;
        self.backend
            .check(&format!("a:user:{key}"), quota)
            .await
            .allowed
    }

    async fn twice(self, key: u64) -> bool {
        let [a, b] = &self.quotas;
        self.backend
            .check(&format!("a:user:{key}"), a)
            .await
            .allowed
            && self
                .backend
                .check(&format!("b:user:{key}"), b)
                .await
                .allowed
    }
}
