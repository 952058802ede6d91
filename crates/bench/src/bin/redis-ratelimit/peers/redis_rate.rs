use std::sync::Arc;

use redis::Script;
use redis::aio::MultiplexedConnection;

use super::incr::connect;
use crate::load::Quota;
use crate::stand::Limits;

/// `redis_rate.AllowN`, as of v10.
const REDIS_RATE: &str = include_str!("redis_rate.lua");

/// The script of `redis_rate` (Go) on redis-rs, which most limiters for Rust copy. Two limits are
/// two calls.
#[derive(Clone)]
pub(crate) struct RedisRate {
    connection: MultiplexedConnection,
    script: Arc<Script>,
    quotas: [Quota; 2],
}

impl Limits for RedisRate {
    const NAME: &str = "redis_rate";

    async fn open(url: &str, quotas: [Quota; 2]) -> Self {
        Self {
            connection: connect(url).await,
            script: Arc::new(Script::new(REDIS_RATE)),
            quotas,
        }
    }

    async fn once(mut self, key: u64) -> bool {
        let [quota, _] = self.quotas;
        self.allow(format!("rate:a:user:{key}"), quota).await
    }

    async fn twice(mut self, key: u64) -> bool {
        let [a, b] = self.quotas;
        self.allow(format!("rate:a:user:{key}"), a).await
            && self.allow(format!("rate:b:user:{key}"), b).await
    }
}

impl RedisRate {
    async fn allow(&mut self, key: String, quota: Quota) -> bool {
        let Quota { units, seconds } = quota;
        let mut call = self.script.key(key);
        call.arg(units).arg(units).arg(seconds).arg(1);
        let (allowed, ..): (i64, i64, String, String) = call
            .invoke_async(&mut self.connection)
            .await
            .expect("an answer");
        allowed > 0
    }
}
