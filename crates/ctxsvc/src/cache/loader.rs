//! How flights start, what they do, and how they land.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::entry::{Answer, Entry};
use super::flight::{Flight, caught, launch};
use super::memory::Memory;
use super::observe::{self, Loaded, Meter};
use super::policy::Policy;
use super::remote::{Mark, Remote};
use super::running::Running;
use super::table::Table;
use super::version::Floor;
use super::{CacheError, Load, Source};
use crate::sync::{AtomicBool, Ordering};
use crate::{Ctx, Done};

pub(super) type EntryOf<L> = Entry<<L as Load>::Value, <L as Load>::Error>;
pub(super) type AnswerOf<L> = Answer<<L as Load>::Value>;
pub(super) type FlightOf<L> = Flight<(EntryOf<L>, Source)>;
pub(super) type RemoteOf<L> = dyn Remote<<L as Load>::Key, <L as Load>::Value>;
/// What the repository has said of a key.
pub(super) type Origin<L> = Outcome<L, Option<Row<<L as Load>::Value>>>;
pub(super) type Outcome<L, T> = Result<T, CacheError<<L as Load>::Error>>;

/// What all handles of a cache share.
pub(super) struct Shared<L: Load> {
    pub(super) name: String,
    pub(super) repository: L,
    pub(super) policy: Policy,
    pub(super) memory: Memory<L::Key, EntryOf<L>>,
    pub(super) flights: Table<L::Key, FlightOf<L>>,
    pub(super) remote: Option<Arc<RemoteOf<L>>>,
    pub(super) permits: Semaphore,
    pub(super) running: Running,
    pub(super) meter: Meter,
}

/// What the repository has for a key.
pub(super) struct Row<V> {
    value: V,
    version: Option<u64>,
}

/// A flight that lands in any case: if its task goes away before it does, then as abandoned.
pub(super) struct Landing<L: Load> {
    shared: Arc<Shared<L>>,
    pub(super) key: L::Key,
    pub(super) flight: Arc<FlightOf<L>>,
    has_landed: AtomicBool,
}

impl<L: Load> Shared<L> {
    /// Brings a key, for the flight that the caller has registered.
    pub(super) fn load(self: &Arc<Self>, ctx: &Ctx, key: &L::Key, flight: &Arc<FlightOf<L>>) {
        let landing = self.landing(key, flight);
        let (ctx, shared) = (ctx.detach(), Arc::clone(self));
        // Apart, because one future for both would be as large as the larger one.
        match self.remote.clone() {
            Some(remote) => launch(observe::traced(&self.name, 1, async move {
                shared.through(&*remote, &ctx, &landing).await;
            })),
            None => launch(observe::traced(&self.name, 1, async move {
                let loaded = shared.origin(&ctx, &landing.key).await;
                landing.land_loaded(loaded);
            })),
        }
    }

    /// Brings several keys at once, each for its flight.
    pub(super) fn load_many(self: &Arc<Self>, ctx: &Ctx, flights: &[(L::Key, Arc<FlightOf<L>>)]) {
        let landings = flights
            .iter()
            .map(|(key, flight)| self.landing(key, flight));
        let landings: Vec<_> = landings.collect();
        let (ctx, shared) = (ctx.detach(), Arc::clone(self));
        launch(observe::traced(&self.name, flights.len(), async move {
            if let Some(remote) = &shared.remote {
                shared.through_many(&**remote, &ctx, &landings).await;
            } else {
                let keys: Vec<_> = landings.iter().map(|it| it.key.clone()).collect();
                let loaded = shared.origin_many(&ctx, &keys).await;
                for (landing, loaded) in landings.iter().zip(loaded) {
                    landing.land_loaded(loaded);
                }
            }
        }));
    }

    /// Asks the repository for a key.
    pub(super) async fn origin(&self, ctx: &Ctx, key: &L::Key) -> Origin<L> {
        let began = Instant::now();
        let ctx = ctx.with_timeout_from(began, self.policy.load_timeout);
        let load = async {
            let _permit = self.permits.acquire().await;
            let value = self.repository.load(&ctx, key).await?;
            Ok(value.map(Row::of::<L>))
        };
        let loaded = caught(ctx.run(ctx.scope(load))).await;
        self.judged(loaded, began)
    }

