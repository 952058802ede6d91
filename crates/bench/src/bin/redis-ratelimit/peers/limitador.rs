use std::collections::HashMap;
use std::sync::Arc;

use limitador::AsyncRateLimiter;
use limitador::limit::{Context, Limit, Namespace};
use limitador::storage::AsyncCounterStorage;
use limitador::storage::redis::{AsyncRedisStorage, CachedRedisStorage};

use crate::load::Quota;
use crate::stand::Limits;

/// Two limits are one call: it reads both, and then writes both.
#[derive(Clone)]
pub(crate) struct Limitador<const CACHED: bool> {
    limiter: Arc<AsyncRateLimiter>,
    namespace: Namespace,
}

impl<const CACHED: bool> Limits for Limitador<CACHED> {
    const NAME: &str = if CACHED {
        "limitador-cached"
    } else {
        "limitador"
    };

    async fn open(url: &str, quotas: [Quota; 2]) -> Self {
        let storage: Box<dyn AsyncCounterStorage> = if CACHED {
            Box::new(CachedRedisStorage::new(url).await.expect("an answer"))
        } else {
            Box::new(AsyncRedisStorage::new(url).await.expect("an answer"))
        };
        let limiter = AsyncRateLimiter::new_with_storage(storage);
        // The condition tells the second from the first: two that are alike replace each other.
        for (quota, condition) in quotas.into_iter().zip([None, Some("both == 'yes'")]) {
            let condition = condition.map(|text| text.try_into().expect("an expression"));
            let user = "user".try_into().expect("an expression");
            let Quota { units, seconds } = quota;
            limiter.add_limit(Limit::new(
                "n",
                units.into(),
                seconds.into(),
                condition,
                [user],
            ));
        }
        Self {
            limiter: Arc::new(limiter),
            namespace: "n".into(),
        }
    }

    async fn once(self, key: u64) -> bool {
        self.check(key, "no").await
    }

    async fn twice(self, key: u64) -> bool {
        self.check(key, "yes").await
    }
}

impl<const CACHED: bool> Limitador<CACHED> {
    async fn check(&self, key: u64, both: &str) -> bool {
        let values = [("user", key.to_string()), ("both", both.to_owned())];
        let values = values.map(|(name, value)| (name.to_owned(), value));
        let context = Context::from(HashMap::from(values));
        let limiter = &self.limiter;
        let result = limiter.check_rate_limited_and_update(&self.namespace, &context, 1);
        !result.await.expect("an answer").limited
    }
}
