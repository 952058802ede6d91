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

/// A state that some calls have led to, and those that may come next and are not tried yet, each
/// with what it leads to.
struct Step<State> {
    done: Set,
    next: std::vec::IntoIter<(usize, State)>,
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

    pub(super) fn run<State>(&self, start: &State) -> Option<Vec<usize>>
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
            let Some((next, state)) = step.next.next() else {
                steps.pop();
                order.pop();
                continue;
            };
            let mut done = step.done.clone();
            done[next / 64] |= 1 << (next % 64);
            if seen.insert((done.clone(), state.clone())) {
                order.push(next);
                steps.push(self.step(&state, done));
            }
        }
        None
    }

    /// Those may come next before whose call no other one has returned that is still to come.
    ///
    /// First those that change nothing, because they stand in nobody's way, and last those without
    /// a return, because they may never be needed.
    fn step<State>(&self, state: &State, done: Set) -> Step<State>
    where
        State: Eq,
        Apply: Fn(&State, &Op) -> Option<State>,
    {
        let call = |index: &usize| &self.calls[*index];
        let to_come = || {
            let all = self.by_call.iter().copied();
            all.filter(|index| !contains(&done, *index))
        };
        let returns = to_come().filter_map(|index| call(&index).returned);
        let first_return = returns.min().unwrap_or(u64::MAX);
        let may_be_next = to_come().take_while(|index| call(index).called <= first_return);
        let leads_to = |index| Some((index, (self.apply)(state, &call(&index).op)?));
        let mut next: Vec<_> = may_be_next.filter_map(leads_to).collect();
        next.sort_by_key(|(index, after)| {
            let changes = after != state;
            (changes, call(index).returned.unwrap_or(u64::MAX))
        });
        Step {
            done,
            next: next.into_iter(),
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
