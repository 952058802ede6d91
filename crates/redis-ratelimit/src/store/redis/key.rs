//! The names of keys in Redis.

/// `namespace:{key}:policy`.
///
/// The braces make all policies of a key live in one slot of a cluster, so that they can be
/// decided together. `{`, `}`, `%` and control bytes are escaped in the key: nobody can write a
/// key that another one's policies are found under, or that takes only some of its policies to
/// another slot. A policy's name has no `:`, so the name of a key can be read in one way only.
///
/// An empty key stands there as `%`, which no escape looks like: braces with nothing in them would
/// be none to a cluster.
pub(crate) fn redis_key(namespace: &str, key: &[u8], policy: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(namespace.len() + key.len() + policy.len() + 4);
    name.extend_from_slice(namespace.as_bytes());
    name.extend_from_slice(b":{");
    if key.is_empty() {
        name.push(b'%');
    }
    for byte in key {
        match byte {
            b'{' | b'}' | b'%' | 0..=0x1f | 0x7f => {
                name.push(b'%');
                name.extend([byte >> 4, byte & 0xf].map(hex_digit));
            }
            _ => name.push(*byte),
        }
    }
    name.extend_from_slice(b"}:");
    name.extend_from_slice(policy.as_bytes());
    name
}

fn hex_digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value)]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use proptest::strategy::ValueTree;

    use super::*;

    #[test]
    fn a_name_is_readable_and_shows_what_would_not_be() {
        for (key, expected) in [
            (&b"user:42"[..], "rl:{user:42}:api"),
            (b"2001:db8::/64", "rl:{2001:db8::/64}:api"),
            (b"", "rl:{%}:api"),
            (b"a{b}c%", "rl:{a%7bb%7dc%25}:api"),
            (b"x\r\nFLUSHALL\0", "rl:{x%0d%0aFLUSHALL%00}:api"),
            ("grüße".as_bytes(), "rl:{grüße}:api"),
        ] {
            let name = redis_key("rl", key, "api");
            assert_eq!(String::from_utf8_lossy(&name), expected);
        }
    }

    #[test]
    fn different_keys_and_policies_have_different_names() {
        let awkward =
            prop::collection::vec(prop::sample::select(b"{}%:a7b0\x00\n\xff".as_slice()), 0..6);
        let policy = prop::sample::select(vec!["a", "b", "}a", "%7d", "a{b}"]);
        let mut runner = prop::test_runner::TestRunner::default();
        let mut seen: HashMap<Vec<u8>, (Vec<u8>, &str)> = HashMap::new();
        for _ in 0..20_000 {
            let tree = (&awkward, &policy).new_tree(&mut runner);
            let (key, policy) = tree.expect("any of these will do").current();
            let name = redis_key("rl", &key, policy);
            let first = seen.entry(name).or_insert_with(|| (key.clone(), policy));
            assert_eq!(*first, (key, policy));
        }
    }
}
