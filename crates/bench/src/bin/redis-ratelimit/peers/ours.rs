use std::sync::Arc;
use std::time::Duration;

use redis_ratelimit::{Check, Decision, FailurePolicy, Limiter, Policy, RedisStore};

use crate::load::Quota;
use crate::stand::Limits;

/// Ours, with all layers or with none.
#[derive(Clone)]
pub(crate) struct Ours<const LAYERS: bool> {
    limiter: Limiter,
    policies: Arc<[Policy; 2]>,
}

impl<const LAYERS: bool> Limits for Ours<LAYERS> {
    const NAME: &str = if LAYERS { "all layers" } else { "no layers" };

    async fn open(url: &str, quotas: [Quota; 2]) -> Self {
        let [a, b] = quotas;
        let ours = Self {
            limiter: limiter(url, LAYERS),
            policies: Arc::new([policy("a", a), policy("b", b)]),
        };
        // It connects and sends its scripts now, as the peers do, and not in the first slice.
        ours.clone().once(u64::MAX).await;
        ours.clone().twice(u64::MAX).await;
        ours
    }

    async fn once(self, key: u64) -> bool {
        let key = format!("user:{key}");
        let check = Check::new(&self.policies[0], &key).expect("a short key");
        let decision = self.limiter.check(check).await;
        assert!(!matches!(decision, Decision::Unknown(_)), "{decision:?}");
        decision.is_admitted()
    }

    async fn twice(self, key: u64) -> bool {
        let key = format!("user:{key}");
        let checks = [&self.policies[0], &self.policies[1]].map(|policy| Check::new(policy, &key));
        let checks = checks.map(|check| check.expect("a short key"));
        let verdict = self.limiter.check_all(&checks).await;
        assert!(verdict.doubt().is_none(), "{verdict:?}");
        verdict.is_admitted()
    }
}

pub(crate) fn policy(name: &str, quota: Quota) -> Policy {
    let period = Duration::from_secs(quota.seconds.into());
    let quota = redis_ratelimit::Quota::per(quota.units, period);
    Policy::gcra(name, quota).expect("a quota")
}

pub(crate) fn limiter(url: &str, layers: bool) -> Limiter {
    let store = RedisStore::open(url).expect("a URL");
    let settings = Limiter::builder()
        .redis(store, FailurePolicy::Closed)
        .budget(Duration::from_secs(5));
    if layers {
        settings.coalesce().deny_cache(100_000).build()
    } else {
        settings.build()
    }
}
