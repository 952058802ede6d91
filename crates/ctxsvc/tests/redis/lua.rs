//! The scripts, state by state.

use redis::{Commands, Connection, Value};
use testkit::Keys;

use crate::connection;
use crate::script::{ACQUIRE, ACQUIRE_ALL, Call, FILL, FORGET};

const LEASE_MS: u64 = 60_000;

/// For ever, as far as a script is concerned.
const ALWAYS: u64 = u64::MAX >> 12;

const LONGEST: usize = 1_000;

/// For how long a version counts.
const LAG_MS: u64 = 10_000;

/// What whoever takes a right knows of what is there.
const UNKNOWN: u8 = 0;
const UNREADABLE: u8 = 1;
const OUTDATED: u8 = 2;

fn token(nth: u8) -> [u8; 16] {
    [nth; 16]
}

/// The start of a value, as far as the script reads it, and something behind it.
fn value(fresh_until: u64, payload: &[u8]) -> Vec<u8> {
    filled(fresh_until, 0, payload)
}

fn filled(fresh_until: u64, filled_at: u64, payload: &[u8]) -> Vec<u8> {
    let times = [fresh_until, ALWAYS, filled_at].map(u64::to_be_bytes);
    let start = [3, 1, 1, 0, 0, 0, 0];
    [&start, &times.concat()[..], &token(0), &[0; 8], payload].concat()
}

/// An old value, which is of use until then.
fn versioned(version: u64, stale_until: u64) -> Vec<u8> {
    let mut value = value(1, b"");
    value[2] = 3;
    value[15..23].copy_from_slice(&stale_until.to_be_bytes());
    value[47..55].copy_from_slice(&version.to_be_bytes());
    value
}

fn run(connection: &mut Connection, call: &Call) -> Vec<Value> {
    // Whatever other tests have sent.
    call.by_source().query(connection).expect("it never fails")
}

fn acquire(
    connection: &mut Connection,
    names: &[String],
    nth: u8,
    there: u8,
) -> Vec<(i64, Vec<u8>)> {
    acquire_by(connection, names, nth, there, [ALWAYS, ALWAYS])
}

fn acquire_by(
    connection: &mut Connection,
    names: &[String],
    nth: u8,
    there: u8,
    ttls: [u64; 2],
) -> Vec<(i64, Vec<u8>)> {
    let mut call = Call::new(&ACQUIRE, names.iter().map(String::as_bytes));
    call.by_sha
        .arg(&token(nth))
        .arg(LEASE_MS)
        .arg(there)
        .arg(&ttls[..])
        .arg(LONGEST);
    let reply = run(connection, &call);
    let mut reply = reply.into_iter().skip(1);
    let mut states = Vec::new();
    while let (Some(Value::Int(left)), Some(Value::BulkString(bytes))) =
        (reply.next(), reply.next())
    {
        states.push((left, bytes));
    }
    states
}

fn fill(connection: &mut Connection, name: &str, nth: u8, value: &[u8]) -> bool {
    let mut call = Call::new(&FILL, [name.as_bytes()].into_iter());
    call.by_sha
        .arg(&token(nth))
        .arg(LAG_MS)
        .arg(value)
        .arg(10_000);
    run(connection, &call) == [Value::Int(1)]
}

fn forget(connection: &mut Connection, name: &str, seen: &[u8]) {
    let mut call = Call::new(&FORGET, [name.as_bytes()].into_iter());
    call.by_sha.arg(LAG_MS).arg(seen);
    run(connection, &call);
}

fn server() -> (Keys, Connection) {
    let keys = testkit::redis();
    let connection = connection(&keys);
    (keys, connection)
}

#[test]
#[ignore = "needs redis"]
fn the_names_of_the_scripts_are_those_that_redis_gives_them() {
    let (_keys, mut connection) = server();
    for script in [&ACQUIRE, &ACQUIRE_ALL, &FILL, &FORGET] {
        let load = redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg(script.source)
            .to_owned();
        let sha: String = load.query(&mut connection).expect("an answer");
        assert_eq!(sha, script.sha);
    }
}

