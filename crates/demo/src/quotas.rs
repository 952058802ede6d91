//! How many requests a client may make.

use std::num::NonZeroU32;

use axum::http::request::Parts;
use redis_ratelimit::{
    FailurePolicy, Fault, Limiter, Policy, Quota, RateLimitLayer, RedisStore, TrustedProxies,
};

use crate::app::without_credentials;
use crate::server::Peer;
use crate::{Args, StartError};

/// Denials that are remembered, so that whoever goes on asking costs Redis nothing.
const DENIALS: usize = 10_000;

/// A request counts for its client's address and for its user, for both or for none.
pub(crate) async fn layer(args: &Args) -> Result<RateLimitLayer, StartError> {
    let proxies = TrustedProxies::x_forwarded_for(args.trusted_proxy.iter().map(String::as_str))?;
    let client = move |request: &Parts| {
        let Peer(peer) = request.extensions.get()?;
        Some(proxies.client_key(peer.ip(), &request.headers))
    };
    let user = |request: &Parts| Some(request.headers.get("x-user")?.as_bytes().to_vec());
    let layer = RateLimitLayer::new(limiter(args.redis_url.as_deref()).await?)
        .limit(per_minute("address", args.per_address), client)
        .limit(per_minute("user", args.per_user), user);
    Ok(layer)
}

fn per_minute(name: &str, requests: u32) -> Policy {
    let policy = Policy::gcra(name, Quota::per_minute(requests));
    policy.expect("the command line takes only quotas that are some")
}

async fn limiter(redis_url: Option<&str>) -> Result<Limiter, StartError> {
    let Some(url) = redis_url else {
        return Ok(Limiter::memory());
    };
    let store = store(url).await.map_err(|source| StartError::Redis {
        url: without_credentials(url),
        source,
    })?;
    // While Redis is away, each instance goes on with the whole limit: clients need not know.
    let alone = FailurePolicy::Local {
        nodes: NonZeroU32::MIN,
    };
    let limiter = Limiter::builder().redis(store, alone).coalesce();
    Ok(limiter.deny_cache(DENIALS).build())
}

async fn store(url: &str) -> Result<RedisStore, Fault> {
    let store = RedisStore::open(url)?;
    store.ping().await?;
    Ok(store)
}
