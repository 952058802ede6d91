//! Which node of a cluster serves what: the parts of it that need no network.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use redis::Value;
use tokio::time::Instant;

use super::address::Address;

/// A cluster spreads its keys over so many slots.
pub(super) const SLOTS: u16 = 16_384;

/// How long a cluster may take until all of its nodes know who has taken whose place.
const SUSPICION: Duration = Duration::from_secs(10);

/// A range of slots, and who serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    slots: RangeInclusive<u16>,
    primary: Address,
}

/// The slot of a key: that of what stands in its first braces, or of the whole key if there are
/// none or nothing is in them.
pub(super) fn slot(key: &[u8]) -> u16 {
    crc16(tag(key)) % SLOTS
}

fn tag(key: &[u8]) -> &[u8] {
    let tag = || {
        let begin = key.iter().position(|byte| *byte == b'{')? + 1;
        let length = key[begin..].iter().position(|byte| *byte == b'}')?;
        (length > 0).then(|| &key[begin..begin + length])
    };
    tag().unwrap_or(key)
}

/// CRC-16/XMODEM: the polynomial 0x1021, from 0, the highest bit first.
fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = crc16_table();
    bytes.iter().fold(0, |crc: u16, byte| {
        let [high, low] = crc.to_be_bytes();
        u16::from_be_bytes([low, 0]) ^ TABLE[usize::from(high ^ byte)]
    })
}

const fn crc16_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut high = 0_u16;
    while high < 256 {
        let mut crc = high << 8;
        let mut bit = 0;
        while bit < 8 {
            let is_out = crc & 0x8000 != 0;
            crc <<= 1;
            if is_out {
                crc ^= 0x1021;
            }
            bit += 1;
        }
        table[high as usize] = crc;
        high += 1;
    }
    table
}

/// The reply to `CLUSTER SLOTS` of a node, in the order of the slots: that of older servers is by
/// node, and another one at each. `None` if that is none, or nobody serves anything.
pub(super) fn shards(reply: &Value, node: &Address) -> Option<Vec<Shard>> {
    let Value::Array(ranges) = reply else {
        return None;
    };
    let shards: Option<Vec<_>> = ranges.iter().map(|range| shard(range, node)).collect();
    let mut shards = shards.filter(|shards| !shards.is_empty())?;
    shards.sort_by_key(|shard| *shard.slots.start());
    Some(shards)
}

/// The first slot, the last one, the primary, and its replicas as far as they are in step.
fn shard(range: &Value, node: &Address) -> Option<Shard> {
    let Value::Array(parts) = range else {
        return None;
    };
    let [Value::Int(first), Value::Int(last), primary, ..] = parts.as_slice() else {
        return None;
    };
    let number = |slot: &i64| u16::try_from(*slot).ok().filter(|slot| *slot < SLOTS);
    let slots = number(first)?..=number(last)?;
    (!slots.is_empty()).then_some(())?;
    let primary = address(primary, node)?;
    Some(Shard { slots, primary })
}

/// Host, port, and more. A node that does not know by which name it was reached gives no host, or
/// an empty one; one that has none to give says `?`.
fn address(value: &Value, node: &Address) -> Option<Address> {
    let Value::Array(parts) = value else {
        return None;
    };
    let [host, Value::Int(port), ..] = parts.as_slice() else {
        return None;
    };
    let host = match host {
        Value::Nil => node.host(),
        Value::BulkString(host) if host.is_empty() => node.host(),
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        _ => return None,
    };
    (host != "?").then_some(())?;
    Some(Address::new(host, u16::try_from(*port).ok()?))
}

/// Who serves each slot, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// In the order of their slots.
    shards: Vec<Shard>,
    /// Of single slots, what was heard since.
    moved: HashMap<u16, Address>,
    /// Who has answered for each slot: that was true, whatever any node says. And since when.
    served: HashMap<u16, (Address, Instant)>,
    suspects: Vec<Succession>,
    /// Those of whom it is known by now.
    successors: HashSet<(Address, Address)>,
}

/// Who serves a slot in somebody else's place: because the slot was moved, or because that one is
/// not there any more, or is a replica now.
#[derive(Debug)]
struct Succession {
    of: Address,
    by: Address,
    since: Instant,
}

impl Owners {
    pub(super) fn of(&self, slot: u16) -> Option<&Address> {
        let heard = self.moved.get(&slot);
        heard.or_else(|| {
            let begun = |shard: &Shard| *shard.slots.start() <= slot;
            let (begun, _) = self.shards.split_at(self.shards.partition_point(begun));
            let shard = begun.last()?;
            shard.slots.contains(&slot).then_some(&shard.primary)
        })
    }

