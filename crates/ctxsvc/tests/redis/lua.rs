//! The scripts, state by state.

use redis::{Commands, Connection, Value};
use testkit::Keys;

use crate::connection;
use crate::script::{ACQUIRE, Call, FILL};

const LEASE_MS: u64 = 60_000;

fn token(nth: u8) -> [u8; 16] {
    [nth; 16]
}

/// The start of a value, as far as the script reads it, and something behind it.
fn value(fresh_until: u64, payload: &[u8]) -> Vec<u8> {
    [&[1; 7], &fresh_until.to_be_bytes()[..], payload].concat()
}

fn run(connection: &mut Connection, call: &Call) -> Vec<Value> {
    // Whatever other tests have sent.
    call.by_source().query(connection).expect("it never fails")
}

fn acquire(
    connection: &mut Connection,
    names: &[String],
    nth: u8,
    anew: bool,
) -> Vec<(i64, Vec<u8>)> {
    let mut call = Call::new(&ACQUIRE, names.iter().map(String::as_bytes));
    call.by_sha
        .arg(&token(nth))
        .arg(LEASE_MS)
        .arg(u8::from(anew));
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
    call.by_sha.arg(&token(nth)).arg(value).arg(10_000);
    run(connection, &call) == [Value::Int(1)]
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
    for script in [&ACQUIRE, &FILL] {
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
    assert_eq!(acquire(&mut redis, &names, 1, false), [(0, vec![])]);
    let [(left, bytes)] = &acquire(&mut redis, &names, 2, false)[..] else {
        panic!("one name, one state");
    };
    assert!((1..=60_000).contains(left) && bytes.is_empty(), "{left}");
    assert!(!fill(&mut redis, &name, 2, b"theirs"));
    let fresh = value(u64::MAX >> 12, b"ours");
    assert!(fill(&mut redis, &name, 1, &fresh));
    assert!(!fill(&mut redis, &name, 1, b"twice"));
    assert_eq!(acquire(&mut redis, &names, 2, false), [(-1, fresh.clone())]);
    let ttl: i64 = redis.pttl(&name).expect("an answer");
    assert!((9_000..=10_000).contains(&ttl), "{ttl}");

    // What its reader could not read is loaded anew.
    assert_eq!(acquire(&mut redis, &names, 3, true), [(0, vec![])]);
    let () = redis.del(&name).expect("an answer");
    assert!(!fill(&mut redis, &name, 3, &fresh), "it was forgotten");
    let exists: bool = redis.exists(&name).expect("an answer");
    assert!(!exists);
}

#[test]
#[ignore = "needs redis"]
fn an_old_value_stays_behind_the_right_and_comes_back_with_it() {
    let (keys, mut redis) = server();
    let name = keys.key("a");
    let names = [name.clone()];
    let old = value(1, b"old");
    let () = redis.pset_ex(&name, &old, 100_000).expect("an answer");
    assert_eq!(acquire(&mut redis, &names, 1, false), [(0, old.clone())]);
    let ttl: i64 = redis.pttl(&name).expect("an answer");
    assert!((90_000..=100_000).contains(&ttl), "{ttl}");
    assert!(acquire(&mut redis, &names, 2, false)[0].0 > 0);
    assert!(fill(&mut redis, &name, 1, b""), "given back");
    assert_eq!(acquire(&mut redis, &names, 2, false), [(0, old.clone())]);

    // A right that is over, although the value behind it is still there.
    let over = [&[2], &token(9)[..], &[0; 8], &old].concat();
    let () = redis.set(&name, &over).expect("an answer");
    assert_eq!(acquire(&mut redis, &names, 3, false), [(0, old.clone())]);
    assert!(fill(&mut redis, &name, 3, b""));
    let () = redis.set(&name, &over).expect("an answer");
    assert!(!fill(&mut redis, &name, 9, &value(u64::MAX >> 12, b"late")));
    let left: Vec<u8> = redis.get(&name).expect("an answer");
    assert_eq!(left, old, "nobody has the right any more");
    let () = redis.del(&name).expect("an answer");
    acquire(&mut redis, &names, 4, false);
    assert!(fill(&mut redis, &name, 4, b""));
    let exists: bool = redis.exists(&name).expect("an answer");
    assert!(!exists, "there was nothing behind it");
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
        .zip([&b""[..], b"\x01short", b"\x02short", b"text"])
    {
        let () = redis.set(name, bytes).expect("an answer");
    }
    let states = acquire(&mut redis, &names, 1, false);
    assert_eq!(states, vec![(0, vec![]); names.len()]);
    for name in &names {
        let ttl: i64 = redis.pttl(name).expect("an answer");
        assert!((1..=60_000).contains(&ttl), "{ttl}");
        assert!(fill(&mut redis, name, 1, b"x"));
    }
}
