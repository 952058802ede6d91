//! What is remembered of a key.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::CacheError;
use super::remote::Mark;
use super::version::{Floor, LAG};

/// Between a failure and the next attempt, at first: it doubles with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The last answer of a key and what has failed since.
pub(super) struct Entry<V, E: Error + 'static> {
    pub(super) answer: Option<Answer<V>>,
    /// Rarely there, and then shared: an entry is copied for each who asks.
    pub(super) trouble: Option<Arc<Trouble<E>>>,
    /// The version from before, if the answer has none. As rare as trouble.
    seen: Option<Arc<Seen>>,
}

/// What was seen of a key's versions, and until when it counts.
#[derive(Clone, Copy)]
struct Seen {
    floor: Floor,
    until: Instant,
}

pub(super) struct Answer<V> {
    /// None says that there is no such value.
    pub(super) value: Option<Arc<V>>,
    pub(super) version: Option<u64>,
    pub(super) fresh_until: Instant,
    pub(super) stale_until: Instant,
    /// That of the key when it was read.
    pub(super) mark: Mark,
}

/// A failure that is not asked to repeat itself before its time.
pub(super) struct Trouble<E: Error + 'static> {
    pub(super) error: CacheError<E>,
    retry_at: Instant,
    pause: Duration,
}

impl<V, E: Error + 'static> Entry<V, E> {
    pub(super) fn known(answer: Answer<V>) -> Self {
        Self {
            answer: Some(answer),
            trouble: None,
            seen: None,
        }
    }

    /// The same answer as before, if it may still be given, and one failure more.
    pub(super) fn failed(before: Option<Self>, error: CacheError<E>, now: Instant) -> Self {
        let trouble = before.as_ref().and_then(|entry| entry.trouble.as_ref());
        let pause = trouble.map_or(FIRST_PAUSE, |it| (it.pause * 2).min(LONGEST_PAUSE));
        let answer = before.and_then(|entry| entry.answer);
        Self {
            answer: answer.filter(|answer| answer.is_of_use(now) || answer.version.is_some()),
            trouble: Some(Arc::new(Trouble {
                error,
                retry_at: now + pause,
                pause,
            })),
            seen: None,
        }
    }

    /// With an answer from elsewhere, if its own may not be given any more.
    pub(super) fn or_older(self, answer: Answer<V>, now: Instant) -> Self {
        if self.stale(now).is_some() {
            return self;
        }
        let answer = Some(answer);
        Self { answer, ..self }
    }

    /// In the place of another one, unless this one's `version` is too old for that. What was seen
    /// before still counts where the answer has none itself.
    pub(super) fn after(
        mut self,
        before: &Self,
        version: Option<u64>,
        now: Instant,
    ) -> Option<Self> {
        let seen = before.seen(now);
        if seen.is_some_and(|seen| !seen.floor.admits(version)) {
            return None;
        }
        let has_version = self.answer.as_ref().is_some_and(|it| it.version.is_some());
        self.seen = seen.filter(|_| !has_version).map(Arc::new);
        Some(self)
    }

    /// What is left of it when it is forgotten: the version that was seen, if there is one.
    pub(super) fn forgotten(&self, now: Instant) -> Option<Self> {
        let seen = Seen {
            floor: Floor::above(self.floor(now).seen()?),
            until: now + LAG,
        };
        Some(Self {
            answer: None,
            trouble: None,
            seen: Some(Arc::new(seen)),
        })
    }

    /// What may take its place.
    pub(super) fn floor(&self, now: Instant) -> Floor {
        self.seen(now).map_or_else(Floor::default, |it| it.floor)
    }

    fn seen(&self, now: Instant) -> Option<Seen> {
        let answer = self.answer.as_ref();
        let known = answer.and_then(|answer| {
            Some(Seen {
                floor: Floor::at(answer.version?),
                until: answer.stale_until + LAG,
            })
        });
        let seen = known.or_else(|| self.seen.as_deref().copied());
        seen.filter(|seen| now < seen.until)
    }

    pub(super) fn fresh(&self, now: Instant) -> Option<&Answer<V>> {
        self.answer
            .as_ref()
            .filter(|answer| now < answer.fresh_until)
    }

    /// A value that may be given if there is no newer one to be had.
    pub(super) fn stale(&self, now: Instant) -> Option<Arc<V>> {
        let answer = self.answer.as_ref();
        let answer = answer.filter(|answer| answer.is_of_use(now));
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

impl<V> Answer<V> {
    /// Makes it fresh for no longer than that. What can't be stale is not stale after that either.
    pub(super) fn limit(&mut self, fresh_until: Instant) {
        if self.fresh_until == self.stale_until {
            self.stale_until = self.stale_until.min(fresh_until);
        }
        self.fresh_until = self.fresh_until.min(fresh_until);
    }

    /// Lets it stand in for a newer one for no longer than that after it was fresh.
    #[cfg(feature = "redis")]
    pub(super) fn limit_stale(&mut self, stale_for: Duration) {
        self.stale_until = self.stale_until.min(self.fresh_until + stale_for);
    }

    /// Whether it may be given although it is not fresh: it may have been fresh until something was
    /// heard of its key, without ever being one that can be stale.
    fn is_of_use(&self, now: Instant) -> bool {
        now < self.stale_until && self.fresh_until < self.stale_until
    }
}

// Not derived: neither the value nor its error need be `Clone`.
impl<V, E: Error + 'static> Clone for Entry<V, E> {
    fn clone(&self) -> Self {
        Self {
            answer: self.answer.clone(),
            trouble: self.trouble.clone(),
            seen: self.seen.clone(),
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
