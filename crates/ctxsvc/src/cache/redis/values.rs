//! Values as bytes, and bytes as the values of their keys.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::time::Instant;

use super::Codec;
use super::counts::Counts;
use super::format::Stored;
use super::terms::Terms;
use super::wire::Bounds;
use crate::cache::entry::Answer;
use crate::cache::policy::Policy;
use crate::cache::remote::{Clock, Lease, Mark};

pub(super) struct Values<C> {
    codec: C,
    schema: u32,
    policy: Policy,
    bounds: Bounds,
    counts: Arc<Counts>,
}

impl<C> Values<C> {
    pub(super) fn new(codec: C, terms: &Terms, counts: Arc<Counts>) -> Self {
        Self {
            codec,
            schema: terms.schema,
            policy: terms.policy.clone(),
            bounds: terms.bounds,
            counts,
        }
    }

    /// Whether these bytes are a value that is fresh, of whatever key.
    pub(super) fn is_fresh(&self, bytes: &[u8], clock: Clock) -> bool {
        Stored::read(bytes).is_some_and(|stored| self.bounds.is_fresh(&stored, clock.ms))
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
                Some(Some(Arc::new(value)))
            }
        });
        let (Some(stored), Some(value)) = (stored, value) else {
            self.counts.unreadable();
            return None;
        };
        let exists = value.is_some();
        let fresh_until = clock.here(self.bounds.fresh_until(&stored));
        let mut answer = Answer {
            value,
            version: stored.version,
            // Whatever the clock over there says.
            fresh_until: fresh_until.min(clock.answered + self.policy.most(exists)),
            stale_until: clock.here(stored.stale_until),
            mark,
        };
        answer.limit_stale(self.policy.most_stale(exists));
        Some(answer)
    }

    /// `None` if it can't be kept.
    pub(super) fn write<V>(&self, text: &[u8], answer: &Answer<V>, lease: &Lease) -> Option<Vec<u8>>
    where
        C: Codec<V>,
    {
        let written = self.written(text, answer, lease);
        let written = written.filter(|bytes| bytes.len() <= self.bounds.bytes);
        if written.is_none() {
            self.counts.unwritable();
        }
        written
    }

    fn written<V>(&self, text: &[u8], answer: &Answer<V>, lease: &Lease) -> Option<Vec<u8>>
    where
        C: Codec<V>,
    {
        let encode = |value| {
            let encode = AssertUnwindSafe(|| self.codec.encode(value));
            catch_unwind(encode).ok()?.ok()
        };
        let payload = match &answer.value {
            None => None,
            Some(value) => Some(encode(value)?),
        };
        let clock = lease.clock;
        let stored = Stored {
            codec: C::ID,
            schema: self.schema,
            fresh_until: clock.there(answer.fresh_until),
            stale_until: clock.there(answer.stale_until),
            filled_at: clock.there(Instant::now()),
            token: lease.token,
            version: answer.version,
            key: text,
            payload: payload.as_deref(),
        };
        stored.write()
    }
}
