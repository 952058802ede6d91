//! The search for an order, depth first.

use std::collections::HashSet;
use std::hash::Hash;

use super::Call;

pub(super) struct Search<'a, Op, Apply> {
    calls: &'a [Call<Op>],
    /// By the moment of the call, so that those who may come next are at the front.
    by_call: Vec<usize>,
    apply: Apply,
}

/// A set of calls, a bit for each.
type Set = Vec<u64>;

/// A state that some calls have led to, and how far those are tried that may come next.
struct Step<State> {
    state: State,
    done: Set,
    candidates: std::vec::IntoIter<usize>,
}

impl<'a, Op, Apply> Search<'a, Op, Apply> {
    pub(super) fn new(calls: &'a [Call<Op>], apply: Apply) -> Self {
        let mut by_call: Vec<_> = (0..calls.len()).collect();
        by_call.sort_by_key(|index| calls[*index].called);
        Self {
            calls,
            by_call,
            apply,
        }
    }

    pub(super) fn run<State>(&self, start: State) -> Option<Vec<usize>>
    where
        State: Clone + Eq + Hash,
        Apply: Fn(&State, &Op) -> Option<State>,
    {
        let nothing = vec![0; self.calls.len().div_ceil(64)];
        let mut seen = HashSet::from([(nothing.clone(), start.clone())]);
        let mut order = Vec::new();
        let mut steps = vec![self.step(start, nothing)];
        while let Some(step) = steps.last_mut() {
            if self.are_all_answered_in(&step.done) {
                return Some(order);
            }
            let Some(next) = step.candidates.next() else {
                steps.pop();
                order.pop();
                continue;
            };
            let Some(state) = (self.apply)(&step.state, &self.calls[next].op) else {
                continue;
            };
            let mut done = step.done.clone();
            done[next / 64] |= 1 << (next % 64);
            if seen.insert((done.clone(), state.clone())) {
                order.push(next);
                steps.push(self.step(state, done));
            }
        }
        None
    }

    /// Those may come next before whose call no other one has returned that is still to come.
    fn step<State>(&self, state: State, done: Set) -> Step<State> {
        let to_come = || {
            self.by_call
                .iter()
                .filter(|index| !contains(&done, **index))
        };
        let first_return = to_come()
            .filter_map(|index| self.calls[*index].returned)
            .min();
        let may_be_next =
            |index: &&usize| first_return.is_none_or(|first| self.calls[**index].called <= first);
        let candidates: Vec<_> = to_come().take_while(may_be_next).copied().collect();
        Step {
            state,
            done,
            candidates: candidates.into_iter(),
        }
    }

    fn are_all_answered_in(&self, done: &Set) -> bool {
        let mut calls = self.calls.iter().enumerate();
        calls.all(|(index, call)| call.returned.is_none() || contains(done, index))
    }
}

fn contains(set: &Set, index: usize) -> bool {
    set[index / 64] >> (index % 64) & 1 == 1
}
