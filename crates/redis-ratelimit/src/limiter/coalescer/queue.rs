//! Who waits: a lane for each list of rules and each slot of a cluster, because a call has one.

use std::collections::{BTreeMap, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::core::Rule;
use crate::store::{Order, Told};

/// With two calls under way the server has the next one when it has answered the last.
const CALLS_MAX: usize = 2;

/// The limits of one call: more would hold the server up for more than a millisecond.
const LIMITS_MAX: usize = 128;

/// The places in the queue. There is a task behind each, so this bounds little more than their
/// keys.
const PLACES_MAX: usize = 65_536;

#[derive(Default)]
pub(super) struct Queue {
    calls: usize,
    /// The orders of these calls.
    under_way: usize,
    lanes: BTreeMap<u64, Lane>,
    ids: HashMap<Name, u64, RandomState>,
    /// The lanes by the number of the turn that each waits for: the first goes next.
    turns: BTreeMap<u64, u64>,
    /// Grows with each place. Lanes, their places and their turns are numbered by it.
    numbers: u64,
    places: usize,
}

/// What a lane is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name {
    slot: Option<u16>,
    rules: Arc<[Rule]>,
}

/// As [`Name`], to look for it.
#[derive(Hash)]
struct NameRef<'a> {
    slot: Option<u16>,
    rules: &'a [Rule],
}

impl Equivalent<Name> for NameRef<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        self.slot == name.slot && self.rules == &*name.rules
    }
}

struct Lane {
    name: Name,
    turn: u64,
    /// The number of the first place.
    first: u64,
    /// Places that were left in the middle are empty, so that each is found by its number.
    places: VecDeque<Option<Waiter>>,
}

pub(super) struct Waiter {
    /// Later nobody waits for the answer any more.
    pub(super) deadline: Instant,
    pub(super) order: Order,
    pub(super) answer: oneshot::Sender<Told>,
}

/// Where a place is.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    lane: u64,
    number: u64,
}

impl Queue {
    /// Whether there are few enough calls under way for one more.
    pub(super) fn may_begin(&self) -> bool {
        self.calls < CALLS_MAX
    }

    /// Counts a call of one order.
    pub(super) fn begin_call(&mut self) {
        self.calls += 1;
        self.under_way += 1;
    }

    /// At the end of its lane, unless the queue is full.
    pub(super) fn push(
        &mut self,
        slot: Option<u16>,
        rules: &[Rule],
        waiter: Waiter,
    ) -> Option<Ticket> {
        if self.places >= PLACES_MAX {
            return None;
        }
        self.numbers += 1;
        let id = match self.ids.get(&NameRef { slot, rules }) {
            Some(id) => *id,
            None => self.open(slot, rules),
        };
        let lane = self.lanes.get_mut(&id)?;
        let number = lane.first + lane.places.len() as u64;
        lane.places.push_back(Some(waiter));
        self.places += 1;
        Some(Ticket { lane: id, number })
    }

    /// Who stood there, if the place was not called yet.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Waiter> {
        let lane = self.lanes.get_mut(&ticket.lane)?;
        let index = ticket.number.checked_sub(lane.first)?;
        let place = lane.places.get_mut(usize::try_from(index).ok()?)?;
        let waiter = place.take()?;
        self.places -= lane.close_gaps();
        if lane.places.is_empty() {
            self.turns.remove(&lane.turn);
            self.close(ticket.lane);
        }
        Some(waiter)
    }

    /// Those who go next, all for the same rules, now that a call of so many is over. If there is
    /// nobody, the call has ended.
    ///
    /// They are no more than this call's share of all: if it took whoever waits, they would come
    /// back together and be taken together again, and the server would wait for them each time.
    pub(super) fn next_or_end(&mut self, answered: usize) -> Option<(Arc<[Rule]>, Vec<Waiter>)> {
        self.under_way -= answered;
        let share = (self.places + self.under_way).div_ceil(CALLS_MAX);
        let next = self.turns.pop_first();
        let Some((id, lane)) = next.and_then(|(_, id)| Some((id, self.lanes.get_mut(&id)?))) else {
            self.calls -= 1;
            return None;
        };
        let rules = Arc::clone(&lane.name.rules);
        let most = lane.most().min(share).max(1);
        let mut waiters = Vec::with_capacity(most.min(lane.places.len()));
        let before = lane.places.len();
        while waiters.len() < most
            && let Some(place) = lane.places.pop_front()
        {
            lane.first += 1;
            waiters.extend(place);
        }
        self.places -= before - lane.places.len();
        self.places -= lane.close_gaps();
        self.under_way += waiters.len();
        if lane.places.is_empty() {
            self.close(id);
        } else {
            self.numbers += 1;
            lane.turn = self.numbers;
            self.turns.insert(lane.turn, id);
        }
        Some((rules, waiters))
    }

    /// As [`next_or_end`](Self::next_or_end), if as many wait as a call takes. Otherwise nothing.
    pub(super) fn next_if_full(&mut self, answered: usize) -> Option<(Arc<[Rule]>, Vec<Waiter>)> {
        let (_, lane) = self.turns.first_key_value()?;
        let lane = self.lanes.get(lane)?;
        if lane.places.len() < lane.most() {
            return None;
        }
        self.next_or_end(answered)
    }

    fn open(&mut self, slot: Option<u16>, rules: &[Rule]) -> u64 {
        let (number, rules) = (self.numbers, Arc::from(rules));
        let name = Name { slot, rules };
        self.ids.insert(name.clone(), number);
        self.turns.insert(number, number);
        let lane = Lane {
            name,
            turn: number,
            first: number,
            places: VecDeque::new(),
        };
        self.lanes.insert(number, lane);
        number
    }

    fn close(&mut self, id: u64) {
        if let Some(lane) = self.lanes.remove(&id) {
            self.ids.remove(&lane.name);
        }
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.places
    }
}