#[test]
#[ignore = "needs redis"]
fn a_right_is_given_once_until_it_ends_and_only_its_holder_fills() {
    let (keys, mut redis) = server();
    let name = keys.key("a");
    let names = [name.clone()];
    assert_eq!(acquire(&mut redis, &names, 1, UNKNOWN), [(0, vec![])]);
    let [(left, bytes)] = &acquire(&mut redis, &names, 2, UNKNOWN)[..] else {
        panic!("one name, one state");
    };
    assert!((1..=60_000).contains(left) && bytes.is_empty(), "{left}");
    assert!(!fill(&mut redis, &name, 2, b"theirs"));
    let fresh = value(ALWAYS, b"ours");
    assert!(fill(&mut redis, &name, 1, &fresh));
    assert!(!fill(&mut redis, &name, 1, b"twice"));
    assert_eq!(
        acquire(&mut redis, &names, 2, UNKNOWN),
        [(-1, fresh.clone())]
    );
    let ttl: i64 = redis.pttl(&name).expect("an answer");
    assert!((9_000..=10_000).contains(&ttl), "{ttl}");

    // What its reader could not read is loaded anew.
    assert_eq!(acquire(&mut redis, &names, 3, UNREADABLE), [(0, vec![])]);
    let () = redis.del(&name).expect("an answer");
    assert!(!fill(&mut redis, &name, 3, &fresh), "it was forgotten");
    let exists: bool = redis.exists(&name).expect("an answer");
    assert!(!exists);
}

#[test]
#[ignore = "needs redis"]
fn the_right_for_all_is_taken_if_there_is_nothing_of_any() {
    let (keys, mut redis) = server();
    let names: Vec<_> = (0..1_000).map(|nth| keys.key(&format!("{nth}"))).collect();
    let acquire_all = |redis: &mut Connection, nth| {
        let mut call = Call::new(&ACQUIRE_ALL, names.iter().map(String::as_bytes));
        call.by_sha.arg(&token(nth)).arg(LEASE_MS);
        run(redis, &call).pop()
    };
    let () = redis.lpush(&names[999], "a list").expect("an answer");
    assert_eq!(acquire_all(&mut redis, 1), Some(Value::Int(0)));
    let () = redis.del(&names[999]).expect("an answer");
    assert_eq!(acquire_all(&mut redis, 2), Some(Value::Int(1)));
    assert_eq!(acquire_all(&mut redis, 3), Some(Value::Int(0)));
    for name in [&names[0], &names[999]] {
        let ttl: u64 = redis.pttl(name).expect("an answer");
        assert!((LEASE_MS - 1_000..=LEASE_MS).contains(&ttl), "{ttl}");
        assert!(!fill(&mut redis, name, 1, b"x") && fill(&mut redis, name, 2, b"x"));
    }
}

#[test]
#[ignore = "needs redis"]
fn an_old_value_stays_behind_the_right_and_comes_back_with_it() {
    let (keys, mut redis) = server();
    let name = keys.key("a");
    let names = [name.clone()];
    let old = value(1, b"old");
    let () = redis.pset_ex(&name, &old, 100_000).expect("an answer");
    assert_eq!(acquire(&mut redis, &names, 1, UNKNOWN), [(0, old.clone())]);
    let ttl: i64 = redis.pttl(&name).expect("an answer");
    assert!((90_000..=100_000).contains(&ttl), "{ttl}");
    assert!(acquire(&mut redis, &names, 2, UNKNOWN)[0].0 > 0);
    assert!(fill(&mut redis, &name, 1, b""), "given back");
    assert_eq!(acquire(&mut redis, &names, 2, UNKNOWN), [(0, old.clone())]);

    // A right that is over, although the value behind it is still there.
    let over = [&[2], &token(9)[..], &[0; 8], &old].concat();
    let () = redis.set(&name, &over).expect("an answer");
    assert_eq!(acquire(&mut redis, &names, 3, UNKNOWN), [(0, old.clone())]);
    assert!(fill(&mut redis, &name, 3, b""));
    let () = redis.set(&name, &over).expect("an answer");
    assert!(!fill(&mut redis, &name, 9, &value(ALWAYS, b"late")));
    let left: Vec<u8> = redis.get(&name).expect("an answer");
    assert_eq!(left, old, "nobody has the right any more");
    let () = redis.del(&name).expect("an answer");
    acquire(&mut redis, &names, 4, UNKNOWN);
    assert!(fill(&mut redis, &name, 4, b""));
    let exists: bool = redis.exists(&name).expect("an answer");
    assert!(!exists, "there was nothing behind it");
}

