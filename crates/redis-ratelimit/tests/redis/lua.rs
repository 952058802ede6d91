//! The scripts on a real server, with the time as an argument, against the pure core.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use redis::{Arg, Cmd, Connection, Value};

use crate::core::{BUCKETS, FixedWindow, Gcra, Leases, Rule, SlidingWindow, Slots, Stored};
use crate::script::{Call, GCRA, GCRA_ONE, GCRA_PARTS, LIMITS, Mode, PERMITS};

/// What a key may hold that is not what we have put there.
const DAMAGE: [&str; 12] = [
    "garbage",
    "",
    "nan",
    "inf",
    "-inf",
    "-5",
    "1e300",
    "0x10",
    "1:2:3",
    "99999999999999999999:99999999999999999999",
    "1790000000 99999999999999999999 7",
    "7 x 8",
];

/// Long, so that a key seldom expires by the server's own clock before it is looked at.
const SECOND: u64 = 1_000_000;
const NOW: u64 = 1_790_000_000 * SECOND;

#[derive(Debug, Clone)]
enum Step {
    Advance { us: u64 },
    SetBack { us: u64 },
    Take { costs: Vec<u32> },
    Look { costs: Vec<u32> },
    Give { costs: Vec<u32> },
    Damage { limit: usize, value: &'static str },
}

struct Server {
    connection: Connection,
    keys: testkit::Keys,
}

impl Server {
    fn new() -> Self {
        let keys = testkit::redis();
        let client = redis::Client::open(keys.url()).expect("a URL");
        Self {
            connection: client.get_connection().expect("the server answers"),
            keys,
        }
    }

    /// Runs a script at `now`: the shipped body after the other prologue.
    fn run(&mut self, call: &Call, now: u64) -> Vec<i64> {
        let server = include_str!("../../src/store/redis/lua/now_server.lua");
        let injected = include_str!("../../src/store/redis/lua/now_injected.lua");
        let mut command = Cmd::new();
        for (index, arg) in call.by_source().args_iter().enumerate() {
            let Arg::Simple(arg) = arg else {
                panic!("no cursors")
            };
            if index == 1 {
                let source = std::str::from_utf8(arg).expect("Lua");
                let body = source.strip_prefix(server).expect("each begins with it");
                command.arg(format!("{injected}{body}"));
            } else {
                command.arg(arg);
            }
        }
        command.arg(now);
        let reply = command
            .query(&mut self.connection)
            .expect("the script runs");
        match reply {
            Value::Int(integer) => vec![integer],
            several => redis::from_redis_value(several).expect("integers"),
        }
    }

    /// What is stored, with its time to live in ms. The key is then kept for good, because the
    /// server's clock is not the one of the test.
    fn stored(&mut self, key: &str) -> Option<(String, i64)> {
        let (value, ttl, _): (Option<String>, i64, i64) = redis::pipe()
            .atomic()
            .get(key)
            .pttl(key)
            .persist(key)
            .query(&mut self.connection)
            .expect("plain commands");
        value.map(|value| (value, ttl))
    }

    fn set(&mut self, key: &str, value: &str) {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(value);
        set.exec(&mut self.connection).expect("a plain command");
    }

