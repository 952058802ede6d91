//! Any bytes as the key of a check: its name in Redis is one line, can be read in one way only, and
//! keeps all policies of the key in one slot of a cluster, whatever is in it.
//!
//! `cargo +nightly fuzz run ratelimit-keys`, in this folder.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../redis-ratelimit/src/store/redis/key.rs"]
mod key;

use key::redis_key;

fuzz_target!(|key: &[u8]| {
    let [one, other] = ["api", "other {policy}"].map(|policy| redis_key("rl", key, policy));
    for (name, policy) in [(&one, "api"), (&other, "other {policy}")] {
        assert!(name.len() <= 3 * key.len() + policy.len() + 7);
        assert!(!name.iter().any(u8::is_ascii_control));
        assert_eq!(read(name), (key.to_vec(), policy.as_bytes()));
    }
    let tag = tag(&one);
    assert!(!tag.is_empty());
    assert_eq!(tag, self::tag(&other));
});

/// What a cluster finds a name by: what stands between its first brace and the next closing one.
fn tag(name: &[u8]) -> &[u8] {
    let begin = name.iter().position(|byte| *byte == b'{').expect("a brace") + 1;
    let end = name[begin..].iter().position(|byte| *byte == b'}');
    &name[begin..begin + end.expect("it is closed")]
}

/// The key and the policy of a name.
fn read(name: &[u8]) -> (Vec<u8>, &[u8]) {
    let rest = name.strip_prefix(b"rl:{").expect("a namespace");
    let end = rest
        .iter()
        .position(|byte| *byte == b'}')
        .expect("it is closed");
    let policy = rest[end..].strip_prefix(b"}:").expect("a policy");
    if rest[..end] == *b"%" {
        return (Vec::new(), policy);
    }
    let mut key = Vec::new();
    let mut bytes = rest[..end].iter();
    while let Some(byte) = bytes.next() {
        key.push(match byte {
            b'%' => {
                let mut digit = || char::from(*bytes.next().expect("a digit")).to_digit(16);
                let value = digit().zip(digit()).map(|(high, low)| 16 * high + low);
                u8::try_from(value.expect("two digits")).expect("a byte")
            }
            byte => *byte,
        });
    }
    (key, policy)
}