#[test]
#[ignore = "needs redis"]
fn what_is_older_than_who_asks_has_seen_is_fresh_for_others_when_the_right_is_given_back() {
    let (keys, mut redis) = server();
    let name = keys.key("a");
    let names = [name.clone()];
    let fresh = value(ALWAYS, b"older");
    let () = redis.pset_ex(&name, &fresh, 100_000).expect("an answer");
    let states = acquire(&mut redis, &names, 1, OUTDATED);
    assert_eq!(states, [(0, fresh.clone())]);
    assert!(acquire(&mut redis, &names, 2, OUTDATED)[0].0 > 0);
    assert!(fill(&mut redis, &name, 1, b""), "given back");
    assert_eq!(acquire(&mut redis, &names, 2, UNKNOWN), [(-1, fresh)]);
    let ttl: i64 = redis.pttl(&name).expect("an answer");
    assert!((90_000..=100_000).contains(&ttl), "{ttl}");
}

#[test]
#[ignore = "needs redis"]
fn whatever_is_there_is_overwritten_if_it_is_no_value() {
    let (keys, mut redis) = server();
    let names: Vec<_> = (0..6).map(|nth| keys.key(&format!("{nth}"))).collect();
    let () = redis.lpush(&names[0], "a list").expect("an answer");
    let () = redis.hset(&names[1], "a", "hash").expect("an answer");
    for (name, bytes) in names[2..]
        .iter()
        .zip([&b""[..], b"\x03short", b"\x02short", b"\x04short"])
    {
        let () = redis.set(name, bytes).expect("an answer");
    }
    let states = acquire(&mut redis, &names, 1, UNKNOWN);
    assert_eq!(states, vec![(0, vec![]); names.len()]);
    for name in &names {
        let ttl: i64 = redis.pttl(name).expect("an answer");
        assert!((1..=60_000).contains(&ttl), "{ttl}");
        assert!(fill(&mut redis, name, 1, b"x"));
    }
}

#[test]
#[ignore = "needs redis"]
fn a_value_is_fresh_as_long_as_both_say_who_has_filled_it_and_who_asks() {
    let (keys, mut redis) = server();
    let now: (u64, u64) = redis::cmd("TIME").query(&mut redis).expect("an answer");
    let ago = |ms: u64| now.0 * 1_000 - ms;
    let absent = |mut value: Vec<u8>| {
        value[2] = 0;
        value
    };
    let minute = 60_000;
    let table = [
        (filled(ALWAYS, ago(30_000), b""), [minute, 0], -1),
        (filled(ALWAYS, ago(90_000), b""), [minute, ALWAYS], 0),
        (absent(filled(ALWAYS, ago(30_000), b"")), [0, minute], -1),
        (
            absent(filled(ALWAYS, ago(90_000), b"")),
            [ALWAYS, minute],
            0,
        ),
        (filled(ago(10_000), ago(30_000), b""), [minute, minute], 0),
        // By a clock that was set back since.
        (filled(ALWAYS, ALWAYS >> 1, b""), [minute, minute], 0),
    ];
    for (nth, (value, ttls, expected)) in (0_u8..).zip(table) {
        let name = keys.key(&format!("{nth}"));
        let () = redis.set(&name, &value).expect("an answer");
        let states = acquire_by(&mut redis, &[name], nth, UNKNOWN, ttls);
        // What is not fresh stays behind the right.
        assert_eq!(states, [(expected, value)], "row {nth}");
    }
}

#[test]
#[ignore = "needs redis"]
fn what_is_longer_than_who_asks_can_wait_for_stays_where_it_is() {
    let (keys, mut redis) = server();
    let names = [keys.key("a"), keys.key("b")];
    let fits = value(ALWAYS, &[b'x'; LONGEST - 55]);
    let longer = value(ALWAYS, &[b'x'; LONGEST - 54]);
    let () = redis.set(&names[0], &fits).expect("an answer");
    let () = redis.set(&names[1], &longer).expect("an answer");
    let () = redis.pexpire(&names[1], 100_000).expect("an answer");
    let states = acquire(&mut redis, &names, 1, UNKNOWN);
    assert_eq!(states, [(-1, fits), (0, vec![])]);
    assert!(acquire(&mut redis, &names[1..], 2, UNKNOWN)[0].0 > 0);
    // Who has loaded something that is as long gives the right back.
    assert!(fill(&mut redis, &names[1], 1, b""));
    let left: Vec<u8> = redis.get(&names[1]).expect("an answer");
    assert!(left == longer, "{} bytes are left", left.len());
    let ttl: i64 = redis.pttl(&names[1]).expect("an answer");
    assert!((90_000..=100_000).contains(&ttl), "{ttl}");
    // It is not asked for as an old one either.
    let over = [&[2], &token(9)[..], &[0; 8], &longer].concat();
    let () = redis.set(&names[1], &over).expect("an answer");
    assert_eq!(acquire(&mut redis, &names[1..], 3, UNKNOWN), [(0, vec![])]);
}