    /// Any of them.
    pub(super) fn any(&self) -> Option<&Address> {
        self.shards.first().map(|shard| &shard.primary)
    }

    /// Heard from a node that does not serve the slot any more.
    pub(super) fn moved(&mut self, slot: u16, owner: Address) {
        self.moved.insert(slot, owner);
    }

    /// Whether that is what the last node has said.
    pub(super) fn are(&self, shards: &[Shard]) -> bool {
        self.shards == shards
    }

    /// Takes what a node knows instead, which may be less than another one did. Returns how many
    /// primaries are found to have lost their place.
    pub(super) fn replace(&mut self, shards: Vec<Shard>) -> usize {
        self.shards = shards;
        self.moved.clear();
        let primaries: HashSet<_> = self.shards.iter().map(|shard| &shard.primary).collect();
        let (mut lost, mut open) = (0, Vec::new());
        for suspect in self.suspects.drain(..) {
            let is_there = primaries.contains(&suspect.of);
            if is_there && primaries.contains(&suspect.by) {
                continue;
            }
            if is_there && suspect.since.elapsed() < SUSPICION {
                open.push(suspect);
            } else {
                lost += 1;
                self.successors.insert((suspect.of, suspect.by));
            }
        }
        self.suspects = open;
        if lost > 0 {
            self.forget_successors();
        }
        lost
    }

    /// Of those whom no slot was served by last: nobody can be seen to take their place.
    fn forget_successors(&mut self) {
        let last: HashSet<_> = self.served.values().map(|(node, _)| node).collect();
        self.successors
            .retain(|(of, by)| last.contains(of) && last.contains(by));
    }

    /// A request of `asked_at` was answered by a node. True if another one has done so before, and
    /// it is to be found out why.
    pub(super) fn served(&mut self, slot: u16, node: &Address, asked_at: Instant) -> bool {
        let before = match self.served.get(&slot) {
            // An answer that was overtaken says nothing new.
            Some((before, since)) if before == node || asked_at < *since => return false,
            before => before.map(|(before, _)| before.clone()),
        };
        let since = Instant::now();
        self.served.insert(slot, (node.clone(), since));
        let Some(of) = before else { return false };
        let there = (of.clone(), node.clone());
        let is_suspect = |suspect: &Succession| suspect.of == of && suspect.by == *node;
        if self.successors.contains(&there) || self.suspects.iter().any(is_suspect) {
            return false;
        }
        // It could go back, and forth again.
        self.successors.remove(&(there.1, there.0));
        let by = node.clone();
        self.suspects.push(Succession { of, by, since });
        true
    }