    /// Asks the repository for several keys, and returns what came of each.
    pub(super) async fn origin_many(&self, ctx: &Ctx, keys: &[L::Key]) -> Vec<Origin<L>> {
        let began = Instant::now();
        let ctx = ctx.with_timeout_from(began, self.policy.load_timeout);
        let load = async {
            let _permit = self.permits.acquire().await;
            let mut values = self.repository.load_many(&ctx, keys).await?;
            let found = keys.iter().map(|key| values.remove(key).map(Row::of::<L>));
            let found: Vec<_> = found.map(Ok).collect();
            Ok(values.is_empty().then_some(found))
        };
        let loaded = caught(ctx.run(ctx.scope(load))).await;
        let found = self.judged(loaded, began);
        let found = found.and_then(|found| found.ok_or(CacheError::WrongKey));
        let of_all = |error: CacheError<_>| keys.iter().map(|_| Err(error.clone())).collect();
        found.unwrap_or_else(of_all)
    }

    fn judged<T>(
        &self,
        loaded: Option<Result<Result<T, L::Error>, Done>>,
        began: Instant,
    ) -> Outcome<L, T> {
        let limit = self.policy.load_timeout;
        let judged = match loaded {
            Some(Ok(Ok(value))) => Ok(value),
            Some(Ok(Err(error))) => Err(CacheError::Failed(Arc::new(error))),
            Some(Err(_done)) => Err(CacheError::TimedOut { limit }),
            None => Err(CacheError::Panicked),
        };
        let outcome = Loaded::of(&judged);
        self.meter.loaded(outcome, began.elapsed());
        observe::failed(outcome);
        judged
    }

    pub(super) fn answer(&self, row: Option<Row<L::Value>>, mark: Mark) -> AnswerOf<L> {
        let version = row.as_ref().and_then(|row| row.version);
        let value = row.map(|row| Arc::new(row.value));
        let (fresh_until, stale_until) = self.policy.lifetime(value.is_some(), Instant::now());
        Answer {
            value,
            version,
            fresh_until,
            stale_until,
            mark,
        }
    }

    /// Forgets what this process knows of a key, but for the version that it has seen. A load that is
    /// under way is not remembered.
    pub(super) fn forget(&self, key: &L::Key) {
        let dropped_later = self.flights.revoke(key, || {
            let known = self.memory.peek(key);
            let left = known.as_ref().and_then(|it| it.forgotten(Instant::now()));
            let evicted = match left {
                Some(left) => self.memory.insert(key, left, 1),
                None => self.memory.remove(key),
            };
            (known, evicted)
        });
        drop(dropped_later);
    }

    /// Which versions of a key are too old to be remembered.
    pub(super) fn floor(&self, key: &L::Key) -> Floor {
        let known = self.memory.peek(key);
        known.map_or_else(Floor::default, |it| it.floor(Instant::now()))
    }

    /// Whether nothing was heard of a key since it was read.
    pub(super) fn is_current(&self, mark: Mark) -> bool {
        let remote = self.remote.as_ref();
        remote.is_none_or(|remote| remote.is_current(mark))
    }

    /// Whether who asks now has to have something newer than what a flight will bring.
    pub(super) fn is_outdated(&self, flight: &FlightOf<L>) -> bool {
        let Some(remote) = &self.remote else {
            return false;
        };
        let (at, since) = flight.since();
        // It was answered, and is not remembered before Redis was told.
        let is_over = flight.outcome().is_some_and(|(entry, _)| {
            let now = Instant::now();
            match entry.trouble {
                // It was told the failure, and not the answer from before.
                Some(_) => entry.held_back(now).is_none(),
                None => entry.fresh(now).is_none(),
            }
        });
        let is_unheard = |most| remote.is_unheard() && at.elapsed() > most;
        is_over
            || since.is_some_and(|since| !since.is_current(|mark| remote.is_current(mark)))
            || is_unheard(remote.unheard_for())
    }

