//! A repository that remembers.

mod batch;
mod builder;
mod entry;
mod error;
mod flight;
mod hit;
mod load;
mod loader;
#[cfg(any(feature = "redis", all(test, model)))]
mod marks;
mod memory;
mod observe;
mod policy;
#[cfg(feature = "redis")]
mod redis;
#[cfg_attr(
    not(feature = "redis"),
    allow(dead_code, reason = "no other level makes what is asked and told")
)]
mod remote;
mod running;
#[cfg(all(test, model_shuttle))]
mod shuttle_tests;
mod table;
mod through;
mod version;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::Ctx;
use entry::Answer;
use loader::{EntryOf, FlightOf, Shared};
use policy::FOR_EVER;
use table::Joined;

pub use builder::CachedBuilder;
pub use error::{CacheError, Report};
pub use hit::{Hit, Source};
pub use load::Load;
#[cfg(feature = "json")]
pub use redis::Json;
#[cfg(feature = "postcard")]
pub use redis::Postcard;
#[cfg(feature = "redis")]
pub use redis::{Codec, CodecError, Redis, RedisUrlError};
pub use write::Committed;

/// A repository that reads through a memory of bounded size. A clone is another handle to it.
///
/// - A key is loaded once, however many ask for it. The load belongs to nobody: when those who
///   wait give up, it goes on and is remembered.
/// - After [`update`](Self::update) or [`invalidate`](Self::invalidate) has returned, no call that
///   begins later is answered with what was read before.
/// - That there is no value is remembered too, and so is a failure, for a moment: the repository
///   is not asked to repeat it for each caller.
///
/// # Examples
///
/// ```
/// # use std::convert::Infallible;
/// use std::time::Duration;
/// use ctxsvc::{Cached, Ctx, Load, Source};
///
/// # struct Squares;
/// # impl Load for Squares {
/// #     type Key = u32;
/// #     type Value = u64;
/// #     type Error = Infallible;
/// #     async fn load(&self, _ctx: &Ctx, key: &u32) -> Result<Option<u64>, Infallible> {
/// #         Ok(Some(u64::from(*key).pow(2)))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let squares = Cached::builder("squares", Squares).ttl(Duration::from_secs(300)).build();
/// let ctx = Ctx::root().with_timeout(Duration::from_millis(300));
///
/// let first = squares.get(&ctx, &12).await?.expect("every number has a square");
/// assert_eq!((*first, first.source()), (144, Source::Origin));
/// let again = squares.get(&ctx, &12).await?.expect("it is remembered");
/// assert_eq!(again.source(), Source::Memory);
/// # Ok(())
/// # }
/// ```
pub struct Cached<L: Load> {
    shared: Arc<Shared<L>>,
}

/// What the memory says of a key.
enum Seen<V, E: std::error::Error + 'static> {
    Answer(Result<Option<Hit<V>>, CacheError<E>>),
    /// It has to be loaded. There may be a value that can stand in, after so long.
    Missing(Option<Arc<V>>, Duration),
}

type Answered<L> = Result<Option<Hit<<L as Load>::Value>>, CacheError<<L as Load>::Error>>;

impl<L: Load> Cached<L> {
    /// Starts the settings of a cache in front of `repository`, which `Debug` shows under this
    /// name.
    pub fn builder(name: impl Into<String>, repository: L) -> CachedBuilder<L> {
        CachedBuilder::new(name, repository)
    }

    fn new(shared: Arc<Shared<L>>) -> Self {
        Self { shared }
    }

    /// The value of a key, `None` if there is none.
    ///
    /// # Errors
    ///
    /// A [`CacheError`]: if the context is over, or if the value could not be loaded and there is
    /// no stale one.
    ///
    /// # Panics
    ///
    /// If a load has to wait, outside of a tokio runtime with its time enabled.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to give up waiting. A load that has begun goes on.
    ///
    /// # Performance
    ///
    /// A value that is remembered costs no allocation.
    pub async fn get(&self, ctx: &Ctx, key: &L::Key) -> Answered<L> {
        if ctx.is_cancelled() {
            ctx.check()?;
        }
        let now = Instant::now();
        let (stale, patience) = match self.look(key, now) {
            Seen::Answer(answer) => {
                self.shared.meter.answered(&answer, Source::Memory);
                return answer;
            }
            Seen::Missing(stale, patience) => (stale, patience),
        };
        ctx.check()?;
        let answer = match self.join(key, now) {
            Joined::Known(answer) => Ok(hit(&answer, Source::Memory)),
            Joined::Theirs(flight) => self.wait(ctx, &flight, stale, patience).await,
            Joined::Ours(flight) => {
                self.shared.load(ctx, key, &flight);
                self.wait(ctx, &flight, stale, patience).await
            }
        };
        self.shared.meter.answered(&answer, Source::Origin);
        answer
    }