    fn delete(&mut self, keys: &[String]) {
        redis::cmd("DEL")
            .arg(keys)
            .exec(&mut self.connection)
            .expect("a plain command");
    }
}

#[test]
#[ignore = "needs redis"]
fn the_server_knows_each_script_by_the_name_that_it_is_called_by() {
    let mut server = Server::new();
    for script in [&GCRA, &GCRA_ONE, &GCRA_PARTS, &LIMITS, &PERMITS] {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(script.source);
        let sha: String = load.query(&mut server.connection).expect("it compiles");
        assert_eq!(sha, script.sha, "{}", &script.source[..400]);
    }
}

#[test]
#[ignore = "needs redis"]
fn each_script_decides_as_the_core_does_on_every_transition() {
    let gcra = |units, period_s, burst| {
        Rule::Gcra(Gcra::new(units, period_s * SECOND, burst).expect("a rule"))
    };
    let fixed = |limit, window_s| {
        Rule::Fixed(FixedWindow {
            limit,
            window_us: window_s * SECOND,
        })
    };
    let sliding = |limit, window_s| Rule::Sliding(SlidingWindow::new(limit, window_s * SECOND));
    for rules in [
        vec![gcra(1, 2, 3)],
        vec![gcra(7, 10, 7)],
        vec![gcra(999_983, 86_400 * 365, 50)],
        vec![fixed(20, 60)],
        vec![sliding(20, 61)],
        vec![gcra(3, 10, 4), fixed(6, 60), sliding(5, 30)],
        vec![gcra(1, 1, 10), gcra(3, 7, 2), gcra(1, 60, 5)],
    ] {
        agree(&rules);
    }
}

fn agree(rules: &[Rule]) {
    let most = rules.iter().map(Rule::capacity).min().expect("a rule");
    let costs = || prop::collection::vec(1..=most.min(8), rules.len());
    let step = prop_oneof![
        4 => (0..4 * SECOND).prop_map(|us| Step::Advance { us }),
        1 => (0..100 * SECOND).prop_map(|us| Step::Advance { us }),
        1 => (0..5_000 * SECOND).prop_map(|us| Step::SetBack { us }),
        18 => costs().prop_map(|costs| Step::Take { costs }),
        1 => costs().prop_map(|costs| Step::Look { costs }),
        1 => costs().prop_map(|costs| Step::Give { costs }),
        1 => (0..rules.len(), prop::sample::select(&DAMAGE[..]))
            .prop_map(|(limit, value)| Step::Damage { limit, value }),
    ];
    let reached = [Cell::new(0), Cell::new(0)];
    let mut server = Server::new();
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(16)
    };
    let steps = prop::collection::vec(step, 1..80);
    let server = std::cell::RefCell::new(&mut server);
    TestRunner::new(config)
        .run(&steps, |steps| {
            walk(&mut server.borrow_mut(), rules, &steps, &reached)
        })
        .unwrap_or_else(|failure| panic!("{rules:?}: {failure}"));
    assert!(reached.iter().all(|times| times.get() > 10), "{reached:?}");
}

fn walk(
    server: &mut Server,
    rules: &[Rule],
    steps: &[Step],
    reached: &[Cell<u32>; 2],
) -> TestCaseResult {
    let keys: Vec<_> = (0..rules.len())
        .map(|i| server.keys.key(&format!("{i}")))
        .collect();
    server.delete(&keys);
    let mut now = NOW;
    let mut stored = vec![None; rules.len()];
    for step in steps {
        match step {
            Step::Advance { us } => now += us,
            Step::SetBack { us } => now -= us,
            Step::Damage { limit, value } => {
                server.set(&keys[*limit], value);
                stored[*limit] = None;
                // Some damage is a sound state by chance: then it only has to heal.
                let Some(()) = is_empty(server, &rules[*limit], &keys[*limit], now) else {
                    server.delete(&keys[*limit..=*limit]);
                    continue;
                };
            }
            Step::Take { costs } => take(server, rules, &keys, costs, now, &mut stored, reached)?,
            Step::Look { costs } => {
                let reply = server.run(&all(Mode::Look, rules, &keys, costs), now);
                let seen = seen(rules, &reply[1..], false, costs);
                for (index, rule) in rules.iter().enumerate() {
                    let expected = rule.decline(stored[index], now, costs[index]).figures;
                    prop_assert_eq!(seen[index], expected);
                }
            }
            Step::Give { costs } => {
                // Whatever is stored is replaced, also what counts for nothing.
                let exists: Vec<_> = keys
                    .iter()
                    .map(|key| server.stored(key).is_some())
                    .collect();
                server.run(&all(Mode::Give, rules, &keys, costs), now);
                for (index, rule) in rules.iter().enumerate() {
                    let given = rule.refund(stored[index], now, costs[index]);
                    stored[index] = exists[index].then_some(given);
                }
            }
        }
        compare(server, rules, &keys, now, &mut stored)?;
    }
    Ok(())
}

