//! The store of one process.

#[cfg(all(test, model))]
mod loom_tests;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::clock::Clock;
use super::{Answer, Request};
use crate::core::{Figures, Leases, Slot, Slots, Stored};
use crate::sync::MutexGuard;
use crate::table::{Id, Place, Shard, Table};

/// Some 150 bytes each with short keys, and up to twice as much when the tables have just grown.
const CAPACITY: usize = 1_000_000;

/// A store in this process' memory, bounded and forgetful of what no longer counts.
///
/// A clone is another handle to the same store. When it is full, a new key makes it forget the
/// one of a few others that had the least to remember, and [`forgotten`](Self::forgotten) counts
/// it: raise the capacity if that is not zero. Slots that are held are not forgotten: when there is
/// no room for more of them, an `acquire` of a new key is denied. Keys are counted, whatever their
/// length: where strangers choose long ones, use a digest.
///
/// # Performance
///
/// A decision reads the clock and takes one of 64 locks for as long as one key is looked up. A
/// key that is known allocates nothing. Reading the system's clock is a third of it: with the
/// feature `quanta` a counter of the processor's is read instead, where there is one that counts
/// steadily.
///
/// # Examples
///
/// ```
/// use redis_ratelimit::{Limiter, MemoryStore};
///
/// let store = MemoryStore::with_capacity(50_000);
/// let limiter = Limiter::builder().memory(store.clone()).build();
/// assert_eq!(store.forgotten(), 0);
/// # drop(limiter);
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    limits: Table<Stored>,
    leases: Table<Leases>,
}