    /// Whether it is to be found out why somebody took another one's place.
    pub(super) fn is_suspicious(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// All that are in use or may be.
    pub(super) fn nodes(&self) -> HashSet<&Address> {
        let primaries = self.shards.iter().map(|shard| &shard.primary);
        primaries.chain(self.moved.values()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address::new("10.0.0.1", port)
    }

    fn node(host: Value, port: i64) -> Value {
        let id = Value::BulkString(b"id".to_vec());
        Value::Array(vec![host, Value::Int(port), id])
    }

    fn range(first: i64, last: i64, nodes: Vec<Value>) -> Value {
        let slots = [Value::Int(first), Value::Int(last)];
        Value::Array(slots.into_iter().chain(nodes).collect())
    }

    fn served_by(first: u16, last: u16, primary: u16) -> Shard {
        Shard {
            slots: first..=last,
            primary: at(primary),
        }
    }

    #[test]
    fn a_key_is_in_the_slot_that_redis_says() {
        // By `CLUSTER KEYSLOT` of Redis 7.0.15.
        for (key, expected) in [
            (&b"123456789"[..], 12_739),
            (b"", 0),
            (b"foo", 12_182),
            (b"rl:{foo}:api", 12_182),
            (b"{foo}{bar}", 12_182),
            (b"a{}{foo}", 700),
            (b"a{foo", 113),
        ] {
            assert_eq!(slot(key), expected, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn what_a_node_says_of_its_cluster_is_understood_or_nothing_of_it() {
        let host = |host: &str| Value::BulkString(host.as_bytes().to_vec());
        let known = range(
            0,
            5,
            vec![node(host("10.0.0.1"), 1), node(host("10.0.0.1"), 2)],
        );
        assert_eq!(
            shards(&Value::Array(vec![known.clone()]), &at(9)),
            Some(vec![served_by(0, 5, 1)])
        );
        // By node, and not by slot, as servers before Redis 7 tell it.
        let other = range(6, 9, vec![node(host("10.0.0.1"), 3)]);
        assert_eq!(
            shards(&Value::Array(vec![other, known.clone()]), &at(9)),
            Some(vec![served_by(0, 5, 1), served_by(6, 9, 3)])
        );
        for here in [Value::Nil, host("")] {
            let found = shards(
                &Value::Array(vec![range(0, 5, vec![node(here, 1)])]),
                &at(9),
            );
            assert_eq!(found.expect("a shard")[0].primary, at(1));
        }
        for wrong in [
            Value::Nil,
            Value::Array(vec![]),
            Value::Array(vec![known, Value::Int(1)]),
            Value::Array(vec![range(0, 16_384, vec![node(host("h"), 1)])]),
            Value::Array(vec![range(5, 4, vec![node(host("h"), 1)])]),
            Value::Array(vec![range(-1, 5, vec![node(host("h"), 1)])]),
            Value::Array(vec![range(0, 5, vec![])]),
            Value::Array(vec![range(0, 5, vec![node(host("h"), 65_536)])]),
            Value::Array(vec![range(0, 5, vec![node(host("?"), 1)])]),
            Value::Array(vec![range(0, 5, vec![node(Value::Int(1), 1)])]),
        ] {
            assert_eq!(shards(&wrong, &at(9)), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_slot_is_where_it_was_heard_of_last() {
        let mut owners = Owners::default();
        assert_eq!((owners.of(7), owners.any()), (None, None));
        owners.replace(vec![served_by(0, 99, 1), served_by(100, 199, 2)]);
        owners.moved(7, at(3));
        assert_eq!(owners.of(7), Some(&at(3)));
        assert_eq!(owners.of(8), Some(&at(1)));
        assert_eq!(owners.of(200), None);
        let nodes = [at(1), at(2), at(3)];
        assert_eq!(owners.nodes(), nodes.iter().collect());
        owners.replace(vec![served_by(0, 199, 4)]);
        assert_eq!(owners.of(7), Some(&at(4)));
        assert_eq!(owners.nodes(), HashSet::from([&at(4)]));
    }

    #[test]
    fn a_primary_that_has_lost_its_place_is_found_once_and_a_slot_that_was_moved_is_not() {
        let mut owners = Owners::default();
        let before = Instant::now();
        let both = || vec![served_by(0, 99, 1), served_by(100, 199, 2)];
        let told = |owners: &mut Owners, slot, port| owners.served(slot, &at(port), Instant::now());
        assert_eq!(owners.replace(both()), 0);
        for (slot, node) in [(7, 1), (8, 1), (107, 2), (108, 2), (7, 1)] {
            assert!(!told(&mut owners, slot, node), "as before");
        }
        assert!(told(&mut owners, 7, 2), "by the other primary");
        assert_eq!(owners.replace(both()), 0, "the slot was moved");
        assert!(!owners.is_suspicious());

        assert!(told(&mut owners, 107, 12), "by somebody new");
        assert!(!owners.served(107, &at(2), before), "that was overtaken");
        assert!(
            !told(&mut owners, 7, 12),
            "by the same one at the same time"
        );
        // Who was asked next did not know of it yet.
        assert_eq!(owners.replace(both()), 0);
        assert!(owners.is_suspicious());
        let after = || vec![served_by(0, 99, 1), served_by(100, 199, 12)];
        assert_eq!(owners.replace(after()), 1);
        assert!(!told(&mut owners, 108, 12), "that is known");
        assert_eq!(owners.replace(after()), 0);

        assert!(told(&mut owners, 107, 2), "and back");
        assert_eq!(owners.replace(both()), 1);
        assert!(told(&mut owners, 107, 12), "and forth again");
        assert_eq!(owners.replace(after()), 1);
    }

    #[test]
    fn what_is_known_of_successions_is_bounded_by_the_nodes_that_slots_were_last_served_by() {
        let mut owners = Owners::default();
        let told = |owners: &mut Owners, slot, port| owners.served(slot, &at(port), Instant::now());
        told(&mut owners, 7, 1);
        told(&mut owners, 8, 1);
        for port in 2..1_000 {
            assert!(told(&mut owners, 7, port), "by the next one");
            assert_eq!(owners.replace(vec![served_by(0, 99, port)]), 1);
            let known = owners.successors.len();
            assert!(known <= 2, "{known} after {port}");
        }
        // Nobody asked for this one meanwhile.
        assert!(told(&mut owners, 8, 999), "by the last one");
        assert_eq!(owners.replace(vec![served_by(0, 99, 999)]), 1);
        assert_eq!(owners.successors.len(), 0);
    }
}
