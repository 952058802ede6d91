//! The level: what is asked of Redis and what its answers are worth.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::Codec;
use super::counts::Counts;
use super::name::{self, Names};
use super::named::Named;
use super::repairs::Repairs;
use super::terms::Terms;
use super::tokens::Tokens;
use super::values::Values;
use super::wire::{Away, Fill, Right, State, There, Wire};
use crate::cache::entry::Answer;
use crate::cache::marks::Marks;
use crate::cache::policy::jitter;
use crate::cache::remote::{Asked, Boxed, Clock, Lease, Loaded, Mark, Remote, Since, Told};
use crate::cache::version::{Floor, LAG};

/// Between two looks at what another process loads, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Level<K, V, C, W> {
    pub(super) wire: Arc<W>,
    pub(super) marks: Arc<Marks>,
    names: Names,
    pub(super) values: Values<C>,
    terms: Terms,
    pub(super) repairs: Arc<Repairs>,
    pub(super) counts: Arc<Counts>,
    tokens: Tokens,
    types: PhantomData<fn(K) -> V>,
}

/// Whether changes are heard of. What is asked of a key later has a mark from after that.
#[derive(Clone, Copy)]
pub(super) struct Now {
    is_heard: bool,
    at: Instant,
}

/// The moment before a key is asked for.
#[derive(Clone, Copy)]
pub(super) struct Before {
    pub(super) since: Since,
    is_heard: bool,
}

