//! What can't be reached through a store whose clock only goes forward. The rest of the promises
//! are tested in `tests/model.rs`, through the public API.

use super::*;

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const NOW: u64 = 1_790_000_000 * SECOND;

fn rules() -> [Rule; 3] {
    [
        Rule::Gcra(Gcra::new(20, SECOND, 20).expect("a rule")),
        Rule::Fixed(FixedWindow {
            limit: 20,
            window_us: SECOND,
        }),
        Rule::Sliding(SlidingWindow::new(20, SECOND)),
    ]
}

/// Asks once and keeps what is to be written.
fn ask(rule: &Rule, stored: &mut Option<Stored>, now: u64) -> bool {
    let outcome = rule.decide(*stored, now, 1);
    *stored = outcome.write.or(*stored);
    outcome.admitted
}

#[test]
fn a_step_of_the_clock_costs_a_window_back_and_a_burst_forward_at_most() {
    for rule in rules() {
        for (step, is_back) in [(HOUR, true), (HOUR, false), (SECOND / 2, true)] {
            let (mut now, mut stored) = (NOW, None);
            for _ in 0..60 {
                ask(&rule, &mut stored, now);
            }
            now = if is_back { now - step } else { now + step };

            let moments = (0..400).map(|moment| now + moment * 10_000);
            let admitted: Vec<_> = moments
                .filter(|moment| ask(&rule, &mut stored, *moment))
                .collect();
            let case = format!("{rule:?}, {step} us, back: {is_back}");
            let first = admitted.first().expect("admitted again") - now;
            assert!(first <= SECOND + SECOND / 10, "{case}: after {first} us");
            // Four seconds' worth, and a burst.
            assert!(admitted.len() <= 100, "{case}: {} admitted", admitted.len());
        }
    }
}

#[test]
fn a_denial_writes_only_what_lies_in_the_future() {
    for rule in rules() {
        let mut stored = None;
        (0..20).for_each(|_| assert!(ask(&rule, &mut stored, NOW)));
        assert_eq!(rule.decide(stored, NOW, 1).write, None, "{rule:?}");
        assert_eq!(rule.decide(stored, NOW + 1_000, 1).write, None, "{rule:?}");
    }
    // A window from the future is none, so the fixed one is not denied.
    let [gcra, _, sliding] = rules();
    for rule in [gcra, sliding] {
        let mut stored = None;
        (0..20).for_each(|_| assert!(ask(&rule, &mut stored, NOW)));
        let outcome = rule.decide(stored, NOW - HOUR, 1);
        assert!(!outcome.admitted && outcome.write.is_some(), "{rule:?}");
    }
}

#[test]
fn a_quota_that_was_cut_takes_effect_at_once_and_keeps_its_debt() {
    let [old_gcra, old_fixed, old_sliding] = rules();
    let cut = [
        (
            old_gcra,
            Rule::Gcra(Gcra::new(2, SECOND, 2).expect("a rule")),
        ),
        (
            old_fixed,
            Rule::Fixed(FixedWindow {
                limit: 2,
                window_us: SECOND / 2,
            }),
        ),
        (old_sliding, Rule::Sliding(SlidingWindow::new(2, SECOND))),
    ];
    for (old, new) in cut {
        let mut stored = None;
        (0..20).for_each(|_| assert!(ask(&old, &mut stored, NOW)));
        let outcome = new.decide(stored, NOW, 1);
        assert!(!outcome.admitted, "{new:?}");
        assert_eq!(outcome.figures.remaining, 0, "{new:?}");
        assert!(outcome.figures.wait_us <= SECOND + SECOND / 10, "{new:?}");
    }
}

#[test]
fn versions_that_disagree_on_the_period_of_a_sliding_window_admit_the_limit_together() {
    let rules = [3_600, 60].map(|s| Rule::Sliding(SlidingWindow::new(5, s * SECOND)));
    for first in [0, 1] {
        let (mut stored, mut admitted) = (None, 0);
        for asked in 0..1_000 {
            let rule = &rules[(first + asked) % 2];
            admitted += u32::from(ask(rule, &mut stored, NOW + asked as u64 * 1_000));
        }
        assert_eq!(admitted, 5);
        // By then both count nothing of it any more.
        assert!(ask(&rules[first], &mut stored, NOW + 2 * HOUR));
    }
}

#[test]
fn what_another_algorithm_has_stored_counts_for_nothing() {
    let stored: Vec<_> = rules()
        .iter()
        .map(|rule| rule.decide(None, NOW, 20).write)
        .collect();
    for (of_rule, rule) in rules().iter().enumerate() {
        for (of_stored, stored) in stored.iter().enumerate() {
            let admitted = rule.decide(*stored, NOW, 20).admitted;
            assert_eq!(admitted, of_rule != of_stored, "{rule:?}: {stored:?}");
        }
    }
}

