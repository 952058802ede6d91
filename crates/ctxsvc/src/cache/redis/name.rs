//! The names of keys in Redis.

use std::fmt::Write;
use std::io;

/// A longer name is one by the hash of its key. The value has the key itself, so that no two keys
/// are taken for each other.
const NAME_MAX: usize = 512;

/// `{prefix}:{cache}:v{schema}:{key}`, in which `:` can only be in the key, and no byte of the key
/// is one that a terminal or a cluster would take for something else.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// `{prefix}:{cache}:v`
    start: Vec<u8>,
    schema: u32,
}

impl Names {
    pub(super) fn new(prefix: &str, cache: &str, schema: u32) -> Self {
        let mut start = Vec::new();
        for part in [prefix, cache] {
            escape(&mut start, part.as_bytes(), b":");
            start.push(b':');
        }
        start.push(b'v');
        Self { start, schema }
    }

    /// What all names of the cache begin with, of whatever schema.
    pub(super) fn start(&self) -> &[u8] {
        &self.start
    }

    pub(super) fn name(&self, key: &[u8]) -> Vec<u8> {
        self.of_schema(self.schema, key)
    }

    /// Those of a key under this schema and its neighbours: while one binary takes the place of
    /// another one, both are told of each write.
    pub(super) fn neighbours(&self, key: &[u8]) -> Vec<Vec<u8>> {
        let last = self.schema.saturating_add(1);
        let schemas = self.schema.saturating_sub(1)..=last;
        schemas.map(|schema| self.of_schema(schema, key)).collect()
    }

    /// What is the same in the names of a key under all schemas. `None` if it is no name of this
    /// cache's.
    pub(super) fn key_part<'a>(&self, name: &'a [u8]) -> Option<&'a [u8]> {
        let rest = name.strip_prefix(&self.start[..])?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest[digits..].strip_prefix(b":")
    }

    fn of_schema(&self, schema: u32, key: &[u8]) -> Vec<u8> {
        let mut name = Vec::with_capacity(self.start.len() + 16 + key.len());
        name.extend(&self.start);
        // Writing to a vector does not fail.
        let _ = io::Write::write_fmt(&mut name, format_args!("{schema}:"));
        let begin = name.len();
        escape(&mut name, key, b"");
        if name.len() > NAME_MAX {
            name.truncate(begin);
            // No escape looks like that.
            name.extend(format!("%%{:032x}", hash(key)).bytes());
        }
        name
    }
}

fn escape(name: &mut Vec<u8>, text: &[u8], also: &[u8]) {
    for byte in text {
        match byte {
            b'{' | b'}' | b'%' | 0..=0x1f | 0x7f => escape_byte(name, *byte),
            _ if also.contains(byte) => escape_byte(name, *byte),
            _ => name.push(*byte),
        }
    }
}

fn escape_byte(name: &mut Vec<u8>, byte: u8) {
    name.push(b'%');
    name.extend([byte >> 4, byte & 0xf].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
}

/// FNV-1a of 128 bits: the same in each process and version.
fn hash(bytes: &[u8]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let step = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
    bytes.iter().fold(START, step)
}

/// A key as text: what tells it from others.
pub(super) fn text(key: &impl std::fmt::Display) -> Vec<u8> {
    let mut text = String::new();
    // Writing to a string does not fail, unless the key says so: then it has no text.
    let _ = write!(text, "{key}");
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use proptest::strategy::ValueTree;

    use super::*;

    fn shown(name: &[u8]) -> String {
        String::from_utf8_lossy(name).into_owned()
    }

    #[test]
    fn a_name_is_readable_and_shows_what_would_not_be() {
        for (key, expected) in [
            ("42", "shop:users:v3:42"),
            ("a:b", "shop:users:v3:a:b"),
            ("{a}%", "shop:users:v3:%7ba%7d%25"),
            ("x\r\nFLUSHALL\0", "shop:users:v3:x%0d%0aFLUSHALL%00"),
            ("grüße", "shop:users:v3:grüße"),
        ] {
            let names = Names::new("shop", "users", 3);
            assert_eq!(shown(&names.name(key.as_bytes())), expected);
        }
        let names = Names::new("a:b", "{c}", 0);
        assert_eq!(shown(&names.name(b"")), "a%3ab:%7bc%7d:v0:");
        assert_eq!(hash(b"foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn the_neighbours_of_a_schema_are_told_too_and_have_the_same_key() {
        for (schema, expected) in [(0, "v0 v1"), (3, "v2 v3 v4"), (u32::MAX, "")] {
            let names = Names::new("shop", "users", schema);
            let neighbours = names.neighbours(b"a:1");
            assert!(neighbours.contains(&names.name(b"a:1")));
            let schemas: Vec<_> = neighbours
                .iter()
                .map(|name| shown(name).split(':').nth(2).map(str::to_owned))
                .collect::<Option<_>>()
                .expect("three parts before the key");
            assert!(expected.is_empty() || schemas.join(" ") == expected);
            for name in &neighbours {
                assert_eq!(names.key_part(name), Some(&b"a:1"[..]));
            }
        }
        let names = Names::new("shop", "users", 3);
        for other in ["shop:user:v3:1", "shop:users:vx:1", "shop:users:v3", ""] {
            assert_eq!(names.key_part(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn different_keys_have_different_names_and_none_is_too_long() {
        let byte = prop::sample::select(b"{}%:a7b0v\x00\n\xff".as_slice());
        let key = (prop::collection::vec(byte, 0..6), 1..200_usize);
        let key = key.prop_map(|(key, times)| key.repeat(times));
        let mut runner = prop::test_runner::TestRunner::default();
        let mut seen: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        let names = Names::new("shop", "users", 3);
        for _ in 0..20_000 {
            let key = key.new_tree(&mut runner).expect("any will do").current();
            let name = names.name(&key);
            assert!(name.len() <= NAME_MAX);
            let first = seen.entry(name).or_insert_with(|| key.clone());
            assert_eq!(*first, key);
        }
    }
}
