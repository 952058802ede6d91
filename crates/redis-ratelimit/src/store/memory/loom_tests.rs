//! Every order in which threads can decide in memory.

use std::hash::RandomState;
use std::sync::OnceLock;
use std::time::Instant;

use loom::thread;

use super::*;
use crate::core::{Gcra, Rule};

/// A clock that stands still.
fn noon() -> Instant {
    static NOON: OnceLock<Instant> = OnceLock::new();
    *NOON.get_or_init(Instant::now)
}

/// With a secret of its own each run would lock other shards, and loom could not follow.
fn store(secret: &RandomState) -> MemoryStore {
    MemoryStore {
        shared: Arc::new(Shared {
            clock: Clock::read(noon),
            limits: Table::with_hasher(100, secret.clone()),
            leases: Table::with_hasher(100, secret.clone()),
        }),
    }
}

fn one_a_day() -> Rule {
    Rule::Gcra(Gcra::new(1, 86_400_000_000, 1).expect("a rule"))
}

fn unit<'a>(rule: &'a Rule, key: &'a str) -> Request<'a> {
    let id = Id {
        name: "p",
        key: key.as_bytes(),
    };
    Request { id, rule, cost: 1 }
}

#[test]
fn the_last_unit_is_given_to_one_of_those_who_ask_for_it_at_once() {
    let secret = RandomState::new();
    loom::model(move || {
        let store = store(&secret);
        let ask = |store: MemoryStore| move || store.take(unit(&one_a_day(), "key")).0;
        let others = [(); 2].map(|()| thread::spawn(ask(store.clone())));
        let mut admitted = u32::from(ask(store)());
        for other in others {
            admitted += u32::from(other.join().expect("no panic"));
        }
        assert_eq!(admitted, 1);
    });
}

#[test]
fn limits_that_are_asked_for_in_either_order_block_nobody_and_are_taken_all_or_none() {
    let secret = RandomState::new();
    loom::model(move || {
        let store = store(&secret);
        let keys = apart(&store);
        let ask = |store: MemoryStore, keys: [String; 2]| {
            move || {
                let rule = one_a_day();
                let requests = [unit(&rule, &keys[0]), unit(&rule, &keys[1])];
                store.take_all(&requests).admitted
            }
        };
        let [a, b] = keys.clone();
        let other = thread::spawn(ask(store.clone(), [b, a]));
        let admitted = ask(store.clone(), keys.clone())();
        let admitted = [admitted, other.join().expect("no panic")];
        assert_eq!(admitted.iter().filter(|admitted| **admitted).count(), 1);
        let rule = one_a_day();
        for key in &keys {
            let left = store.peek(unit(&rule, key)).remaining;
            assert_eq!(left, 0, "{key}");
        }
    });
}

/// Two keys that do not share a lock.
fn apart(store: &MemoryStore) -> [String; 2] {
    let shard = |key: &str| {
        let (name, key) = ("p", key.as_bytes());
        store.shared.limits.locate(Id { name, key }).shard
    };
    let first = "0".to_owned();
    let mut others = (1..).map(|nth: u32| nth.to_string());
    let second = others.find(|other| shard(other) != shard(&first));
    [first, second.expect("there are many")]
}
