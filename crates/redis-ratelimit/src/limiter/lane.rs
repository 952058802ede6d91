//! A part of the store that may fail by itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::coalescer::Coalescer;
use crate::store::{Breaker, Budget, Pass, Probe};
use crate::{Applied, Fault, FaultKind, RedisStore};

/// A cluster's 16 384 slots by so many: a node that is away, or slow, is one of several, and keeps
/// nobody waiting who asks another one.
const SLOTS: u16 = 256;

/// A part of the store that may fail by itself: all of a single server, or some slots of a cluster.
pub(super) struct Lane {
    breaker: Arc<Breaker>,
    coalescer: Option<Arc<Coalescer>>,
    /// For orders of several limits, if these have one of their own.
    of_several: Option<Arc<Coalescer>>,
}

/// All parts of a store.
pub(super) struct Lanes {
    lanes: Box<[Lane]>,
}

impl Lanes {
    pub(super) fn new(
        store: &RedisStore,
        coalescer: impl Fn(&Arc<Breaker>) -> Option<Arc<Coalescer>>,
    ) -> Self {
        let is_cluster = store.slots() > 0;
        let lane = |_| {
            let breaker = Arc::new(Breaker::new(Instant::now()));
            // While a slot moves to another node, its keys are on both sides, and several of them
            // have to wait until they are together. Those who ask for one do not wait for these.
            let of_several = is_cluster.then(|| coalescer(&breaker)).flatten();
            Lane {
                coalescer: coalescer(&breaker),
                of_several,
                breaker,
            }
        };
        let count = store.slots().div_ceil(SLOTS).max(1);
        Self {
            lanes: (0..count).map(lane).collect(),
        }
    }

    pub(super) fn of(&self, slot: Option<u16>) -> &Lane {
        &self.lanes[slot.map_or(0, |slot| usize::from(slot / SLOTS))]
    }
}

// Not derived: there are dozens in a cluster, most of them idle.
impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_open = |lane: &&Lane| lane.breaker.is_open();
        f.debug_struct("Lanes")
            .field("count", &self.lanes.len())
            .field("open", &self.lanes.iter().filter(is_open).count())
            .field(
                "waiting",
                &self.lanes.iter().map(Lane::waiting).sum::<usize>(),
            )
            .finish_non_exhaustive()
    }
}

impl Lane {
    fn waiting(&self) -> usize {
        let all = self.coalescer.iter().chain(&self.of_several);
        all.map(|coalescer| coalescer.waiting()).sum()
    }

    /// For orders of so many limits.
    pub(super) fn coalescer(&self, limits: usize) -> Option<&Arc<Coalescer>> {
        let of_several = self.of_several.as_ref().filter(|_| limits > 1);
        of_several.or(self.coalescer.as_ref())
    }

    /// To ask the store with, unless the breaker says that it would be in vain: until `bound` is
    /// over.
    pub(super) fn budget(
        &self,
        bound: Duration,
        probe: impl FnOnce(Probe),
    ) -> Result<Budget, Fault> {
        let now = Instant::now();
        match self.breaker.pass(now) {
            Pass::Ask => return Ok(Budget::counted(now + bound, &self.breaker)),
            Pass::Refuse => {}
            Pass::RefuseAndProbe => probe(Probe::of(&self.breaker)),
        }
        Err(Fault::new(FaultKind::BreakerOpen, Applied::No))
    }
}
