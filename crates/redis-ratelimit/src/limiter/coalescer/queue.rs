//! Who waits: a lane for each list of rules, because a call has one.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::core::Rule;
use crate::store::{Order, Told};

/// The limits of one call: more would hold the server up for more than a millisecond.
const LIMITS_MAX: usize = 128;

/// The places in the queue. There is a task behind each, so this bounds little more than their
/// keys.
const PLACES_MAX: usize = 65_536;

#[derive(Default)]
pub(super) struct Queue {
    calls: usize,
    lanes: HashMap<Vec<Rule>, Lane>,
    /// The lanes by the number of the turn that each waits for: the first goes next.
    turns: BTreeMap<u64, Vec<Rule>>,
    /// Grows with each place, and so do the numbers of a lane's places.
    numbers: u64,
    places: usize,
}

#[derive(Default)]
struct Lane {
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
pub(super) struct Ticket {
    rules: Vec<Rule>,
    number: u64,
}

impl Queue {
    /// Counts a call if there are fewer than `most` under way.
    pub(super) fn begin_call(&mut self, most: usize) -> bool {
        let begins = self.calls < most;
        self.calls += usize::from(begins);
        begins
    }

    /// At the end of its lane, unless the queue is full.
    pub(super) fn push(&mut self, rules: Vec<Rule>, waiter: Waiter) -> Option<Ticket> {
        if self.places >= PLACES_MAX {
            return None;
        }
        self.numbers += 1;
        self.places += 1;
        let number = self.numbers;
        if let Some(lane) = self.lanes.get_mut(&rules) {
            let number = lane.first + lane.places.len() as u64;
            lane.places.push_back(Some(waiter));
            return Some(Ticket { rules, number });
        }
        let lane = Lane {
            turn: number,
            first: number,
            places: VecDeque::from([Some(waiter)]),
        };
        self.turns.insert(lane.turn, rules.clone());
        self.lanes.insert(rules.clone(), lane);
        Some(Ticket { rules, number })
    }

    /// Who stood there, if the place was not called yet.
    pub(super) fn leave(&mut self, ticket: &Ticket) -> Option<Waiter> {
        let lane = self.lanes.get_mut(&ticket.rules)?;
        let index = ticket.number.checked_sub(lane.first)?;
        let place = lane.places.get_mut(usize::try_from(index).ok()?)?;
        let waiter = place.take()?;
        self.places -= lane.close_gaps();
        if lane.places.is_empty() {
            self.turns.remove(&lane.turn);
            self.lanes.remove(&ticket.rules);
        }
        Some(waiter)
    }

    /// Those who go next, all for the same rules. If there is nobody, the call has ended.
    pub(super) fn next_or_end(&mut self) -> Option<(Vec<Rule>, Vec<Waiter>)> {
        let Some((_, rules)) = self.turns.pop_first() else {
            self.calls -= 1;
            return None;
        };
        let most = (LIMITS_MAX / rules.len().max(1)).max(1);
        let mut next = Vec::with_capacity(most);
        if let Some(lane) = self.lanes.get_mut(&rules) {
            let before = lane.places.len();
            while next.len() < most
                && let Some(place) = lane.places.pop_front()
            {
                lane.first += 1;
                next.extend(place);
            }
            self.places -= before - lane.places.len();
            self.places -= lane.close_gaps();
            if lane.places.is_empty() {
                self.lanes.remove(&rules);
            } else {
                self.numbers += 1;
                lane.turn = self.numbers;
                self.turns.insert(lane.turn, rules.clone());
            }
        }
        Some((rules, next))
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.places
    }
}

impl Lane {
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
