//! Whether what several callers saw could have come from one after the other.

mod search;

use std::hash::Hash;

use self::search::Search;

/// One call of a concurrent object, by a clock that all callers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<Op> {
    /// What was asked for, and what the answer was.
    pub op: Op,
    /// A moment before it was made.
    pub called: u64,
    /// A moment after its answer, `None` if there was none: its caller was killed, or did not wait.
    /// Such a call may have had its effect at any time since, or never.
    pub returned: Option<u64>,
}

/// An order in which the calls of a history, one after the other, would have had the answers that
/// they had: each at a moment between its call and its return. `None` if there is no such order,
/// so that the object is not linearizable.
///
/// `apply` is the object as it should be: the state after an operation, or `None` if in that state
/// it has another answer. The order is one of indices into `calls`; a call without a return is
/// left out if it had no effect.
///
/// This is the search of Wing and Gong (1993) with the memory of Lowe (2017): a set of calls that
/// has led to a state is not looked at twice. It takes exponential time in the number of calls that
/// overlap, so it is for histories of some dozens of them.
///
/// # Examples
///
/// ```
/// use testkit::{Call, linearize};
///
/// // A counter that tells what it was before.
/// let count = |state: &u32, told: &u32| (state == told).then_some(state + 1);
/// let call = |op, called, returned| Call { op, called, returned: Some(returned) };
///
/// let overlapping = [call(1, 0, 9), call(0, 1, 2)];
/// assert_eq!(linearize(&overlapping, &0, count), Some(vec![1, 0]));
///
/// let one_after_the_other = [call(1, 0, 1), call(0, 2, 3)];
/// assert_eq!(linearize(&one_after_the_other, &0, count), None);
/// ```
pub fn linearize<State, Op>(
    calls: &[Call<Op>],
    start: &State,
    apply: impl Fn(&State, &Op) -> Option<State>,
) -> Option<Vec<usize>>
where
    State: Clone + Eq + Hash,
{
    Search::new(calls, apply).run(start)
}

#[cfg(test)]
mod tests;
