use redis::aio::MultiplexedConnection;

use crate::load::Quota;
use crate::stand::Limits;

/// No limiter: what the client and the server can do at most.
#[derive(Clone)]
pub(crate) struct Incr(MultiplexedConnection);

impl Limits for Incr {
    const NAME: &str = "INCR";

    async fn open(url: &str, _quotas: [Quota; 2]) -> Self {
        Self(connect(url).await)
    }

    async fn once(mut self, key: u64) -> bool {
        let mut incr = redis::cmd("INCR");
        let incr = incr.arg(format!("user:{key}"));
        let count: i64 = incr.query_async(&mut self.0).await.expect("an answer");
        count > 0
    }

    async fn twice(self, key: u64) -> bool {
        self.clone().once(key).await && self.once(key).await
    }
}

pub(crate) async fn connect(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await;
    connection.expect("the server answers")
}