impl MemoryStore {
    /// A store for a million keys.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// A store for this many keys, and as many more with a [`Concurrency`](crate::Concurrency).
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        Self::open(keys, Clock::fastest())
    }

    /// A store that reads another clock. A test that pauses tokio's sets
    /// `|| tokio::time::Instant::now().into_std()`.
    #[must_use]
    pub fn with_clock(keys: usize, clock: fn() -> Instant) -> Self {
        Self::open(keys, Clock::read(clock))
    }

    fn open(keys: usize, clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                limits: Table::new(keys),
                leases: Table::new(keys),
            }),
        }
    }

    /// How many keys were forgotten while they still counted, because the store was full.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.shared.limits.forgotten() + self.shared.leases.forgotten()
    }

    #[inline]
    pub(crate) fn take(&self, request: Request<'_>) -> (bool, Figures) {
        let now = self.shared.clock.now_us();
        let place = self.shared.limits.locate(request.id);
        let mut shard = self.shared.limits.lock(place);
        // A state of 64 bytes that is copied out and in again is most of what a decision takes.
        if let Some((stored, expires)) = shard.find_until(place, request.id, now) {
            let (admitted, figures) = request.rule.decide_at(stored, now, request.cost);
            // What was just seen tells how long it counts, also of what nothing was taken from.
            *expires = now.saturating_add(figures.reset_us);
            return (admitted, figures);
        }
        let outcome = request.rule.decide(None, now, request.cost);
        if let Some(write) = outcome.write {
            let expires = now.saturating_add(outcome.figures.reset_us);
            shard.put(place, request.id, write, expires, now);
        }
        (outcome.admitted, outcome.figures)
    }

    /// Locks all keys at once, always in the order of the shards.
    pub(crate) fn take_all(&self, requests: &[Request<'_>]) -> Answer {
        let now = self.shared.clock.now_us();
        let mut locked = Locked::lock(&self.shared.limits, requests);
        let outcomes: Vec<_> = locked.each(requests, |shard, place, request| {
            let stored = shard.find(place, request.id, now).copied();
            request.rule.decide(stored, now, request.cost)
        });
        let admitted = outcomes.iter().all(|outcome| outcome.admitted);
        let mut decided = outcomes.into_iter();
        let figures = locked.each(requests, |shard, place, request| {
            let outcome = decided.next().filter(|_| admitted).unwrap_or_else(|| {
                let stored = shard.find(place, request.id, now).copied();
                request.rule.decline(stored, now, request.cost)
            });
            if let Some(write) = outcome.write {
                let expires = now.saturating_add(outcome.figures.reset_us);
                shard.put(place, request.id, write, expires, now);
            }
            outcome.figures
        });
        Answer { admitted, figures }
    }

    pub(crate) fn peek(&self, request: Request<'_>) -> Figures {
        let now = self.shared.clock.now_us();
        let place = self.shared.limits.locate(request.id);
        let stored = self
            .shared
            .limits
            .lock(place)
            .find(place, request.id, now)
            .copied();
        request.rule.decline(stored, now, request.cost).figures
    }

    pub(crate) fn refund(&self, request: Request<'_>) {
        self.update(request, |stored, now| {
            stored.map(|stored| request.rule.refund(Some(stored), now, request.cost))
        });
    }

    /// Counts what another store has admitted.
    pub(crate) fn charge(&self, request: Request<'_>) {
        self.update(request, |stored, now| {
            Some(request.rule.charge(stored, now, request.cost))
        });
    }

    pub(crate) fn reset(&self, request: Request<'_>) {
        let place = self.shared.limits.locate(request.id);
        self.shared.limits.lock(place).remove(place, request.id);
    }

    pub(crate) fn acquire(&self, id: Id<'_>, slots: Slots, permit: u128) -> Slot {
        let now = self.shared.clock.now_us();
        let place = self.shared.leases.locate(id);
        let mut shard = self.shared.leases.lock(place);
        let known = shard.find(place, id, now).map(std::mem::take);
        if known.is_none()
            && let Err(room_at) = shard.room_without_loss(now)
        {
            // A slot that is forgotten while it is held would be given away twice.
            return Slot {
                acquired: false,
                held: slots.slots.into(),
                wait_us: room_at.saturating_sub(now),
            };
        }
        let mut leases = known.unwrap_or_default();
        let slot = slots.acquire(&mut leases, permit, now);
        let expires = leases.last_end();
        shard.put(place, id, leases, expires, now);
        slot
    }

    pub(crate) fn release(&self, id: Id<'_>, permit: u128) {
        let now = self.shared.clock.now_us();
        let place = self.shared.leases.locate(id);
        let mut shard = self.shared.leases.lock(place);
        let is_last = shard.find(place, id, now).is_some_and(|leases| {
            leases.release(permit);
            leases.is_empty()
        });
        if is_last {
            shard.remove(place, id);
        }
    }

    fn update(
        &self,
        request: Request<'_>,
        change: impl FnOnce(Option<Stored>, u64) -> Option<Stored>,
    ) {
        let now = self.shared.clock.now_us();
        let place = self.shared.limits.locate(request.id);
        let mut shard = self.shared.limits.lock(place);
        shard.change(place, request.id, now, |stored| {
            let changed = change(stored, now).map(|changed| {
                let expires = now.saturating_add(request.rule.reset_us(changed, now));
                (changed, expires)
            });
            ((), changed)
        });
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

// Not derived: the table keeps its locks while it is formatted, and holds the users' keys.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("keys", &self.shared.limits.len())
            .field("forgotten", &self.forgotten())
            .finish_non_exhaustive()
    }
}

/// The shards of several requests, each locked once.
struct Locked<'t> {
    places: Vec<Place>,
    shards: Vec<(usize, MutexGuard<'t, Shard<Stored>>)>,
}

impl<'t> Locked<'t> {
    fn lock(table: &'t Table<Stored>, requests: &[Request<'_>]) -> Self {
        let places: Vec<_> = requests
            .iter()
            .map(|request| table.locate(request.id))
            .collect();
        let mut in_order = places.clone();
        in_order.sort_unstable_by_key(|place| place.shard);
        in_order.dedup_by_key(|place| place.shard);
        let lock = |place: Place| (place.shard, table.lock(place));
        let shards = in_order.into_iter().map(lock).collect();
        Self { places, shards }
    }

    fn each<T>(
        &mut self,
        requests: &[Request<'_>],
        mut visit: impl FnMut(&mut Shard<Stored>, Place, Request<'_>) -> T,
    ) -> Vec<T> {
        let visited = requests.iter().zip(&self.places).map(|(request, place)| {
            let at = self
                .shards
                .binary_search_by_key(&place.shard, |(shard, _)| *shard);
            let at = at.expect("each place's shard was locked");
            visit(&mut self.shards[at].1, *place, *request)
        });
        visited.collect()
    }
}
