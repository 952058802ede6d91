//! The seam to a level between the memory and the repository, which processes share.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use super::entry::Answer;
use super::version::Floor;

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a flight asks before it loads, and tells when it has loaded. None of it fails: a level that
/// can't be asked has nothing, and what can't be told is not there.
pub(super) trait Remote<K, V>: fmt::Debug + Send + Sync + 'static {
    /// Whether nothing was heard of the key since.
    fn is_current(&self, mark: Mark) -> bool;

    /// Whether changes are not heard of.
    fn is_unheard(&self) -> bool;

    /// How long what is read may be believed if nobody tells when it changes.
    fn unheard_for(&self) -> Duration;

    /// The value of a key, if the floor admits it, or the right to load it. While another process
    /// has the right, this waits for it.
    fn ask<'a>(&'a self, key: &'a K, floor: Floor) -> Boxed<'a, Asked<V>>;

    /// As `ask`, in one go and without a wait.
    fn ask_many<'a>(&'a self, keys: &'a [(K, Floor)]) -> Boxed<'a, Vec<Asked<V>>>;

    /// The old value behind a lease, for the case that there is no newer one to be had.
    fn behind(&self, key: &K, since: Since, lease: &Lease) -> Option<Answer<V>>;

    /// What the holders of leases have loaded, `None` if nothing.
    fn tell<'a>(&'a self, loaded: Vec<Loaded<'a, K, V>>) -> Boxed<'a, Vec<Told>>;

    /// Forgets a key, but for the highest version that was seen of it, here or there. False if that
    /// could not be done in time: then it is not asked for the key until it was done in the
    /// background.
    fn forget<'a>(&'a self, key: &'a K, seen: Option<u64>) -> Boxed<'a, bool>;

    /// As `forget`, in the background, and is not asked for the key until then.
    fn forget_later(&self, key: &K, seen: Option<u64>);

    /// How many keys are still to be forgotten.
    fn untold(&self) -> usize;

    /// Waits until all are forgotten.
    fn all_told(&self) -> Boxed<'_, ()>;
}

/// The state of what is heard about keys. A key that something was heard about has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) slot: u32,
    pub(super) stamp: u32,
}

impl Mark {
    /// When there is nobody to hear from.
    pub(super) const NONE: Self = Self { slot: 0, stamp: 0 };

    /// That of the same key once one more thing was heard.
    pub(super) fn next(self) -> Self {
        let stamp = self.stamp.wrapping_add(1);
        Self { stamp, ..self }
    }
}

/// The moment from which on something was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    pub(super) mark: Mark,
    pub(super) at: Instant,
    /// The mark before that, as long as what this process has done itself was not heard.
    before: Option<Mark>,
}

impl Since {
    pub(super) fn new(mark: Mark, at: Instant) -> Self {
        let before = None;
        Self { mark, at, before }
    }

    /// From when on something is read after this process has changed the key, which will be heard.
    /// What another one has changed in the same moment is heard with it, in one, and was there
    /// before the read.
    pub(super) fn after_own_change(self) -> Self {
        Self {
            mark: self.mark.next(),
            before: Some(self.mark),
            ..self
        }
    }

    /// Whether nothing else was heard of the key.
    pub(super) fn is_current(self, is_current: impl Fn(Mark) -> bool) -> bool {
        is_current(self.mark) || self.before.is_some_and(is_current)
    }
}

pub(super) enum Asked<V> {
    Found(Since, Answer<V>),
    /// It has to be loaded. Without a lease, what comes of it is not told.
    Load(Since, Option<Lease>),
    /// As without a lease, because another one has it, who may know of a newer version.
    Theirs(Since),
}

/// The right to load a key and tell what it is, until it is forgotten or another one has the right.
pub(super) struct Lease {
    pub(super) token: u128,
    pub(super) clock: Clock,
    /// What it was before, as it is stored.
    pub(super) behind: Vec<u8>,
}

/// The clock of the level, as it was when it was asked. Between the two there is no other: a
/// lifetime is never longer than was said by whatever it took to hear of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) ms: u64,
    pub(super) asked: Instant,
    pub(super) answered: Instant,
}

impl Clock {
    pub(super) fn here(self, ms: u64) -> Instant {
        // What is beyond the clock is as good as for ever, and a century is.
        let left = ms.saturating_sub(self.ms).min(100 * 365 * 86_400_000);
        self.asked + Duration::from_millis(left)
    }

    pub(super) fn there(self, at: Instant) -> u64 {
        let left = at.saturating_duration_since(self.answered).as_millis();
        self.ms
            .saturating_add(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

pub(super) struct Loaded<'a, K, V> {
    pub(super) key: &'a K,
    pub(super) lease: Lease,
    pub(super) answer: Option<Answer<V>>,
}

/// What has become of what was told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    /// It is there, and nothing else was heard of the key up to then.
    Kept(Mark),
    /// The right was given back, because the value can't be there. Nothing else was heard of the key
    /// up to then.
    Unkept(Mark),
    /// The lease was over, because the key was forgotten or another one was faster; or what was
    /// told is too old.
    Overtaken,
    /// Nobody knows: it may not be there, so that it is not told when it changes.
    Unknown,
}
