//! The store that processes share: Redis or Valkey.

#[cfg(any(feature = "cluster", feature = "sentinel"))]
mod address;
mod breaker;
mod budget;
mod bundles;
mod call;
#[cfg(feature = "cluster")]
mod cluster;
mod connect;
mod fault;
mod guard;
mod key;
mod losses;
mod origin;
mod reply;
mod script;
#[cfg(feature = "sentinel")]
mod sentinels;
mod servers;
#[cfg(feature = "cluster")]
mod slots;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::iter::once;
use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use tokio::time::Instant;

pub(crate) use self::breaker::{Breaker, Pass, Probe};
pub(crate) use self::budget::Budget;
use self::bundles::Bundles;
use self::call::To;
use self::losses::Losses;
pub(crate) use self::reply::Told;
use self::script::{Call, Mode};
use self::servers::Servers;
use super::{Ask, Order, Request};
use crate::core::{Figures, Gcra, Rule, Slot, Slots};
use crate::few::Few;
use crate::policy::checked_name;
use crate::table::Id;
use crate::{Fault, PolicyError};

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
    servers: Servers,
    losses: Arc<Losses>,
    namespace: Arc<str>,
    address: Arc<str>,
    #[cfg(feature = "tls")]
    credentials: Arc<tls::Credentials>,
}