impl Lane {
    /// The orders of one call.
    fn most(&self) -> usize {
        LIMITS_MAX / self.name.rules.len().max(1)
    }

    /// Removes the empty places at both ends, and says how many.
    fn close_gaps(&mut self) -> usize {
        let before = self.places.len();
        while let Some(None) = self.places.front() {
            self.places.pop_front();
            self.first += 1;
        }
        while let Some(None) = self.places.back() {
            self.places.pop_back();
        }
        before - self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Gcra;
    use crate::few::Few;
    use crate::store::Ask;

    fn rules() -> [Rule; 1] {
        [Rule::Gcra(Gcra::new(1, 1_000_000, 1).expect("a rule"))]
    }

    fn begin_all(queue: &mut Queue) {
        for _ in 0..CALLS_MAX {
            assert!(queue.may_begin());
            queue.begin_call();
        }
        assert!(!queue.may_begin());
    }

    /// Whether there was a place.
    fn wait(queue: &mut Queue) -> Option<Ticket> {
        let key = b"key".to_vec();
        let waiter = Waiter {
            deadline: Instant::now(),
            order: Few::one(Ask { key, cost: 1 }),
            answer: oneshot::channel().0,
        };
        queue.push(None, &rules(), waiter)
    }

    /// As many callers as there are, each of whom asks again when it is answered.
    #[test]
    fn calls_that_take_turns_come_to_carry_the_same_number() {
        let mut queue = Queue::default();
        begin_all(&mut queue);
        for _ in 2..64 {
            assert!(wait(&mut queue).is_some());
        }
        let mut carried = [1, 1];
        for turn in 0..20 {
            let call = &mut carried[turn % 2];
            for _ in 0..*call {
                assert!(wait(&mut queue).is_some());
            }
            let (_, waiters) = queue.next_or_end(*call).expect("somebody waits");
            *call = waiters.len();
        }
        assert_eq!(carried, [32, 32]);
    }

    #[test]
    fn a_call_goes_before_the_last_one_is_told_only_if_those_who_wait_fill_it() {
        let mut queue = Queue::default();
        assert!(queue.next_if_full(0).is_none(), "nobody waits");
        begin_all(&mut queue);
        for _ in 1..LIMITS_MAX {
            assert!(wait(&mut queue).is_some());
        }
        assert!(queue.next_if_full(1).is_none());
        assert!(wait(&mut queue).is_some());
        let (_, called) = queue.next_if_full(1).expect("it is full");
        // The other call's share of them is left.
        assert_eq!((called.len(), queue.len()), (65, 63));
        assert!(queue.next_if_full(1).is_none());
    }

    #[test]
    fn it_takes_nobody_more_when_it_is_full_until_somebody_leaves_or_goes() {
        let mut queue = Queue::default();
        queue.begin_call();
        let first = wait(&mut queue).expect("it is empty");
        for _ in 1..PLACES_MAX {
            assert!(wait(&mut queue).is_some());
        }
        assert!(wait(&mut queue).is_none());
        assert!(queue.leave(first).is_some());
        assert!(wait(&mut queue).is_some());
        assert!(wait(&mut queue).is_none());
        let (_, called) = queue.next_or_end(1).expect("they wait");
        for _ in 0..called.len() {
            assert!(wait(&mut queue).is_some());
        }
        assert!(!called.is_empty() && queue.len() == PLACES_MAX);
        assert!(wait(&mut queue).is_none());
    }
}
