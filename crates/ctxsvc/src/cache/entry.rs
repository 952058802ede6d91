//! What is remembered of a key.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::CacheError;
use super::policy::Policy;

/// Between a failure and the next attempt, at first: it doubles with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The last answer of a key and what has failed since.
pub(super) struct Entry<V, E: Error + 'static> {
    pub(super) answer: Option<Answer<V>>,
    /// Rarely there, and then shared: an entry is copied for each who asks.
    pub(super) trouble: Option<Arc<Trouble<E>>>,
}

pub(super) struct Answer<V> {
    /// None says that there is no such value.
    pub(super) value: Option<Arc<V>>,
    fresh_until: Instant,
    stale_until: Instant,
}

/// A failure that is not asked to repeat itself before its time.
pub(super) struct Trouble<E: Error + 'static> {
    pub(super) error: CacheError<E>,
    retry_at: Instant,
    pause: Duration,
}

impl<V, E: Error + 'static> Entry<V, E> {
    pub(super) fn loaded(value: Option<Arc<V>>, policy: &Policy, now: Instant) -> Self {
        let (fresh_until, stale_until) = policy.lifetime(value.is_some(), now);
        Self {
            answer: Some(Answer {
                value,
                fresh_until,
                stale_until,
            }),
            trouble: None,
        }
    }

    /// The same answer as before, if it may still be given, and one failure more.
    pub(super) fn failed(before: Option<&Self>, error: CacheError<E>, now: Instant) -> Self {
        let trouble = before.and_then(|entry| entry.trouble.as_ref());
        let pause = trouble.map_or(FIRST_PAUSE, |it| (it.pause * 2).min(LONGEST_PAUSE));
        let answer = before.and_then(|entry| entry.answer.as_ref());
        Self {
            answer: answer.filter(|answer| answer.stale_until > now).cloned(),
            trouble: Some(Arc::new(Trouble {
                error,
                retry_at: now + pause,
                pause,
            })),
        }
    }

    pub(super) fn fresh(&self, now: Instant) -> Option<&Answer<V>> {
        self.answer
            .as_ref()
            .filter(|answer| now < answer.fresh_until)
    }

    /// A value that may be given if there is no newer one to be had.
    pub(super) fn stale(&self, now: Instant) -> Option<Arc<V>> {
        let answer = self
            .answer
            .as_ref()
            .filter(|answer| now < answer.stale_until);
        answer.and_then(|answer| answer.value.clone())
    }

    /// What to answer instead of a load, because one has failed just now.
    pub(super) fn held_back(&self, now: Instant) -> Option<&CacheError<E>> {
        let trouble = self
            .trouble
            .as_ref()
            .filter(|trouble| now < trouble.retry_at);
        trouble.map(|trouble| &trouble.error)
    }
}

// Not derived: neither the value nor its error need be `Clone`.
impl<V, E: Error + 'static> Clone for Entry<V, E> {
    fn clone(&self) -> Self {
        Self {
            answer: self.answer.clone(),
            trouble: self.trouble.clone(),
        }
    }
}

impl<V> Clone for Answer<V> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            ..*self
        }
    }
}