    /// Waits until no load is running and Redis was told of each write, and at most so long.
    ///
    /// Close it when nobody asks or writes any more: what begins meanwhile is waited for too.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again.
    pub async fn close(&self, limit: Duration) -> Report {
        let remote = self.shared.remote.as_ref();
        let running = &self.shared.running;
        let before = running.count();
        let ended = async {
            running.ended().await;
            if let Some(remote) = remote {
                remote.all_told().await;
            }
        };
        let _ = tokio::time::timeout(limit, ended).await;
        let left = running.count();
        Report {
            finished: before.saturating_sub(left),
            left,
            untold: remote.map_or(0, |remote| remote.untold()),
        }
    }

    fn look(&self, key: &L::Key, now: Instant) -> Seen<L::Value, L::Error> {
        let patience = self.shared.policy.soft_timeout;
        let Some(entry) = self.shared.memory.get(key) else {
            return Seen::Missing(None, patience);
        };
        let fresh = entry.fresh(now);
        let is_current = fresh.is_some_and(|answer| self.shared.is_current(answer.mark));
        if is_current {
            // Moved out: each count of a value that many read is a cache line from elsewhere.
            let value = entry.answer.and_then(|answer| answer.value);
            return Seen::Answer(Ok(value.map(|value| Hit::new(value, Source::Memory))));
        }
        match (entry.stale(now), entry.held_back(now)) {
            (Some(value), Some(_)) => Seen::Answer(Ok(Some(Hit::stale(value)))),
            (None, Some(error)) => Seen::Answer(Err(error.clone())),
            // Its time is not over, but another process has told of a newer one: that is waited for.
            (stale, None) if fresh.is_some() => Seen::Missing(stale, FOR_EVER),
            (stale, None) => Seen::Missing(stale, patience),
        }
    }

    fn join(&self, key: &L::Key, now: Instant) -> Joined<FlightOf<L>, Answer<L::Value>> {
        let known = || {
            let entry = self.shared.memory.peek(key)?;
            let fresh = entry.fresh(Instant::now());
            let known = fresh.filter(|answer| self.shared.is_current(answer.mark));
            known.cloned()
        };
        let outdated = |flight: &FlightOf<L>| self.shared.is_outdated(flight);
        let new = || FlightOf::<L>::new(now);
        self.shared.flights.join(key, known, outdated, new)
    }

    async fn wait(
        &self,
        ctx: &Ctx,
        flight: &FlightOf<L>,
        stale: Option<Arc<L::Value>>,
        patience: Duration,
    ) -> Answered<L> {
        if let Some(outcome) = flight.outcome() {
            return landed::<L>(outcome, stale);
        }
        let Some(stale) = stale else {
            let outcome = ctx.run(flight.wait()).await?;
            return landed::<L>(outcome, None);
        };
        if !patience.is_zero() {
            let ctx = ctx.with_timeout(patience);
            if let Ok(outcome) = ctx.run(flight.wait()).await {
                return landed::<L>(outcome, Some(stale));
            }
        }
        Ok(Some(Hit::stale(stale)))
    }
}

/// What a flight has brought, or what stands in for it.
fn landed<L: Load>(
    (entry, source): &(EntryOf<L>, Source),
    stale: Option<Arc<L::Value>>,
) -> Answered<L> {
    let Some(trouble) = &entry.trouble else {
        return Ok(entry
            .answer
            .as_ref()
            .and_then(|answer| hit(answer, *source)));
    };
    // One that this process has had, or one that was left in the level behind it.
    let stale = stale.or_else(|| entry.stale(Instant::now()));
    stale.map_or_else(
        || Err(trouble.error.clone()),
        |stale| Ok(Some(Hit::stale(stale))),
    )
}

fn hit<V>(answer: &Answer<V>, source: Source) -> Option<Hit<V>> {
    let value = answer.value.as_ref()?;
    Some(Hit::new(Arc::clone(value), source))
}

impl<L: Load> Clone for Cached<L> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<L: Load> fmt::Debug for Cached<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("name", &self.shared.name)
            .field("remembered", &self.shared.memory.len())
            .field("redis", &self.shared.remote)
            .field("loading", &self.shared.running.count())
            .finish_non_exhaustive()
    }
}