fn take(
    server: &mut Server,
    rules: &[Rule],
    keys: &[String],
    costs: &[u32],
    now: u64,
    stored: &mut [Option<Stored>],
    reached: &[Cell<u32>; 2],
) -> TestCaseResult {
    let decide = |index: usize| rules[index].decide(stored[index], now, costs[index]);
    let mut expected: Vec<_> = (0..rules.len()).map(decide).collect();
    let admitted = expected.iter().all(|outcome| outcome.admitted);
    if !admitted {
        let decline = |index: usize| rules[index].decline(stored[index], now, costs[index]);
        expected = (0..rules.len()).map(decline).collect();
    }
    let seen = if let [rule @ Rule::Gcra(gcra)] = rules {
        let call = bundles(gcra, keys, &[costs]);
        let told = rule.retell_bundle(&server.run(&call, now), NOW, costs);
        let told = told.expect("a sound reply")[0];
        prop_assert_eq!(told.admitted, admitted);
        vec![told.figures]
    } else {
        let reply = server.run(&all(Mode::Take, rules, keys, costs), now);
        prop_assert_eq!(reply[0] == 1, admitted);
        seen(rules, &reply[1..], admitted, costs)
    };
    for (index, outcome) in expected.into_iter().enumerate() {
        prop_assert_eq!(seen[index], outcome.figures);
        stored[index] = outcome.write.or(stored[index]);
    }
    let times = &reached[usize::from(admitted)];
    times.set(times.get() + 1);
    Ok(())
}

fn compare(
    server: &mut Server,
    rules: &[Rule],
    keys: &[String],
    now: u64,
    stored: &mut [Option<Stored>],
) -> TestCaseResult {
    for (index, rule) in rules.iter().enumerate() {
        match (server.stored(&keys[index]), stored[index]) {
            (Some((value, ttl_ms)), Some(expected)) => {
                prop_assert_eq!(parse(rule, &value), expected);
                // -1 is a key that a step before this one has kept for good.
                let counts_ms = rule.reset_us(expected, now).div_ceil(1_000);
                let longest_ms = counts_ms.max(1) + longest_surplus_ms(rule);
                prop_assert!(
                    ttl_ms == -1 || u64::try_from(ttl_ms).is_ok_and(|ms| ms <= longest_ms)
                );
            }
            (None, Some(expected)) => {
                let left_us = rule.reset_us(expected, now);
                prop_assert!(left_us < 200_000, "{left_us} us before it counts no more");
                stored[index] = None;
            }
            (Some((value, _)), None) => prop_assert!(DAMAGE.contains(&value.as_str()), "{value}"),
            (None, None) => {}
        }
    }
    Ok(())
}

/// A sliding window is kept until its newest bucket would have gone, used or not.
fn longest_surplus_ms(rule: &Rule) -> u64 {
    match rule {
        Rule::Sliding(window) => window.bucket_us() * (BUCKETS as u64 + 1) / 1_000 + 1,
        Rule::Fixed(window) => window.window_us / 1_000 + 1,
        Rule::Gcra(_) => 1,
    }
}

fn bundles(gcra: &Gcra, keys: &[String], costs: &[&[u32]]) -> Call {
    let keys = keys.iter().map(String::as_bytes);
    Call::gcra(gcra, keys, costs.iter().copied())
}

fn all(mode: Mode, rules: &[Rule], keys: &[String], costs: &[u32]) -> Call {
    let keys = keys.iter().map(String::as_bytes);
    Call::orders(mode, rules, keys, costs.iter().copied())
}

fn seen(
    rules: &[Rule],
    mut reply: &[i64],
    admitted: bool,
    costs: &[u32],
) -> Vec<crate::core::Figures> {
    let mut figures = Vec::new();
    for (rule, cost) in rules.iter().zip(costs) {
        let (of_this, rest) = reply.split_at(rule.reply_len());
        let outcome = rule.retell(of_this, admitted, NOW, *cost);
        figures.push(
            outcome
                .unwrap_or_else(|| panic!("{rule:?}: {of_this:?}"))
                .figures,
        );
        reply = rest;
    }
    assert!(reply.is_empty(), "{reply:?} left over");
    figures
}

/// Whether what is stored counts for nothing.
fn is_empty(server: &mut Server, rule: &Rule, key: &String, now: u64) -> Option<()> {
    let call = all(
        Mode::Look,
        std::slice::from_ref(rule),
        std::slice::from_ref(key),
        &[1],
    );
    let reply = server.run(&call, now);
    let figures = seen(std::slice::from_ref(rule), &reply[1..], false, &[1]);
    (figures[0].remaining == u64::from(rule.capacity())).then_some(())
}

