//! How flights start, what they do, and how they land.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::entry::Entry;
use super::flight::{Flight, caught, launch};
use super::memory::Memory;
use super::policy::Policy;
use super::table::Table;
use super::{CacheError, Load};
use crate::{Ctx, Done};

pub(super) type EntryOf<L> = Entry<<L as Load>::Value, <L as Load>::Error>;
pub(super) type FlightOf<L> = Flight<EntryOf<L>>;
type ErrorOf<L> = CacheError<<L as Load>::Error>;

/// What all handles of a cache share.
pub(super) struct Shared<L: Load> {
    pub(super) name: String,
    pub(super) repository: L,
    pub(super) policy: Policy,
    pub(super) memory: Memory<L::Key, EntryOf<L>>,
    pub(super) flights: Table<L::Key, FlightOf<L>>,
    pub(super) permits: Semaphore,
    pub(super) running: watch::Sender<usize>,
}

/// A flight that lands in any case: if its task goes away without a result, then as abandoned.
struct Landing<L: Load> {
    shared: Arc<Shared<L>>,
    key: L::Key,
    flight: Arc<FlightOf<L>>,
}

impl<L: Load> Shared<L> {
    /// Loads a key, for the flight that the caller has registered.
    pub(super) fn load(self: &Arc<Self>, ctx: &Ctx, key: &L::Key, flight: &Arc<FlightOf<L>>) {
        let landing = self.landing(key, flight);
        let ctx = ctx.detach().with_timeout(self.policy.load_timeout);
        let shared = Arc::clone(self);
        launch(async move {
            let load = async {
                let _permit = shared.permits.acquire().await;
                shared.repository.load(&ctx, &landing.key).await
            };
            let loaded = caught(ctx.run(ctx.scope(load))).await;
            let value = shared.judged(loaded);
            landing.land(value);
        });
    }

    /// Loads several keys at once, each for its flight.
    pub(super) fn load_many(self: &Arc<Self>, ctx: &Ctx, flights: &[(L::Key, Arc<FlightOf<L>>)]) {
        let landings = flights
            .iter()
            .map(|(key, flight)| self.landing(key, flight));
        let landings: Vec<_> = landings.collect();
        let keys: Vec<_> = flights.iter().map(|(key, _)| key.clone()).collect();
        let ctx = ctx.detach().with_timeout(self.policy.load_timeout);
        let shared = Arc::clone(self);
        launch(async move {
            let load = async {
                let _permit = shared.permits.acquire().await;
                shared.repository.load_many(&ctx, &keys).await
            };
            let loaded = caught(ctx.run(ctx.scope(load))).await;
            let found = shared.judged(loaded).and_then(|mut values| {
                let found: Vec<_> = keys.iter().map(|key| values.remove(key)).collect();
                if values.is_empty() {
                    Ok(found)
                } else {
                    Err(CacheError::WrongKey)
                }
            });
            match found {
                Ok(found) => landings
                    .iter()
                    .zip(found)
                    .for_each(|(landing, value)| landing.land(Ok(value))),
                Err(error) => landings
                    .iter()
                    .for_each(|landing| landing.land(Err(error.clone()))),
            }
        });
    }

    fn judged<T>(
        &self,
        loaded: Option<Result<Result<T, L::Error>, Done>>,
    ) -> Result<T, ErrorOf<L>> {
        let limit = self.policy.load_timeout;
        match loaded {
            Some(Ok(Ok(value))) => Ok(value),
            Some(Ok(Err(error))) => Err(CacheError::Failed(Arc::new(error))),
            Some(Err(_done)) => Err(CacheError::TimedOut { limit }),
            None => Err(CacheError::Panicked),
        }
    }

    fn landing(self: &Arc<Self>, key: &L::Key, flight: &Arc<FlightOf<L>>) -> Landing<L> {
        self.running.send_modify(|running| *running += 1);
        Landing {
            shared: Arc::clone(self),
            key: key.clone(),
            flight: Arc::clone(flight),
        }
    }
}

impl<L: Load> Landing<L> {
    fn land(&self, loaded: Result<Option<L::Value>, ErrorOf<L>>) {
        let Shared {
            policy,
            memory,
            flights,
            ..
        } = &*self.shared;
        let now = Instant::now();
        let weight = match &loaded {
            Ok(Some(value)) => L::weight(value),
            _ => 1,
        };
        let entry = match loaded {
            Ok(value) => Entry::loaded(value.map(Arc::new), policy, now),
            Err(error) => Entry::failed(memory.peek(&self.key).as_ref(), error, now),
        };
        let remember = || memory.insert(&self.key, entry.clone(), weight);
        let evicted = flights.land(&self.key, &self.flight, remember);
        self.flight.end(entry);
        drop(evicted);
    }
}

impl<L: Load> Drop for Landing<L> {
    fn drop(&mut self) {
        if self.flight.outcome().is_none() {
            let abandoned = Entry::failed(None, CacheError::Abandoned, Instant::now());
            self.shared.flights.land(&self.key, &self.flight, || ());
            self.flight.end(abandoned);
        }
        self.shared.running.send_modify(|running| *running -= 1);
    }
}
