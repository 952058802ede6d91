//! The store that processes share: Redis or Valkey.

mod call;
mod fault;
mod guard;
mod key;
mod losses;
mod script;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo};
use tokio::time::Instant;

use self::guard::Guard;
pub(crate) use self::guard::jitter;
use self::script::{Call, Limit, Mode};
use super::{Answer, Bundle, Request};
use crate::core::{Figures, Outcome, Rule, Slot, Slots};
use crate::policy::checked_name;
use crate::table::Id;
use crate::{Applied, Fault, FaultKind, PolicyError};

/// For [`RedisStore::ping`], which is not in anybody's way.
const PING_BOUND: Duration = Duration::from_secs(2);

/// A store in Redis 6.2 or newer, or in Valkey, shared by all processes that use it.
///
/// It needs no set-up in Redis: the scripts are sent when they are missing, and each key expires
/// when it counts no more. It is used on a tokio runtime. A clone is another handle to the same
/// connection, over which the requests of all tasks go at once. A connection that breaks, or goes
/// dead without a word, is replaced.
///
/// # Examples
///
/// ```no_run
/// use redis_ratelimit::{FailurePolicy, Limiter, RedisStore};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::open("redis://127.0.0.1:6379")?.namespace("shop")?;
/// store.ping().await?; // to fail at the start rather than at the first request
/// let limiter = Limiter::builder().redis(store, FailurePolicy::Open).build();
/// # drop(limiter);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    guard: Guard,
    namespace: Arc<str>,
    address: Arc<str>,
}

impl RedisStore {
    /// A store at `redis://[user:password@]host[:port][/db]`. It connects when it is first used.
    ///
    /// # Errors
    ///
    /// A [`Fault`] of kind [`InvalidUrl`](FaultKind::InvalidUrl).
    pub fn open(url: &str) -> Result<Self, Fault> {
        let invalid = |error: redis::RedisError| {
            Fault::new(FaultKind::InvalidUrl, Applied::No).caused_by(error)
        };
        // Without the delay for small packets: an answer is awaited for each.
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = url
            .into_connection_info()
            .map_err(invalid)?
            .set_tcp_settings(tcp);
        let address = info.addr().to_string().into();
        let client = Client::open(info).map_err(invalid)?;
        Ok(Self {
            guard: Guard::new(client),
            namespace: "rl".into(),
            address,
        })
    }

    /// What all keys begin with: `rl` unless set. Limiters with different namespaces do not share
    /// their counts.
    ///
    /// # Errors
    ///
    /// A [`PolicyError`] if it is no name that a policy could have.
    pub fn namespace(mut self, namespace: &str) -> Result<Self, PolicyError> {
        let namespace = checked_name(namespace)?;
        if namespace.contains(['{', '}']) {
            // They would end the part of a key by which a cluster finds it.
            return Err(PolicyError::InvalidName { name: namespace });
        }
        self.namespace = namespace.into();
        Ok(self)
    }

    /// Asks the server whether it is there. Nothing needs to: it is for a process that would
    /// rather not start without its Redis.
    ///
    /// # Errors
    ///
    /// A [`Fault`] that says why not, after two seconds at most.
    ///
    /// # Cancel safety
    ///
    /// It has no effect, so there is none to be lost.
    pub async fn ping(&self) -> Result<(), Fault> {
        self.ping_until(Instant::now() + PING_BOUND).await
    }

    /// How often the server turned out to be another one than before, restarted or failed over,
    /// as far as this process has noticed. Each time it may have forgotten what it knew, and then
    /// each limit has admitted up to one burst more.
    #[must_use]
    pub fn state_losses(&self) -> u64 {
        self.guard.losses().count()
    }

    pub(crate) async fn ping_until(&self, deadline: Instant) -> Result<(), Fault> {
        let ping = redis::cmd("PING");
        call::send(&self.guard, &ping, None, deadline)
            .await
            .map(drop)
    }

    pub(crate) async fn take(
        &self,
        request: Request<'_>,
        now: u64,
        deadline: Instant,
    ) -> Result<Outcome, Fault> {
        if matches!(request.rule, Rule::Gcra(_)) {
            let (key, costs) = (self.key(request.id), vec![request.cost]);
            let mut told = self
                .take_bundles(request.rule, &[Bundle { key, costs }], now, deadline)
                .await?;
            return told
                .pop()
                .and_then(|mut outcomes| outcomes.pop())
                .ok_or_else(call::unexpected);
        }
        let reply = self.limits(Mode::Take, &[request], deadline).await?;
        let (admitted, seen) = verdict(&reply)?;
        let outcome = request.rule.retell(seen, admitted, now, request.cost);
        outcome.ok_or_else(call::unexpected)
    }