fn parse(rule: &Rule, value: &str) -> Stored {
    let mut numbers = value
        .split([':', ' '])
        .map(|number| number.parse().expect("an integer"));
    let mut number = || numbers.next().unwrap_or(0);
    match rule {
        Rule::Gcra(_) => Stored::Gcra {
            whole: number(),
            part: number(),
        },
        Rule::Fixed(_) => Stored::Fixed {
            start: number(),
            used: number(),
        },
        Rule::Sliding(_) => Stored::Sliding {
            bucket_us: number(),
            newest: number(),
            counts: std::array::from_fn(|_| u32::try_from(number()).expect("a count")),
        },
    }
}

#[test]
#[ignore = "needs redis"]
fn what_another_quota_has_stored_in_parts_counts_as_whole_microseconds() {
    let gcra = Gcra::new(1, SECOND, 10).expect("a rule");
    let mut server = Server::new();
    let keys = ["one", "another"].map(|key| server.keys.key(key));
    for keys in [&keys[..1], &keys] {
        for key in keys {
            server.set(key, &format!("{}:3", NOW + 5 * SECOND));
        }
        let costs = vec![&[1][..]; keys.len()];
        let debts = server.run(&bundles(&gcra, keys, &costs), NOW);
        assert_eq!(debts, vec![int(5 * SECOND); keys.len()]);
    }
}

#[test]
#[ignore = "needs redis"]
fn what_a_lone_check_is_told_is_what_was_written_also_with_a_part_of_a_microsecond() {
    let gcra = Gcra::new(1, SECOND, 10).expect("a rule");
    let rule = Rule::Gcra(gcra);
    let mut server = Server::new();
    let key = server.keys.key("part");
    for seconds in 0..12 {
        server.set(&key, &format!("{}.5", NOW + seconds * SECOND));
        let call = bundles(&gcra, std::slice::from_ref(&key), &[&[1]]);
        let told = rule.retell_bundle(&server.run(&call, NOW), NOW, &[1]);
        let is_admitted = told.expect("a sound reply")[0].admitted;
        let (value, _) = server.stored(&key).expect("it was set");
        let charged = (NOW + (seconds + 1) * SECOND).to_string();
        assert_eq!(is_admitted, value == charged, "{seconds} s ahead: {value}");
    }
}

