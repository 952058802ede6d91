//! The search against all orders there are.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Call, linearize};

/// What a limit of three units was asked for, and whether it admitted if that is known.
#[derive(Debug, Clone, Copy)]
struct Take {
    units: u32,
    admitted: Option<bool>,
}

fn take(left: u32, take: Take) -> Option<u32> {
    let after = left.checked_sub(take.units);
    match take.admitted {
        Some(admitted) if admitted != after.is_some() => None,
        _ => Some(after.unwrap_or(left)),
    }
}

fn search(calls: &[Call<Take>]) -> Option<Vec<usize>> {
    linearize(calls, &3, |left, op| take(*left, *op))
}

/// Whether an order is one: each call in it once, all that returned are in it, none comes after
/// one that was made when it had returned already, and each has the answer that it had.
fn is_an_order(calls: &[Call<Take>], order: &[usize]) -> bool {
    let is_in = |index: &usize| order.contains(index);
    let all_answered =
        (0..calls.len()).all(|index| calls[index].returned.is_none() || is_in(&index));
    let in_time = order.iter().enumerate().all(|(place, earlier)| {
        let mut later = order[place + 1..].iter();
        later.all(|later| {
            later != earlier
                && calls[*later]
                    .returned
                    .is_none_or(|returned| returned >= calls[*earlier].called)
        })
    });
    let mut indices = order.iter();
    let end = indices.try_fold(3, |left, index| take(left, calls[*index].op));
    all_answered && in_time && end.is_some()
}

/// All orders of all subsets of those that are left, by brute force.
fn any_order(calls: &[Call<Take>], order: &mut Vec<usize>) -> bool {
    if is_an_order(calls, order) {
        return true;
    }
    for next in 0..calls.len() {
        if !order.contains(&next) {
            order.push(next);
            let found = any_order(calls, order);
            order.pop();
            if found {
                return true;
            }
        }
    }
    false
}

#[test]
fn the_search_finds_an_order_if_and_only_if_brute_force_does() {
    let call = (1..4_u32, any::<bool>(), 0..12_u64, 0..6_u64, 0..5_u8);
    let calls = prop::collection::vec(call, 0..6).prop_map(|calls| {
        let call = |(units, admitted, called, takes, kind)| {
            let is_answered = kind > 0;
            Call {
                op: Take {
                    units,
                    admitted: is_answered.then_some(admitted),
                },
                called,
                returned: is_answered.then_some(called + takes),
            }
        };
        calls.into_iter().map(call).collect::<Vec<_>>()
    });
    let reached = [Cell::new(0), Cell::new(0)];
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&calls, |calls| {
            let found = search(&calls);
            let expected = any_order(&calls, &mut Vec::new());
            prop_assert_eq!(found.is_some(), expected);
            if let Some(order) = found {
                prop_assert!(is_an_order(&calls, &order), "{:?}", order);
            }
            reached[usize::from(expected)].update(|times| times + 1);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!(reached.iter().all(|times| times.get() > 20), "{reached:?}");
}

#[test]
fn a_call_without_a_return_may_have_had_its_effect_or_not() {
    let pending = Call {
        op: Take {
            units: 2,
            admitted: None,
        },
        called: 0,
        returned: None,
    };
    let answered = |units, admitted, called| Call {
        op: Take {
            units,
            admitted: Some(admitted),
        },
        called,
        returned: Some(called + 1),
    };
    // Units, whether they were admitted: whether that can be.
    for (units, admitted, can_be) in [(3, true, true), (3, false, true), (1, false, false)] {
        let calls = [pending.clone(), answered(units, admitted, 5)];
        assert_eq!(search(&calls).is_some(), can_be, "{units} {admitted}");
    }
    // It was not made yet when the other one was denied.
    let calls = [
        Call {
            called: 7,
            ..pending
        },
        answered(3, false, 5),
    ];
    assert_eq!(search(&calls), None);
}

#[test]
fn a_history_of_many_calls_that_hardly_overlap_is_searched_in_no_time() {
    // One after the other by twos, of which the second one comes first.
    let calls: Vec<_> = (0..500_u64)
        .map(|index| Call {
            op: index ^ 1,
            called: index / 2 * 10,
            returned: Some(index / 2 * 10 + 9),
        })
        .collect();
    let order = linearize(&calls, &0, |state, told| {
        (state == told).then_some(state + 1)
    });
    let expected: Vec<_> = (0..500).map(|index| index ^ 1).collect();
    assert_eq!(order, Some(expected));
}