    /// Only for the generic cell rate algorithm.
    pub(crate) async fn take_bundles(
        &self,
        rule: &Rule,
        bundles: &[Bundle],
        now: u64,
        deadline: Instant,
    ) -> Result<Vec<Vec<Outcome>>, Fault> {
        let Rule::Gcra(gcra) = rule else {
            return Err(call::unexpected());
        };
        let keys = bundles.iter().map(|bundle| bundle.key.as_slice());
        let costs = bundles.iter().map(|bundle| bundle.costs.as_slice());
        let reply = call::run(&self.guard, &Call::gcra(gcra, keys, costs), deadline).await?;
        let replies = reply.chunks_exact(gcra.reply_len());
        if replies.len() != bundles.len() || !replies.remainder().is_empty() {
            return Err(call::unexpected());
        }
        let told = bundles.iter().zip(replies).map(|(bundle, seen)| {
            let outcomes = rule.retell_bundle(seen, now, &bundle.costs);
            outcomes.ok_or_else(call::unexpected)
        });
        told.collect()
    }

    pub(crate) async fn take_all(
        &self,
        requests: &[Request<'_>],
        deadline: Instant,
    ) -> Result<Answer, Fault> {
        let reply = self.limits(Mode::Take, requests, deadline).await?;
        let (admitted, seen) = verdict(&reply)?;
        let figures = figures(requests, admitted, seen)?;
        Ok(Answer { admitted, figures })
    }

    pub(crate) async fn peek(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Figures, Fault> {
        let reply = self.limits(Mode::Look, &[request], deadline).await?;
        let (_, seen) = verdict(&reply)?;
        figures(&[request], false, seen)?
            .pop()
            .ok_or_else(call::unexpected)
    }

    pub(crate) async fn refund(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<(), Fault> {
        self.limits(Mode::Give, &[request], deadline)
            .await
            .map(drop)
    }

    pub(crate) async fn reset(&self, request: Request<'_>, deadline: Instant) -> Result<(), Fault> {
        let mut delete = redis::cmd("DEL");
        delete.arg(self.key(request.id));
        call::send(&self.guard, &delete, None, deadline)
            .await
            .map(drop)
    }

    pub(crate) async fn acquire(
        &self,
        id: Id<'_>,
        slots: Slots,
        permit: u128,
        deadline: Instant,
    ) -> Result<Slot, Fault> {
        let call = Call::permit(&self.key(id), slots, permit);
        let reply = call::run(&self.guard, &call, deadline).await?;
        let [acquired, held, wait] = *reply.as_slice() else {
            return Err(call::unexpected());
        };
        Ok(Slot {
            acquired: acquired == 1,
            held: u64::try_from(held).map_err(|_| call::unexpected())?,
            wait_us: u64::try_from(wait).map_err(|_| call::unexpected())?,
        })
    }

    pub(crate) async fn release(
        &self,
        id: Id<'_>,
        slots: Slots,
        permit: u128,
        deadline: Instant,
    ) -> Result<(), Fault> {
        let mut remove = redis::cmd("ZREM");
        let name = script::permit_name(permit, slots.lease_us);
        remove.arg(self.key(id)).arg(name);
        call::send(&self.guard, &remove, None, deadline)
            .await
            .map(drop)
    }

    async fn limits(
        &self,
        mode: Mode,
        requests: &[Request<'_>],
        deadline: Instant,
    ) -> Result<Vec<i64>, Fault> {
        let keys: Vec<_> = requests
            .iter()
            .map(|request| self.key(request.id))
            .collect();
        let limits = requests.iter().zip(&keys);
        let limits = limits.map(|(request, key)| limit(key, request.rule, request.cost));
        call::run(&self.guard, &Call::limits(mode, limits), deadline).await
    }

    pub(crate) fn key(&self, id: Id<'_>) -> Vec<u8> {
        key::redis_key(&self.namespace, id.key, id.name)
    }
}

fn limit<'a>(key: &'a [u8], rule: &'a Rule, cost: u32) -> Limit<'a> {
    Limit { key, rule, cost }
}

fn verdict(reply: &[i64]) -> Result<(bool, &[i64]), Fault> {
    match reply {
        [admitted @ (0 | 1), seen @ ..] => Ok((*admitted == 1, seen)),
        _ => Err(call::unexpected()),
    }
}

fn figures(
    requests: &[Request<'_>],
    admitted: bool,
    mut seen: &[i64],
) -> Result<Vec<Figures>, Fault> {
    let mut figures = Vec::with_capacity(requests.len());
    for request in requests {
        let Some((of_this, rest)) = seen.split_at_checked(request.rule.reply_len()) else {
            return Err(call::unexpected());
        };
        // Figures are relative, so any time will do.
        let outcome = request.rule.retell(of_this, admitted, 0, request.cost);
        figures.push(outcome.ok_or_else(call::unexpected)?.figures);
        seen = rest;
    }
    Ok(figures)
}

// Not derived: the client's URL may hold a password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &self.address)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