#[test]
#[ignore = "needs redis"]
fn permits_are_taken_renewed_and_released_as_the_core_does() {
    let mut server = Server::new();
    let key = server.keys.key("permits");
    let ask = (
        0..6_u128,
        prop_oneof![6 => 0..10 * SECOND, 1 => 0..100 * SECOND],
        0..9_u8,
    );
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(32)
    });
    let server = std::cell::RefCell::new(&mut server);
    runner
        .run(&prop::collection::vec(ask, 1..60), |asks| {
            let mut server = server.borrow_mut();
            server.delete(std::slice::from_ref(&key));
            let (mut now, mut leases) = (NOW, Leases::default());
            for (permit, step_us, kind) in asks {
                // Of those who share the slots, some take shorter leases.
                let slots = Slots {
                    slots: 3,
                    lease_us: [30, 7][usize::from(permit % 3 == 0)] * SECOND,
                };
                match kind {
                    0 => now -= 10 * step_us,
                    1 => {
                        let mut remove = redis::cmd("ZREM");
                        let name = crate::script::permit_name(permit, slots.lease_us);
                        remove.arg(&key).arg(name);
                        remove
                            .exec(&mut server.connection)
                            .expect("a plain command");
                        leases.release(permit);
                    }
                    _ => now += step_us,
                }
                let reply = server.run(&Call::permit(key.as_bytes(), slots, permit), now);
                let expected = slots.acquire(&mut leases, permit, now);
                let numbers = [
                    i64::from(expected.acquired),
                    int(expected.held),
                    int(expected.wait_us),
                ];
                prop_assert_eq!(reply, numbers);
                if expected.acquired {
                    // Until the last lease ends, less what has passed since.
                    let longest_ms = int((leases.last_end() - now).div_ceil(1_000));
                    let ttl_ms: i64 = redis::cmd("PTTL")
                        .arg(&key)
                        .query(&mut server.connection)
                        .expect("a plain command");
                    let kept_ms = longest_ms - 10_000..=longest_ms;
                    prop_assert!(kept_ms.contains(&ttl_ms), "{ttl_ms} of {longest_ms} ms");
                }
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
#[ignore = "needs redis"]
fn a_batch_decides_as_so_many_checks_one_after_the_other() {
    let mut server = Server::new();
    for (units, period_s, burst) in [(1, 2, 3), (7, 10, 20), (999_983, 86_400 * 365, 50)] {
        let rule = Rule::Gcra(Gcra::new(units, period_s * SECOND, burst).expect("a rule"));
        let costs = prop_oneof![
            prop::collection::vec(Just(1), 1..8),
            prop::collection::vec(1..=burst.min(5), 1..8),
        ];
        let step = (prop::collection::vec(costs, 3), 0..9 * SECOND, 0..9_u8);
        let server = std::cell::RefCell::new(&mut server);
        TestRunner::new(Config {
            failure_persistence: None,
            ..Config::with_cases(24)
        })
        .run(&prop::collection::vec(step, 1..30), |steps| {
            batches(&mut server.borrow_mut(), &rule, &steps)
        })
        .unwrap_or_else(|failure| panic!("{rule:?}: {failure}"));
    }
}

fn batches(server: &mut Server, rule: &Rule, steps: &[(Vec<Vec<u32>>, u64, u8)]) -> TestCaseResult {
    let Rule::Gcra(gcra) = rule else {
        panic!("only for gcra")
    };
    let keys: Vec<_> = (0..3)
        .map(|i| server.keys.key(&format!("batch{i}")))
        .collect();
    server.delete(&keys);
    let (mut now, mut stored) = (NOW, [None; 3]);
    for (costs, step_us, kind) in steps {
        now = if *kind == 0 {
            now - 50 * step_us
        } else {
            now + step_us
        };
        let each: Vec<_> = costs.iter().map(Vec::as_slice).collect();
        let reply = server.run(&bundles(gcra, &keys, &each), now);
        prop_assert_eq!(reply.len(), 3 * gcra.reply_len());
        for (index, costs) in costs.iter().enumerate() {
            let mut expected = Vec::new();
            for cost in costs {
                let outcome = rule.decide(stored[index], now, *cost);
                stored[index] = outcome.write.or(stored[index]);
                expected.push((outcome.admitted, outcome.figures));
            }
            let seen = &reply[gcra.reply_len() * index..][..gcra.reply_len()];
            let told = rule.retell_bundle(seen, NOW, costs).expect("a sound reply");
            let told: Vec<_> = told
                .iter()
                .map(|told| (told.admitted, told.figures))
                .collect();
            prop_assert_eq!(told, expected);
        }
        compare(server, &[*rule; 3], &keys, now, &mut stored)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs redis"]
fn orders_that_share_a_call_are_decided_as_so_many_calls() {
    let gcra = |units, period_s, burst| {
        Rule::Gcra(Gcra::new(units, period_s * SECOND, burst).expect("a rule"))
    };
    let fixed = Rule::Fixed(FixedWindow {
        limit: 9,
        window_us: 30 * SECOND,
    });
    let sliding = Rule::Sliding(SlidingWindow::new(8, 30 * SECOND));
    let mut server = Server::new();
    for rules in [
        vec![fixed],
        vec![sliding],
        vec![gcra(1, 1, 6), gcra(3, 7, 4)],
        vec![gcra(3, 10, 5), fixed, sliding],
    ] {
        // Few keys, so that many orders meet at one.
        let order = prop::collection::vec((0..3_usize, 1..=3_u32), rules.len());
        let step = (prop::collection::vec(order, 1..12), 0..9 * SECOND, 0..9_u8);
        let server = std::cell::RefCell::new(&mut server);
        TestRunner::new(Config {
            failure_persistence: None,
            ..Config::with_cases(24)
        })
        .run(&prop::collection::vec(step, 1..20), |steps| {
            orders(&mut server.borrow_mut(), &rules, &steps)
        })
        .unwrap_or_else(|failure| panic!("{rules:?}: {failure}"));
    }
}

#[test]
#[ignore = "needs redis"]
fn a_server_whose_clock_steps_by_an_hour_locks_nobody_out_and_admits_a_burst_at_most() {
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    let gcra = |units, period_us| Rule::Gcra(Gcra::new(units, period_us, 20).expect("a rule"));
    let mut server = Server::new();
    for rule in [
        gcra(20, MINUTE),
        gcra(19, 57 * SECOND - 1),
        Rule::Fixed(FixedWindow {
            limit: 20,
            window_us: MINUTE,
        }),
        Rule::Sliding(SlidingWindow::new(20, MINUTE)),
    ] {
        for is_back in [true, false] {
            let keys = [server.keys.key("step")];
            server.delete(&keys);
            let mut admits = |now| {
                let rules = std::slice::from_ref(&rule);
                match &rule {
                    Rule::Gcra(gcra) => {
                        let reply = server.run(&bundles(gcra, &keys, &[&[1]]), now);
                        let told = rule.retell_bundle(&reply, NOW, &[1]);
                        told.expect("a sound reply")[0].admitted
                    }
                    _ => server.run(&all(Mode::Take, rules, &keys, &[1]), now)[0] == 1,
                }
            };
            assert_eq!((0..30).filter(|_| admits(NOW)).count(), 20, "{rule:?}");
            let now = if is_back { NOW - HOUR } else { NOW + HOUR };
            // Four minutes, in which somebody asks each second and more often.
            let moments = (0..400).map(|moment| now + moment * 4 * MINUTE / 400);
            let admitted: Vec<_> = moments.filter(|moment| admits(*moment)).collect();
            let first = admitted.first().expect("admitted again") - now;
            let case = format!("{rule:?}, back: {is_back}");
            assert!(first <= MINUTE + MINUTE / 10, "{case}: after {first} us");
            assert!(
                (60..=100).contains(&admitted.len()),
                "{case}: {}",
                admitted.len()
            );
        }
    }
}

type Orders = Vec<Vec<(usize, u32)>>;

fn orders(server: &mut Server, rules: &[Rule], steps: &[(Orders, u64, u8)]) -> TestCaseResult {
    // Three keys for each rule.
    let all_rules: Vec<_> = rules.iter().flat_map(|rule| [*rule; 3]).collect();
    let keys: Vec<_> = (0..all_rules.len())
        .map(|index| server.keys.key(&format!("order{index}")))
        .collect();
    server.delete(&keys);
    let (mut now, mut stored) = (NOW, vec![None; keys.len()]);
    for (orders, step_us, kind) in steps {
        now = if *kind == 0 {
            now - 50 * step_us
        } else {
            now + step_us
        };
        let places = orders.iter().flat_map(|order| {
            order
                .iter()
                .enumerate()
                .map(|(rule, (key, _))| 3 * rule + key)
        });
        let places: Vec<_> = places.collect();
        let costs: Vec<_> = orders.iter().flatten().map(|(_, cost)| *cost).collect();
        let asked = places.iter().map(|place| keys[*place].as_bytes());
        let call = Call::orders(Mode::Take, rules, asked, costs.iter().copied());
        let reply = server.run(&call, now);
        let mut told = reply.as_slice();
        for (places, costs) in places.chunks(rules.len()).zip(costs.chunks(rules.len())) {
            let decide = |consumes: bool| -> Vec<_> {
                let limits = rules.iter().zip(places).zip(costs);
                let outcomes = limits.map(|((rule, place), cost)| {
                    if consumes {
                        rule.decide(stored[*place], now, *cost)
                    } else {
                        rule.decline(stored[*place], now, *cost)
                    }
                });
                outcomes.collect()
            };
            let mut expected = decide(true);
            let admitted = expected.iter().all(|outcome| outcome.admitted);
            if !admitted {
                expected = decide(false);
            }
            let (of_this, rest) =
                told.split_at(1 + rules.iter().map(Rule::reply_len).sum::<usize>());
            told = rest;
            prop_assert_eq!(of_this[0] == 1, admitted);
            let figures = seen(rules, &of_this[1..], admitted, costs);
            for (index, outcome) in expected.into_iter().enumerate() {
                prop_assert_eq!(figures[index], outcome.figures);
                stored[places[index]] = outcome.write.or(stored[places[index]]);
            }
        }
        prop_assert!(told.is_empty(), "{told:?}");
        compare(server, &all_rules, &keys, now, &mut stored)?;
    }
    Ok(())
}

fn int(number: u64) -> i64 {
    i64::try_from(number).expect("a small number")
}