impl<K, V, C, W> Level<K, V, C, W>
where
    K: Display + Sync,
    V: Send + Sync,
    C: Codec<V>,
    W: Wire,
{
    pub(super) fn new(
        wire: Arc<W>,
        marks: Arc<Marks>,
        names: Names,
        codec: C,
        terms: Terms,
    ) -> Self {
        let counts = Arc::new(Counts::default());
        Self {
            wire,
            marks,
            values: Values::new(codec, &terms, Arc::clone(&counts)),
            repairs: Arc::new(Repairs::new(names.clone(), terms.longest_kept())),
            names,
            terms,
            counts,
            tokens: Tokens::new(),
            types: PhantomData,
        }
    }

    async fn value_or_right(&self, key: &K, floor: Floor) -> Asked<V> {
        let key = self.named(key);
        let mut right = self.right();
        let give_up = Instant::now() + self.terms.lease_wait;
        let mut pause = FIRST_PAUSE;
        self.wire.listen();
        loop {
            let before = self.before(self.now(), &key);
            let since = before.since;
            if self.repairs.is_outdated(&key.text, &self.wire) {
                return Asked::Load(since, None);
            }
            let Some((clock, mut states)) = self.acquire(&[&key.name], right).await else {
                return Asked::Load(since, None);
            };
            match states.pop() {
                Some(State::Fresh(bytes)) => {
                    let read = self.values.read(&key.text, &bytes, clock, since.mark);
                    match admitted(read, floor) {
                        Ok(answer) => return self.found(since, answer),
                        Err(_) if right.there != There::Unknown => return Asked::Load(since, None),
                        Err(there) => right.there = there,
                    }
                }
                Some(State::Theirs { left }) if Instant::now() < give_up => {
                    // What they bring is another one.
                    right.there = There::Unknown;
                    sleep(jittered(pause).min(left)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                other => return self.missing(&key, before, clock, right, other),
            }
        }
    }

    pub(super) async fn acquire(
        &self,
        names: &[&[u8]],
        right: Right,
    ) -> Option<(Clock, Vec<State>)> {
        match self.wire.acquire(names, right).await {
            Ok(acquired) => Some(acquired),
            Err(away) => {
                self.not_acquired(names, right, away);
                None
            }
        }
    }

    /// Nobody knows whether the right was taken.
    pub(super) fn not_acquired(&self, names: &[&[u8]], right: Right, away: Away) {
        self.counts.unanswered();
        if away == Away::Unanswered {
            for name in names {
                self.repairs.unused(name, right.token, &self.wire);
            }
        }
    }

    pub(super) fn found(&self, since: Since, answer: Answer<V>) -> Asked<V> {
        self.counts.found();
        Asked::Found(since, answer)
    }

    pub(super) fn missing(
        &self,
        key: &Named,
        before: Before,
        clock: Clock,
        right: Right,
        state: Option<State>,
    ) -> Asked<V> {
        self.counts.missing();
        let behind = match state {
            Some(State::Ours(behind)) => behind,
            Some(State::Theirs { .. }) => return Asked::Theirs(self.since(key)),
            _ => return Asked::Load(self.since(key), None),
        };
        // That the right was taken will be heard as a change of the key, if changes were heard of before.
        let since = if before.is_heard {
            before.since.after_own_change()
        } else {
            self.since(key)
        };
        let token = right.token;
        let lease = Lease {
            token,
            clock,
            behind,
        };
        Asked::Load(since, Some(lease))
    }

    async fn fill(&self, loaded: Vec<Loaded<'_, K, V>>) -> Vec<Told> {
        let mut told = vec![Told::Unknown; loaded.len()];
        let Some(token) = loaded.first().map(|loaded| loaded.lease.token) else {
            return told;
        };
        let keys: Vec<_> = loaded.iter().map(|it| self.named(it.key)).collect();
        let fills = loaded.iter().zip(&keys);
        let fills: Vec<_> = fills.map(|(it, key)| self.to_fill(it, key)).collect();
        let marks = || keys.iter().map(|key| key.mark(&self.marks));
        let before: Vec<_> = marks().collect();
        let began = Instant::now();
        let Ok(held) = self.wire.fill(token, &fills).await else {
            self.counts.unanswered();
            for fill in fills {
                self.repairs.unused(fill.name, token, &self.wire);
            }
            return told;
        };
        let (mut kept, mut unkept) = (Vec::new(), Vec::new());
        for (at, held) in held.into_iter().enumerate() {
            if !held {
                told[at] = Told::Overtaken;
            } else if !fills[at].value.is_empty() {
                kept.push(at);
            } else if loaded[at].answer.is_some() {
                unkept.push(at);
            }
        }
        // What was told comes back as a change of the key, which is none for this process.
        if kept.is_empty() && unkept.is_empty() || !self.heard(began).await {
            return told;
        }
        let marks: Vec<_> = marks().collect();
        for at in unkept {
            // Nothing has come before the fill, since the right still held, and nothing was heard after
            // it. What another one has done in the same turn of Redis is told in one with the fill:
            // for that, such an answer is not believed for long.
            if marks[at] == before[at].next() {
                told[at] = Told::Unkept(marks[at]);
            }
        }
        if kept.is_empty() {
            return told;
        }
        let names: Vec<_> = kept.iter().map(|at| fills[*at].name).collect();
        let tokens = timeout_at(began + self.terms.budget, self.wire.tokens(&names)).await;
        if let Ok(Ok(tokens)) = tokens {
            for (at, found) in kept.into_iter().zip(tokens) {
                if found == Some(token) {
                    told[at] = Told::Kept(marks[at]);
                }
            }
        }
        told
    }

    /// Waits until it was heard of all changes so far, for what is left of a budget.
    pub(super) async fn heard(&self, since: Instant) -> bool {
        let heard = timeout_at(since + self.terms.budget, self.wire.heard()).await;
        heard.unwrap_or(false)
    }

    fn to_fill<'a>(&self, loaded: &Loaded<'_, K, V>, key: &'a Named) -> Fill<'a> {
        let answer = loaded.answer.as_ref();
        // A version counts for longer than its value.
        let counts = |it: &Answer<V>| it.version.map_or(it.stale_until, |_| it.stale_until + LAG);
        let kept = answer.map(|it| counts(it).saturating_duration_since(Instant::now()));
        // Redis counts in milliseconds.
        let kept = kept.filter(|kept| kept.as_millis() > 0).unwrap_or_default();
        let value = answer.filter(|_| !kept.is_zero());
        let value = value.and_then(|answer| self.values.write(&key.text, answer, &loaded.lease));
        Fill {
            name: &key.name,
            value: value.unwrap_or_default(),
            kept,
        }
    }

    async fn forgotten(&self, key: &K, seen: Option<u64>) -> bool {
        let text = name::text(key);
        let since = self.repairs.moment();
        let names = self.names.neighbours(&text).into_iter();
        let names: Vec<_> = names.map(|name| (name, seen)).collect();
        let forgotten = self.wire.forget(&names).await;
        if forgotten.is_ok() {
            self.repairs.told(&[text], since);
        } else {
            self.counts.unanswered();
            self.repairs.outdated(text, seen, &self.wire);
        }
        forgotten.is_ok()
    }

    pub(super) fn named(&self, key: &K) -> Named {
        Named::new(key, &self.names, &self.marks)
    }

    pub(super) fn since(&self, key: &Named) -> Since {
        Since::new(key.mark(&self.marks), Instant::now())
    }

    /// Now, of whatever key.
    pub(super) fn now(&self) -> Now {
        let (is_heard, at) = (self.wire.is_heard(), Instant::now());
        Now { is_heard, at }
    }

    pub(super) fn before(&self, now: Now, key: &Named) -> Before {
        let since = Since::new(key.mark(&self.marks), now.at);
        let is_heard = now.is_heard;
        Before { since, is_heard }
    }

    pub(super) fn right(&self) -> Right {
        Right {
            token: self.tokens.next(),
            lasts: self.terms.lease,
            there: There::Unknown,
            bounds: self.terms.bounds,
        }
    }
}

impl<K, V, C, W> Remote<K, V> for Level<K, V, C, W>
where
    K: Display + Sync + 'static,
    V: Send + Sync + 'static,
    C: Codec<V>,
    W: Wire,
{
    fn is_current(&self, mark: Mark) -> bool {
        self.marks.is_current(mark)
    }

    fn is_unheard(&self) -> bool {
        !self.wire.is_heard()
    }

    fn unheard_for(&self) -> Duration {
        self.terms.unheard_for
    }

    fn ask<'a>(&'a self, key: &'a K, floor: Floor) -> Boxed<'a, Asked<V>> {
        Box::pin(self.value_or_right(key, floor))
    }

    fn ask_many<'a>(&'a self, keys: &'a [(K, Floor)]) -> Boxed<'a, Vec<Asked<V>>> {
        Box::pin(self.values_or_rights(keys))
    }

    fn behind(&self, key: &K, since: Since, lease: &Lease) -> Option<Answer<V>> {
        if lease.behind.is_empty() {
            return None;
        }
        let text = name::text(key);
        self.values
            .read(&text, &lease.behind, lease.clock, since.mark)
    }

    fn tell<'a>(&'a self, loaded: Vec<Loaded<'a, K, V>>) -> Boxed<'a, Vec<Told>> {
        Box::pin(self.fill(loaded))
    }

    fn forget<'a>(&'a self, key: &'a K, seen: Option<u64>) -> Boxed<'a, bool> {
        Box::pin(self.forgotten(key, seen))
    }

    fn forget_later(&self, key: &K, seen: Option<u64>) {
        self.repairs.outdated(name::text(key), seen, &self.wire);
    }

    fn untold(&self) -> usize {
        self.repairs.untold()
    }

    fn all_told(&self) -> Boxed<'_, ()> {
        Box::pin(self.repairs.all_told(&self.wire))
    }
}

impl<K, V, C, W: Wire> fmt::Debug for Level<K, V, C, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("is_heard", &self.wire.is_heard())
            .field("untold", &self.repairs.untold())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// What was read, if it is of use to who has seen no newer one.
pub(super) fn admitted<V>(read: Option<Answer<V>>, floor: Floor) -> Result<Answer<V>, There> {
    let answer = read.ok_or(There::Unreadable)?;
    let is_admitted = floor.admits(answer.version);
    is_admitted.then_some(answer).ok_or(There::Outdated)
}

fn jittered(pause: Duration) -> Duration {
    pause + jitter(pause / 2)
}