#[test]
fn replies_that_no_script_gives_are_refused() {
    let [gcra, fixed, sliding] = rules();
    let counts = |count| [[100, count].as_slice(), &[0; BUCKETS]].concat();
    for (rule, reply) in [
        (&gcra, vec![]),
        (&gcra, vec![0, 0, 0]),
        (&gcra, vec![-1, 0]),
        (&gcra, vec![0, 1]),
        (&gcra, vec![1_000_001, 0]),
        (&fixed, vec![0, 0]),
        (&fixed, vec![1_000_001, 0]),
        (&fixed, vec![1, 21]),
        (&fixed, vec![1, -1]),
        (&sliding, vec![100; 3]),
        (&sliding, counts(21)),
        (&sliding, counts(-1)),
        (&sliding, counts(i64::MAX)),
    ] {
        assert_eq!(rule.retell(&reply, false, 0, 1), None, "{rule:?} {reply:?}");
    }
    // Admitted, and yet there was nothing left.
    assert_eq!(gcra.retell(&[1_000_000, 0], true, 0, 1), None);
}

#[test]
fn shares_together_admit_the_limit_and_one_unit_for_each_node_at_most() {
    for rule in rules() {
        for nodes in [1, 2, 3, 7, 20, 1_000] {
            let share = rule.share(nodes);
            let total = u64::from(share.capacity()) * u64::from(nodes);
            let most = u64::from(rule.capacity()) + u64::from(nodes);
            assert!(
                (u64::from(rule.capacity())..most).contains(&total),
                "{share:?}"
            );

            // Two seconds after it was drained a share of the quota's rate is back.
            let drained = share.decide(None, NOW, share.capacity()).write;
            let back = share
                .decline(drained, NOW + 2 * SECOND, 1)
                .figures
                .remaining;
            assert!(
                back * u64::from(nodes) < 40 + u64::from(nodes),
                "{share:?}: {back}"
            );
        }
    }
}

#[test]
fn shares_that_are_rounded_up_add_up_to_the_limit_in_the_long_run() {
    let rules = [
        Rule::Gcra(Gcra::new(11, SECOND, 11).expect("a rule")),
        Rule::Fixed(FixedWindow {
            limit: 11,
            window_us: SECOND,
        }),
        Rule::Sliding(SlidingWindow::new(11, SECOND)),
    ];
    for rule in rules {
        let (share, mut stored) = (rule.share(10), None);
        let moments = (0..20 * 1_000).map(|ms| NOW + ms * 1_000);
        let of_one = moments.filter(|now| ask(&share, &mut stored, *now)).count();
        // Twenty periods' worth, a burst and a unit for each node.
        assert!(of_one * 10 <= 20 * 11 + 11 + 10, "{share:?}: {of_one}");
    }
}

#[test]
fn what_somebody_else_admits_is_counted_as_far_as_there_is_room() {
    for rule in rules() {
        let charged = rule.charge(None, NOW, 15);
        assert_eq!(rule.decline(Some(charged), NOW, 1).figures.remaining, 5);
        let charged = rule.charge(Some(charged), NOW, 15);
        assert_eq!(rule.decline(Some(charged), NOW, 1).figures.remaining, 0);
    }
}

#[test]
fn quotas_that_can_not_be_counted_exactly_are_refused() {
    for (units, period_us, burst, expected) in [
        (1_000_001, SECOND, 1, Err(BuildFault::Fast)),
        (1_000_000, SECOND, 1_000_000, Ok(())),
        (999_983, 86_400 * SECOND, 50, Ok(())),
        (1, HORIZON_US, 1, Ok(())),
        (1, HORIZON_US, 2, Err(BuildFault::Long)),
        (u32::MAX, 86_400 * SECOND, u32::MAX, Err(BuildFault::Fine)),
    ] {
        let built = Gcra::new(units, period_us, burst).map(drop);
        assert_eq!(built, expected, "{units} per {period_us}, burst {burst}");
    }
}

#[test]
fn a_shorter_lease_cuts_no_slot_of_another_process() {
    let (long, short) = (60 * SECOND, SECOND);
    let with_lease = |lease_us| Slots { slots: 3, lease_us };
    let mut leases = Leases::default();
    assert!(with_lease(long).acquire(&mut leases, 1, NOW).acquired);
    assert!(with_lease(short).acquire(&mut leases, 2, NOW).acquired);
    assert_eq!(leases.last_end(), NOW + long);
    // Not even after a step of the clock, by which it was brought down to what it would get now.
    assert!(
        with_lease(short)
            .acquire(&mut leases, 3, NOW - HOUR)
            .acquired
    );
    assert_eq!(leases.last_end(), NOW - HOUR + long);
}
