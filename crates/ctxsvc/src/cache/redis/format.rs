//! What a value looks like in Redis.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | 3: the format, a value |
//! | 1 | which codec |
//! | 1 | flags: 1 if there is a value, and not the knowledge that there is none; 2 if it has a version |
//! | 4 | schema |
//! | 8 | fresh until, ms by the clock of the server |
//! | 8 | of use until |
//! | 8 | filled at: who reads it may let it live for less time than who has filled it |
//! | 16 | token of the load that it is from |
//! | 8 | version, 0 if there is none |
//! | 4 | length of the key |
//! | 4 | length of the payload |
//! | | the key, which makes sure that it is this key's value |
//! | | the payload |
//!
//! Numbers are big-endian. While it is loaded, there is a right in its place: 2, the token, 8 bytes
//! until when it holds, and behind it the old value. What is left of a value that was forgotten, if it
//! had a version: 4, and the version. A value without one was 1 and had no place for it.

/// Where the payload begins, but for the key.
const HEADER: usize = 63;

const FORMAT: u8 = 3;

const EXISTS: u8 = 1;
const HAS_VERSION: u8 = 2;

/// A value as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    pub(super) codec: u8,
    pub(super) schema: u32,
    pub(super) fresh_until: u64,
    pub(super) stale_until: u64,
    pub(super) filled_at: u64,
    pub(super) token: u128,
    pub(super) version: Option<u64>,
    pub(super) key: &'a [u8],
    /// None if it is known that there is no such value.
    pub(super) payload: Option<&'a [u8]>,
}

impl<'a> Stored<'a> {
    /// `None` if a key or a payload is too long for its length.
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        let payload = self.payload.unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEADER + self.key.len() + payload.len());
        let exists = self.payload.map_or(0, |_| EXISTS);
        let has_version = self.version.map_or(0, |_| HAS_VERSION);
        bytes.extend([FORMAT, self.codec, exists | has_version]);
        bytes.extend(self.schema.to_be_bytes());
        bytes.extend(self.fresh_until.to_be_bytes());
        bytes.extend(self.stale_until.to_be_bytes());
        bytes.extend(self.filled_at.to_be_bytes());
        bytes.extend(self.token.to_be_bytes());
        bytes.extend(self.version.unwrap_or_default().to_be_bytes());
        bytes.extend(u32::try_from(self.key.len()).ok()?.to_be_bytes());
        bytes.extend(u32::try_from(payload.len()).ok()?.to_be_bytes());
        bytes.extend(self.key);
        bytes.extend(payload);
        Some(bytes)
    }

    /// `None` if it is anything else, or not whole.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        if rest.number::<1>()? != [FORMAT] {
            return None;
        }
        let [codec] = rest.number()?;
        let [flags] = rest.number()?;
        let schema = u32::from_be_bytes(rest.number()?);
        let fresh_until = u64::from_be_bytes(rest.number()?);
        let stale_until = u64::from_be_bytes(rest.number()?);
        let filled_at = u64::from_be_bytes(rest.number()?);
        let token = u128::from_be_bytes(rest.number()?);
        let version = u64::from_be_bytes(rest.number()?);
        let [key, payload] = [rest.number()?, rest.number()?].map(u32::from_be_bytes);
        let key = rest.take(usize::try_from(key).ok()?)?;
        let payload = rest.take(usize::try_from(payload).ok()?)?;
        let payload = match flags & EXISTS {
            0 if payload.is_empty() => None,
            EXISTS => Some(payload),
            _ => return None,
        };
        let version = match flags & !EXISTS {
            0 if version == 0 => None,
            HAS_VERSION => Some(version),
            _ => return None,
        };
        rest.0.is_empty().then_some(Self {
            codec,
            schema,
            fresh_until,
            stale_until,
            filled_at,
            token,
            version,
            key,
            payload,
        })
    }
}

/// Where the token of a value is.
pub(super) const TOKEN: std::ops::Range<usize> = 31..47;

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_and_nothing_that_is_cut_or_longer(
            (codec, schema, token) in any::<(u8, u32, u128)>(),
            (fresh_until, stale_until, filled_at) in any::<(u64, u64, u64)>(),
            version in any::<Option<u64>>(),
            key in prop::collection::vec(any::<u8>(), 0..40),
            payload in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        ) {
            let stored = Stored {
                codec,
                schema,
                fresh_until,
                stale_until,
                filled_at,
                token,
                version,
                key: &key,
                payload: payload.as_deref(),
            };
            let bytes = stored.write().expect("it is short");
            prop_assert_eq!(Stored::read(&bytes), Some(stored));
            prop_assert_eq!(&bytes[TOKEN], &token.to_be_bytes());
            for length in 0..bytes.len() {
                prop_assert_eq!(Stored::read(&bytes[..length]), None);
            }
            let longer = [&bytes[..], &[0]].concat();
            prop_assert_eq!(Stored::read(&longer), None);
        }
    }
}