/// Versions that a number of Lua can't tell apart, among others.
const ASCENDING: [u64; 6] = [0, 1, 255, 1 << 32, u64::MAX - 1, u64::MAX];

#[test]
#[ignore = "needs redis"]
fn what_is_older_than_what_was_seen_is_not_filled() {
    let (keys, mut redis) = server();
    for (nth, seen) in ASCENDING.into_iter().enumerate() {
        for version in ASCENDING {
            let name = keys.key(&format!("{nth}:{version}"));
            for is_forgotten in [false, true] {
                let old = versioned(seen, ALWAYS);
                let () = redis.pset_ex(&name, &old, 100_000).expect("an answer");
                if is_forgotten {
                    forget(&mut redis, &name, b"");
                }
                let behind = if is_forgotten { vec![] } else { old };
                let states = acquire(&mut redis, std::slice::from_ref(&name), 1, UNKNOWN);
                assert_eq!(states, [(0, behind)]);
                let is_new = version > seen || version == seen && !is_forgotten;
                let filled = fill(&mut redis, &name, 1, &versioned(version, ALWAYS));
                assert_eq!(filled, is_new, "{version} over {seen}, {is_forgotten}");
                assert!(!fill(&mut redis, &name, 1, b""), "the right is given back");
            }
        }
        let name = keys.key(&format!("{nth}"));
        let () = redis
            .set(&name, versioned(seen, ALWAYS))
            .expect("an answer");
        acquire(&mut redis, std::slice::from_ref(&name), 1, UNKNOWN);
        assert!(
            fill(&mut redis, &name, 1, &value(ALWAYS, b"")),
            "it has none"
        );
    }
}

#[test]
#[ignore = "needs redis"]
fn what_is_left_of_a_forgotten_name_is_the_highest_version_that_was_seen_for_some_time() {
    let (keys, mut redis) = server();
    let (name, names) = (keys.key("a"), [keys.key("a")]);
    for here in ASCENDING {
        for there in ASCENDING {
            let () = redis
                .set(&name, versioned(there, ALWAYS))
                .expect("an answer");
            // Also from behind a right.
            acquire(&mut redis, &names, 1, UNKNOWN);
            forget(&mut redis, &name, &here.to_be_bytes());
            forget(&mut redis, &name, b"");
            let left: Vec<u8> = redis.get(&name).expect("an answer");
            let seen = here.max(there).to_be_bytes();
            assert!(left.len() == 17 && left[..9] == [&[4], &seen[..]].concat());
        }
    }
    let ttl: u64 = redis.pttl(&name).expect("an answer");
    assert!((LAG_MS - 1_000..=LAG_MS).contains(&ttl), "{ttl}");
    // Who takes rights keeps it there, and makes it count for no longer.
    let over = [&[4][..], &[0xff; 8], &[0; 8]].concat();
    let () = redis.set(&name, &over).expect("an answer");
    assert_eq!(acquire(&mut redis, &names, 1, UNKNOWN), [(0, vec![])]);
    assert!(fill(&mut redis, &name, 1, &versioned(1, ALWAYS)));
    let () = redis.set(&name, versioned(7, 1)).expect("an answer");
    acquire(&mut redis, &names, 1, UNKNOWN);
    assert!(
        fill(&mut redis, &name, 1, &versioned(1, ALWAYS)),
        "long ago"
    );

    for stored in [&b""[..], b"\x03short", b"text", &value(ALWAYS, b"has none")] {
        let () = redis.set(&name, stored).expect("an answer");
        forget(&mut redis, &name, b"");
        let exists: bool = redis.exists(&name).expect("an answer");
        assert!(!exists, "{stored:?}");
    }
    let () = redis.lpush(&name, "a list").expect("an answer");
    forget(&mut redis, &name, b"");
    let exists: bool = redis.exists(&name).expect("an answer");
    assert!(!exists);
}