    fn landing(self: &Arc<Self>, key: &L::Key, flight: &Arc<FlightOf<L>>) -> Landing<L> {
        self.running.begin();
        Landing {
            shared: Arc::clone(self),
            key: key.clone(),
            flight: Arc::clone(flight),
            has_landed: AtomicBool::new(false),
        }
    }
}

impl<V> Row<V> {
    /// Inside of a load: whose version it is is for foreign code to say.
    fn of<L: Load<Value = V>>(value: V) -> Self {
        let version = L::version(&value);
        Self { value, version }
    }
}

impl<L: Load> Landing<L> {
    /// Lands with what the repository has said.
    fn land_loaded(&self, loaded: Origin<L>) {
        match loaded {
            Ok(value) => {
                self.land_known(self.shared.answer(value, Mark::NONE), Source::Origin);
            }
            Err(error) => {
                self.fail(error, None);
                self.land_failed();
            }
        }
    }

    /// Tells who waits before it lands: what is left to be done is not theirs to wait for.
    pub(super) fn answer(&self, answer: AnswerOf<L>, source: Source) {
        self.flight.end((Entry::known(answer), source));
    }

    /// As `answer`. What it was `before` is for a process that knows nothing that may still be given.
    pub(super) fn fail(&self, error: CacheError<L::Error>, before: Option<AnswerOf<L>>) {
        let (known, now) = (self.shared.memory.peek(&self.key), Instant::now());
        let known = match (known, before) {
            (Some(known), Some(before)) => Some(known.or_older(before, now)),
            (known, before) => known.or_else(|| before.map(Entry::known)),
        };
        let failed = Entry::failed(known, error, now);
        self.flight.end((failed, Source::Origin));
    }

    /// It is not remembered if its version is too old.
    pub(super) fn land_known(&self, answer: AnswerOf<L>, source: Source) {
        let version = answer.version;
        self.land(Entry::known(answer), source, version);
    }

    /// Lands with the failure that those who waited were told.
    pub(super) fn land_failed(&self) {
        if let Some((failed, source)) = self.flight.outcome() {
            self.land(failed.clone(), *source, None);
        }
    }

    /// What those who waited were told is not remembered.
    pub(super) fn pass_on(&self) {
        self.leave(|| ());
    }

    fn land(&self, entry: EntryOf<L>, source: Source, version: Option<u64>) {
        let (memory, key) = (&self.shared.memory, &self.key);
        let value = entry.answer.as_ref().and_then(|it| it.value.as_ref());
        let weight = value.map_or(1, |value| L::weight(value));
        let dropped_later = self.leave(|| {
            let known = memory.peek(key);
            let entry = entry.clone();
            // Of most nothing is known, and then there is no look at the clock.
            let remembered = match &known {
                Some(before) => entry.after(before, version, Instant::now()),
                None => Some(entry),
            };
            let evicted = remembered.map(|it| memory.insert(key, it, weight));
            (known, evicted)
        });
        self.flight.end((entry, source));
        drop(dropped_later);
    }

    /// From here on another one may start.
    fn leave<R>(&self, remember: impl FnOnce() -> R) -> Option<R> {
        let left = self.shared.flights.land(&self.key, &self.flight, remember);
        // ORDERING: Relaxed. The task that has set it drops this, too.
        self.has_landed.store(true, Ordering::Relaxed);
        left
    }
}

impl<L: Load> Drop for Landing<L> {
    fn drop(&mut self) {
        // ORDERING: Relaxed. This is the last owner.
        if !self.has_landed.load(Ordering::Relaxed) {
            let abandoned = Entry::failed(None, CacheError::Abandoned, Instant::now());
            self.leave(|| ());
            // Unless those who wait were told before.
            self.flight.end((abandoned, Source::Origin));
        }
        self.shared.running.end();
    }
}
