//! Any bytes as what Redis has for a key, and any bytes as the key: what is read is what was written,
//! byte by byte, and the name of a key is one line that tells it from others.
//!
//! `cargo +nightly fuzz run ctxsvc-values`, in this folder.

#![no_main]
#![allow(dead_code, reason = "the crate uses more of its files")]

use libfuzzer_sys::fuzz_target;

#[path = "../../../ctxsvc/src/cache/redis/format.rs"]
mod format;
#[path = "../../../ctxsvc/src/cache/redis/name.rs"]
mod name;

use format::{Stored, TOKEN};
use name::Names;

fuzz_target!(|bytes: &[u8]| {
    if let Some(stored) = Stored::read(bytes) {
        assert_eq!(stored.write().as_deref(), Some(bytes));
        assert_eq!(bytes[TOKEN], stored.token.to_be_bytes());
    }
    let (schema, key) = bytes.split_at(bytes.len().min(4));
    let schema = schema.try_into().map_or(0, u32::from_be_bytes);
    let names = Names::new("prefix", "cache:1", schema);
    let name = names.name(key);
    assert!(name.len() <= 512);
    assert!(name.starts_with(names.start()));
    assert!(!name.iter().any(|byte| byte.is_ascii_control()));
    assert!(names.neighbours(key).contains(&name));
    let part = names.key_part(&name).expect("it is one of this cache's");
    assert!(key.len() > 100 || part == read_back(key, part));
});

/// The part of a name that a key has to have: what it says, read in the one way there is.
fn read_back<'a>(key: &[u8], part: &'a [u8]) -> &'a [u8] {
    let (mut read, mut bytes) = (Vec::new(), part.iter());
    while let Some(byte) = bytes.next() {
        read.push(match byte {
            b'%' => {
                let mut digit = || char::from(*bytes.next().expect("a digit")).to_digit(16);
                let value = digit().zip(digit()).map(|(high, low)| 16 * high + low);
                u8::try_from(value.expect("two digits")).expect("a byte")
            }
            byte => *byte,
        });
    }
    assert_eq!(read, key);
    part
}
