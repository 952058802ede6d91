//! The store that processes share: Redis or Valkey.

mod breaker;
mod budget;
mod bundles;
mod call;
mod fault;
mod guard;
mod key;
mod losses;
mod reply;
mod script;

use std::fmt;
use std::iter::once;
use std::sync::Arc;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{Client, Cmd, IntoConnectionInfo};
use tokio::time::Instant;

pub(crate) use self::breaker::{Breaker, Pass, Probe};
pub(crate) use self::budget::Budget;
use self::bundles::Bundles;
use self::guard::Guard;
pub(crate) use self::reply::Told;
use self::script::{Call, Mode};
use super::{Ask, Order, Request};
use crate::core::{Figures, Gcra, Rule, Slot, Slots};
use crate::few::Few;
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
        self.command(redis::cmd("PING"), &Budget::uncounted(deadline))
            .await
    }

    /// What requests ask for, in the words of this store: nothing if there are none.
    pub(crate) fn order(&self, requests: &[Request<'_>]) -> Option<Order> {
        let asks = requests.iter().map(|request| Ask {
            key: self.key(request.id),
            cost: request.cost,
        });
        Few::of(asks)
    }

    /// Decides on orders for the same rules, one after the other, in one call. Each is told its
    /// outcomes, or that one of its keys is of another type.
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
            let reply = call::run(&self.guard, call, budget).await?;
            return bundles.told(*gcra, &reply, now);
        }
        let reply = self.orders(Mode::Take, rules, orders, budget).await?;
        reply::told(rules, orders, &reply, now)
    }

    /// As `take`, of the usual order alone.
    async fn take_one(&self, gcra: &Gcra, ask: &Ask, now: u64, budget: &Budget) -> Told {
        let costs = [ask.cost];
        let call = Call::gcra(gcra, once(ask.key.as_slice()), once(&costs[..]));
        let reply = call::run(&self.guard, call, budget).await?;
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
        self.command(delete, budget).await
    }

    pub(crate) async fn acquire(
        &self,
        id: Id<'_>,
        slots: Slots,
        permit: u128,
        budget: &Budget,
    ) -> Result<Slot, Fault> {
        let call = Call::permit(&self.key(id), slots, permit);
        let reply = call::run(&self.guard, call, budget).await?;
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
        self.command(remove, budget).await
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
        call::run(&self.guard, call, budget).await
    }

    async fn command(&self, command: Cmd, budget: &Budget) -> Result<(), Fault> {
        let request = call::Request::Command(command);
        call::send(&self.guard, request, budget).await.map(drop)
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
