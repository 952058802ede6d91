//! Values as bytes, and bytes as the values of their keys.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Codec;
use super::counts::Counts;
use super::format::Stored;
use crate::cache::entry::Answer;
use crate::cache::remote::{Clock, Lease, Mark};

/// What is longer is not kept in Redis, where one command at a time is served.
const PAYLOAD_MAX: usize = 8 << 20;

pub(super) struct Values<C> {
    codec: C,
    schema: u32,
    counts: Arc<Counts>,
}

impl<C> Values<C> {
    pub(super) fn new(codec: C, schema: u32, counts: Arc<Counts>) -> Self {
        Self {
            codec,
            schema,
            counts,
        }
    }

    /// A value, if these bytes are one of this key.
    pub(super) fn read<V>(
        &self,
        text: &[u8],
        bytes: &[u8],
        clock: Clock,
        mark: Mark,
    ) -> Option<Answer<V>>
    where
        C: Codec<V>,
    {
        let stored = Stored::read(bytes).filter(|stored| {
            stored.codec == C::ID && stored.schema == self.schema && stored.key == text
        });
        let value = stored.and_then(|stored| match stored.payload {
            None => Some(None),
            Some(payload) => {
                // Foreign code, and foreign bytes.
                let decode = AssertUnwindSafe(|| self.codec.decode(payload));
                let value = catch_unwind(decode).ok()?.ok()?;
                Some(Some(value))
            }
        });
        let (Some(stored), Some(value)) = (stored, value) else {
            self.counts.unreadable();
            return None;
        };
        Some(Answer {
            value,
            fresh_until: clock.here(stored.fresh_until),
            stale_until: clock.here(stored.stale_until),
            mark,
        })
    }

    /// `None` if it can't be kept.
    pub(super) fn write<V>(&self, text: &[u8], answer: &Answer<V>, lease: &Lease) -> Option<Vec<u8>>
    where
        C: Codec<V>,
    {
        let payload = match &answer.value {
            None => None,
            Some(value) => {
                let encode = AssertUnwindSafe(|| self.codec.encode(value));
                let encoded = catch_unwind(encode).ok().and_then(Result::ok);
                let payload = encoded.filter(|payload| payload.len() <= PAYLOAD_MAX);
                if payload.is_none() {
                    self.counts.unwritable();
                }
                Some(payload?)
            }
        };
        let clock = lease.clock;
        let stored = Stored {
            codec: C::ID,
            schema: self.schema,
            fresh_until: clock.there(answer.fresh_until),
            stale_until: clock.there(answer.stale_until),
            token: lease.token,
            key: text,
            payload: payload.as_deref(),
        };
        stored.write()
    }
}