impl RedisStore {
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
        self.ping_until(None, Instant::now() + PING_BOUND).await
    }

    /// How often the server turned out to be another one than before, restarted or failed over,
    /// as far as this process has noticed. Each time it may have forgotten what it knew, and then
    /// each limit has admitted up to one burst more.
    #[must_use]
    pub fn state_losses(&self) -> u64 {
        self.losses.count()
    }

    /// Asks whoever serves a slot.
    pub(crate) async fn ping_until(
        &self,
        slot: Option<u16>,
        deadline: Instant,
    ) -> Result<(), Fault> {
        let ping = call::Request::Ping(redis::cmd("PING"));
        self.send(slot, ping, &Budget::uncounted(deadline)).await
    }

    /// How many slots there are: none, unless it is a cluster.
    pub(crate) fn slots(&self) -> u16 {
        match &self.servers {
            Servers::One(_) => 0,
            #[cfg(feature = "cluster")]
            Servers::Cluster(_) => slots::SLOTS,
        }
    }

    /// Where in a cluster the state of a limit is: what is in one slot is decided together.
    pub(crate) fn slot(&self, id: Id<'_>) -> Option<u16> {
        match self.slots() {
            0 => None,
            _ => self.slot_of(&self.key(id)),
        }
    }

    /// As `slot`, by the key that an order has.
    pub(crate) fn slot_of(&self, key: &[u8]) -> Option<u16> {
        self.servers.slot(key)
    }

    /// What requests ask for, in the words of this store: nothing if there are none.
    pub(crate) fn order(&self, requests: &[Request<'_>]) -> Option<Order> {
        let asks = requests.iter().map(|request| Ask {
            key: self.key(request.id),
            cost: request.cost,
        });
        Few::of(asks)
    }

    /// Decides on orders for the same rules and of one slot, one after the other, in one call. Each
    /// is told its outcomes, or that one of its keys is of another type.
    pub(crate) async fn take(
        &self,
        rules: &[Rule],
        orders: &[Order],
        now: u64,
        budget: &Budget,
    ) -> Result<Vec<Told>, Fault> {
        if let [Rule::Gcra(gcra)] = rules {
            if let [order] = orders {
                let told = self.take_one(gcra, &order.first, now, budget);
                return Ok(vec![told.await]);
            }
            let bundles = Bundles::of(orders);
            let call = Call::gcra(gcra, bundles.keys(), bundles.costs());
            let key = bundles.keys().next().unwrap_or_default();
            let reply = self.run(key, call, budget).await?;
            return bundles.told(*gcra, &reply, now);
        }
        let reply = self.orders(Mode::Take, rules, orders, budget).await?;
        reply::told(rules, orders, &reply, now)
    }

    /// As `take`, of the usual order alone.
    async fn take_one(&self, gcra: &Gcra, ask: &Ask, now: u64, budget: &Budget) -> Told {
        let costs = [ask.cost];
        let call = Call::gcra(gcra, once(ask.key.as_slice()), once(&costs[..]));
        let reply = self.run(&ask.key, call, budget).await?;
        let outcomes = Rule::Gcra(*gcra).retell_bundle(&reply, now, &costs);
        let outcome = outcomes.and_then(|mut outcomes| outcomes.pop());
        outcome.map(Few::one).ok_or_else(call::unexpected)
    }

    pub(crate) async fn peek(
        &self,
        request: Request<'_>,
        budget: &Budget,
    ) -> Result<Figures, Fault> {
        let reply = self.order_of_one(Mode::Look, request, budget).await?;
        let [_, seen @ ..] = reply.as_slice() else {
            return Err(call::unexpected());
        };
        let seen = request.rule.retell(seen, false, 0, request.cost);
        Ok(seen.ok_or_else(call::unexpected)?.figures)
    }

    pub(crate) async fn refund(&self, request: Request<'_>, budget: &Budget) -> Result<(), Fault> {
        self.order_of_one(Mode::Give, request, budget)
            .await
            .map(drop)
    }

    pub(crate) async fn reset(&self, request: Request<'_>, budget: &Budget) -> Result<(), Fault> {
        let mut delete = redis::cmd("DEL");
        delete.arg(self.key(request.id));
        self.command(self.slot(request.id), delete, budget).await
    }

    pub(crate) async fn acquire(
        &self,
        id: Id<'_>,
        slots: Slots,
        permit: u128,
        budget: &Budget,
    ) -> Result<Slot, Fault> {
        let key = self.key(id);
        let call = Call::permit(&key, slots, permit);
        let reply = self.run(&key, call, budget).await?;
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
        budget: &Budget,
    ) -> Result<(), Fault> {
        let mut remove = redis::cmd("ZREM");
        let name = script::permit_name(permit, slots.lease_us);
        remove.arg(self.key(id)).arg(name);
        self.command(self.slot(id), remove, budget).await
    }

    async fn order_of_one(
        &self,
        mode: Mode,
        request: Request<'_>,
        budget: &Budget,
    ) -> Result<Vec<i64>, Fault> {
        let (rules, cost) = (std::slice::from_ref(request.rule), request.cost);
        let key = self.key(request.id);
        let order = Few::one(Ask { key, cost });
        self.orders(mode, rules, &[order], budget).await
    }

    async fn orders(
        &self,
        mode: Mode,
        rules: &[Rule],
        orders: &[Order],
        budget: &Budget,
    ) -> Result<Vec<i64>, Fault> {
        let keys = orders.iter().flatten().map(|ask| ask.key.as_slice());
        let costs = orders.iter().flatten().map(|ask| ask.cost);
        let call = Call::orders(mode, rules, keys, costs);
        let Some(first) = orders.first() else {
            return Ok(Vec::new());
        };
        self.run(&first.first.key, call, budget).await
    }

    /// Runs a script on a key, or on others of its slot too.
    async fn run(&self, key: &[u8], call: Call, budget: &Budget) -> Result<Vec<i64>, Fault> {
        call::run(&self.servers, key, call, budget).await
    }

    async fn command(&self, slot: Option<u16>, command: Cmd, budget: &Budget) -> Result<(), Fault> {
        let request = call::Request::Command(command);
        self.send(slot, request, budget).await
    }

    async fn send(
        &self,
        slot: Option<u16>,
        request: call::Request,
        budget: &Budget,
    ) -> Result<(), Fault> {
        let servers = &self.servers;
        call::send(To { servers, slot }, request, budget)
            .await
            .map(drop)
    }

    fn key(&self, id: Id<'_>) -> Vec<u8> {
        key::redis_key(&self.namespace, id.key, id.name)
    }
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
