//! The level in Redis.

mod codec;
mod counts;
#[cfg(test)]
mod fake;
mod format;
mod level;
mod line;
mod link;
mod name;
mod named;
mod repairs;
mod script;
mod server;
mod several;
mod terms;
#[cfg(test)]
mod tests;
mod tokens;
mod values;
mod wire;

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError};
use thiserror::Error;

use self::level::Level;
use self::line::Line;
use self::link::Link;
use self::name::Names;
use self::server::Server;
use self::terms::Terms;
use super::builder::{CachedBuilder, MakeRemote};
use super::marks::Marks;
use super::policy::Policy;
use super::{Load, loader};

#[cfg(feature = "json")]
pub use self::codec::Json;
#[cfg(feature = "postcard")]
pub use self::codec::Postcard;
pub use self::codec::{Codec, CodecError};

/// A level in Redis 6.2 or newer, or in Valkey, that processes share: what one has loaded others
/// need not, and each hears of what another one writes.
///
/// It is a help and never a hindrance: a Redis that is slow, away or wrong costs the
/// [budget](Self::budget) once, and is then left alone until it answers in time again. No call fails
/// because of it.
///
/// # Examples
///
/// ```no_run
/// # use ctxsvc::{Ctx, Load};
/// # struct Users;
/// # impl Load for Users {
/// #     type Key = u32;
/// #     type Value = String;
/// #     type Error = std::io::Error;
/// #     async fn load(&self, _ctx: &Ctx, id: &u32) -> std::io::Result<Option<String>> {
/// #         Ok(Some(format!("user {id}")))
/// #     }
/// # }
/// # #[cfg(feature = "postcard")]
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use ctxsvc::{Cached, Postcard, Redis};
///
/// let redis = Redis::open("redis://127.0.0.1:6379")?.prefix("shop").schema(3);
/// let users = Cached::builder("users", Users).redis(redis, Postcard).build();
/// # drop(users);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until they are given to `CachedBuilder::redis`"]
pub struct Redis {
    info: ConnectionInfo,
    prefix: String,
    schema: u32,
    budget: Duration,
    lease_wait: Option<Duration>,
    unlinked_ttl: Duration,
}

/// A URL that names no Redis.
#[derive(Debug, Error)]
#[error("this is no URL of a Redis: use redis://[user:password@]host[:port][/db]")]
pub struct RedisUrlError(#[source] RedisError);

impl Redis {
    /// A level at `redis://[user:password@]host[:port][/db]`. It connects when it is first used.
    ///
    /// # Errors
    ///
    /// A [`RedisUrlError`].
    pub fn open(url: &str) -> Result<Self, RedisUrlError> {
        // Without the delay for small packets: an answer is awaited for each.
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = url.into_connection_info().map_err(RedisUrlError)?;
        let info = info.set_tcp_settings(tcp);
        // It fails if this build can't connect to such an address.
        Client::open(info.clone()).map_err(RedisUrlError)?;
        Ok(Self {
            info,
            prefix: "ctxsvc".to_owned(),
            schema: 0,
            budget: Duration::from_millis(50),
            lease_wait: None,
            unlinked_ttl: Duration::from_secs(1),
        })
    }

    /// What all its keys in Redis begin with, before the name of the cache: `ctxsvc` unless set.
    /// Services that share a Redis have different ones.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The version of what values look like: 0 unless set. Raise it by one when a type changes in a
    /// way that makes a codec read old bytes as something else. While processes of both run side by
    /// side, each has values of its own, and hears of what the other one writes.
    pub fn schema(mut self, schema: u32) -> Self {
        self.schema = schema;
        self
    }

    /// How long Redis may take for an answer: 50 ms unless set. Then the repository is asked.
    ///
    /// A value that would not come in that time over a line of 100 Mbit/s is not kept there: one of
    /// more than 10 KiB for each millisecond, or of more than 8 MiB. One of 1 KiB is.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// How long another process that loads a key is waited for, before this one does it too: as
    /// long as the load timeout unless set.
    pub fn lease_wait(mut self, wait: Duration) -> Self {
        self.lease_wait = Some(wait);
        self
    }

    /// How long a value in memory is fresh while the link over which Redis tells of changes is
    /// down: a second unless set.
    pub fn unlinked_ttl(mut self, ttl: Duration) -> Self {
        self.unlinked_ttl = ttl;
        self
    }

    fn level<L, C>(self, codec: C) -> Box<MakeRemote<L>>
    where
        L: Load<Key: Display>,
        C: Codec<L::Value>,
    {
        Box::new(move |cache, policy| self.made::<L, C>(codec, cache, policy))
    }

    fn made<L, C>(self, codec: C, cache: &str, policy: &Policy) -> Arc<loader::RemoteOf<L>>
    where
        L: Load<Key: Display>,
        C: Codec<L::Value>,
    {
        let terms = Terms::new(&self, policy);
        let names = Names::new(&self.prefix, cache, self.schema);
        let marks = Arc::new(Marks::new());
        let open = |info| Client::open(info).expect("`open` has checked it");
        let line = || Line::new(open(self.info.clone()), terms.budget);
        let (commands, batches) = (line(), line());
        let resp3 = self.info.redis_settings().clone();
        let resp3 = resp3.set_protocol(ProtocolVersion::RESP3);
        let resp3 = self.info.clone().set_redis_settings(resp3);
        let marked = Arc::clone(&marks);
        let changes = Link::new(open(resp3), names.clone(), marked, terms.budget);
        let server = Arc::new(Server::new(commands, batches, changes));
        Arc::new(Level::<L::Key, L::Value, C, Server>::new(
            server, marks, names, codec, terms,
        ))
    }
}

impl<L: Load<Key: Display>> CachedBuilder<L> {
    /// Puts a level in Redis between the memory and the repository.
    ///
    /// A key is known there by what it displays as: keys that differ have to display as different
    /// texts.
    pub fn redis(self, redis: Redis, codec: impl Codec<L::Value>) -> Self {
        self.remote(redis.level::<L, _>(codec))
    }
}

// Not derived: the URL may have a password in it.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("addr", &self.info.addr().to_string())
            .field("prefix", &self.prefix)
            .field("schema", &self.schema)
            .field("budget", &self.budget)
            .field("lease_wait", &self.lease_wait)
            .field("unlinked_ttl", &self.unlinked_ttl)
            .finish_non_exhaustive()
    }
}
