//! Any bytes as what a server replies to a script, or to the question who serves what: nothing
//! panics, and no answer is more than its limit.
//!
//! The parts of the crate that read replies are private, so this takes their files.
//!
//! `cargo +nightly fuzz run ratelimit-replies`, in this folder.

#![no_main]
#![allow(dead_code, unused_imports, reason = "the crate uses more of its files")]

use libfuzzer_sys::fuzz_target;
use redis::Value;
pub(crate) use redis_ratelimit::FaultKind;

#[path = "../../../redis-ratelimit/src/store/redis/address.rs"]
mod address;
#[path = "../../../redis-ratelimit/src/store/redis/bundles.rs"]
mod bundles;
#[path = "../../../redis-ratelimit/src/core/mod.rs"]
mod core;
#[path = "../../../redis-ratelimit/src/few.rs"]
mod few;
#[path = "../../../redis-ratelimit/src/store/redis/reply.rs"]
mod reply;
#[path = "../../../redis-ratelimit/src/store/redis/slots.rs"]
mod slots;

use crate::address::Address;
use crate::bundles::Bundles;
use crate::core::{FixedWindow, Gcra, Rule, SlidingWindow};
use crate::few::Few;
use crate::reply::Told;
use crate::slots::Owners;
use crate::store::{Ask, Order};

pub(crate) use fault::{Applied, Fault};

const NOW: u64 = 1 << 51;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = redis::parse_redis_value(bytes) {
        look(&value);
    }
    let [kinds, count, rest @ ..] = bytes else {
        return;
    };
    let rules = rules(*kinds);
    let orders: Vec<_> = (0..=u32::from(count % 8))
        .map(|nth| order(&rules, nth))
        .collect();
    // Each byte a small number, or each eight of them any number.
    let small: Vec<_> = rest.iter().map(|byte| i64::from(*byte) - 2).collect();
    let any: Vec<_> = rest
        .chunks_exact(8)
        .map(|bytes| i64::from_le_bytes(bytes.try_into().expect("eight")))
        .collect();
    for reply in [&small, &any] {
        sound(&rules, &orders, reply::told(&rules, &orders, reply, NOW));
        if let [Rule::Gcra(gcra)] = rules[..] {
            sound(&rules, &orders, Bundles::of(&orders).told(gcra, reply, NOW));
        }
    }
});

fn look(reply: &Value) {
    let node = Address::new("10.0.0.1", 6_379);
    if let Some(shards) = slots::shards(reply, &node) {
        let mut owners = Owners::default();
        assert_eq!(owners.replace(shards), 0, "nobody had a place to lose");
        assert!(owners.any().is_some() && !owners.nodes().is_empty());
    }
}

/// What the crate makes of a reply that it takes: something for each limit of each order, and not
/// more than there can be.
fn sound(rules: &[Rule], orders: &[Order], told: Result<Vec<Told>, Fault>) {
    let Ok(told) = told else { return };
    assert_eq!(told.len(), orders.len());
    for outcomes in told.iter().flatten() {
        assert_eq!(outcomes.iter().count(), rules.len());
        for (outcome, rule) in outcomes.iter().zip(rules) {
            assert!(
                outcome.figures.remaining <= u64::from(rule.capacity()),
                "{outcome:?}"
            );
            assert!(
                !outcome.admitted || outcome.figures.wait_us == 0,
                "{outcome:?}"
            );
        }
    }
}

/// Up to four rules of any kind.
fn rules(kinds: u8) -> Vec<Rule> {
    const SECOND: u64 = 1_000_000;
    let whole = Rule::Gcra(Gcra::new(1, SECOND, 3).expect("a rule"));
    let parts = Rule::Gcra(Gcra::new(7, 10 * SECOND, 7).expect("a rule"));
    let fixed = Rule::Fixed(FixedWindow {
        limit: 20,
        window_us: 60 * SECOND,
    });
    let sliding = Rule::Sliding(SlidingWindow::new(20, 61 * SECOND));
    let all = [whole, parts, fixed, sliding];
    (0..=kinds % 4)
        .map(|nth| all[usize::from((kinds >> (2 + nth)) % 4)])
        .collect()
}

fn order(rules: &[Rule], nth: u32) -> Order {
    let ask = |rule: &Rule| Ask {
        key: vec![u8::try_from(nth % 3).expect("a digit")],
        cost: 1 + nth % rule.capacity(),
    };
    Few::of(rules.iter().map(ask)).expect("a rule")
}

/// A fault as the crate makes it.
mod fault {
    use super::FaultKind;

    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Applied {
        No,
        Maybe,
    }

    #[derive(Debug, Clone)]
    pub(crate) struct Fault(FaultKind, Applied);

    impl Fault {
        pub(crate) fn new(kind: FaultKind, applied: Applied) -> Self {
            Self(kind, applied)
        }
    }
}

mod store {
    use crate::few::Few;

    #[derive(Debug)]
    pub(crate) struct Ask {
        pub(crate) key: Vec<u8>,
        pub(crate) cost: u32,
    }

    pub(crate) type Order = Few<Ask>;
}

mod call {
    use crate::{Applied, Fault, FaultKind};

    pub(crate) fn unexpected() -> Fault {
        Fault::new(FaultKind::UnexpectedReply, Applied::Maybe)
    }
}
