//! The level: what is asked of Redis and what its answers are worth.

use std::fmt::{self, Display};
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::Codec;
use super::counts::Counts;
use super::format::Stored;
use super::name::{self, Names};
use super::repairs::Repairs;
use super::values::Values;
use super::wire::{Away, Fill, Right, State, Wire};
use crate::cache::entry::Answer;
use crate::cache::marks::Marks;
use crate::cache::policy::jitter;
use crate::cache::remote::{Asked, Boxed, Clock, Lease, Loaded, Mark, Remote, Since, Told};
use crate::sync::{AtomicUsize, Ordering};

/// Between two looks at what another process loads, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Level<K, V, C, W> {
    pub(super) wire: Arc<W>,
    pub(super) marks: Arc<Marks>,
    names: Names,
    values: Values<C>,
    terms: Terms,
    repairs: Arc<Repairs>,
    counts: Arc<Counts>,
    tokens: Tokens,
    types: PhantomData<fn(K) -> V>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) schema: u32,
    /// For how long the right to load holds.
    pub(super) lease: Duration,
    /// For how long another process is waited for.
    pub(super) lease_wait: Duration,
    /// For what is asked before a load, and for what is told after it.
    pub(super) budget: Duration,
    pub(super) unheard_for: Duration,
    /// For how long Redis keeps a value at the most.
    pub(super) longest_kept: Duration,
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
            values: Values::new(codec, terms.schema, Arc::clone(&counts)),
            // Whoever had the right to load before it was outdated may still fill it.
            repairs: Arc::new(Repairs::new(
                names.clone(),
                terms.longest_kept + terms.lease,
            )),
            names,
            terms,
            counts,
            tokens: Tokens::new(),
            types: PhantomData,
        }
    }

    async fn value_or_right(&self, key: &K) -> Asked<V> {
        let text = name::text(key);
        let names = [self.names.name(&text)];
        let mut right = self.right();
        let give_up = Instant::now() + self.terms.lease_wait;
        let mut pause = FIRST_PAUSE;
        self.wire.listen();
        loop {
            let since = self.since(&text);
            if self.repairs.is_outdated(&text, &self.wire) {
                return Asked::Load(since, None);
            }
            let Some((clock, mut states)) = self.acquire(&names, right).await else {
                return Asked::Load(since, None);
            };
            match states.pop() {
                Some(State::Fresh(bytes)) => {
                    match self.values.read(&text, &bytes, clock, since.mark) {
                        Some(answer) => return self.found(since, answer),
                        None if right.unreadable => return Asked::Load(since, None),
                        None => right.unreadable = true,
                    }
                }
                Some(State::Theirs { left }) if Instant::now() < give_up => {
                    // What they bring is another one.
                    right.unreadable = false;
                    sleep(jittered(pause).min(left)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                other => return self.loading(&text, clock, right, other).await,
            }
        }
    }

    async fn values_or_rights(&self, keys: &[K]) -> Vec<Asked<V>> {
        let texts: Vec<_> = keys.iter().map(name::text).collect();
        let sinces: Vec<_> = texts.iter().map(|text| self.since(text)).collect();
        self.wire.listen();
        let mut asked: Vec<_> = sinces.iter().map(|it| Asked::Load(*it, None)).collect();
        let askable = |at: &usize| !self.repairs.is_outdated(&texts[*at], &self.wire);
        let mut missing: Vec<_> = (0..keys.len()).filter(askable).collect();
        let names = |places: &[usize]| -> Vec<_> {
            let names = places.iter().map(|at| self.names.name(&texts[*at]));
            names.collect()
        };
        let Ok((clock, stored)) = self.wire.read(&names(&missing)).await else {
            self.counts.unanswered();
            return asked;
        };
        let stored = stored.into_iter().zip(std::mem::take(&mut missing));
        for (bytes, at) in stored {
            let bytes = bytes.unwrap_or_default();
            let is_fresh = Stored::read(&bytes).is_some_and(|it| clock.ms < it.fresh_until);
            let answer =
                is_fresh.then(|| self.values.read(&texts[at], &bytes, clock, sinces[at].mark));
            match answer.flatten() {
                Some(answer) => asked[at] = self.found(sinces[at], answer),
                None => missing.push(at),
            }
        }
        if missing.is_empty() {
            return asked;
        }
        let right = self.right();
        let Some((clock, states)) = self.acquire(&names(&missing), right).await else {
            return asked;
        };
        self.heard(clock.asked).await;
        for (state, at) in states.into_iter().zip(missing) {
            let found = match &state {
                State::Fresh(bytes) => self.values.read(&texts[at], bytes, clock, sinces[at].mark),
                _ => None,
            };
            asked[at] = match found {
                Some(answer) => self.found(sinces[at], answer),
                None => self.missing(self.since(&texts[at]), clock, right, Some(state)),
            };
        }
        asked
    }

    async fn acquire(&self, names: &[Vec<u8>], right: Right) -> Option<(Clock, Vec<State>)> {
        match self.wire.acquire(names, right).await {
            Ok(acquired) => Some(acquired),
            Err(away) => {
                self.counts.unanswered();
                if away == Away::Unanswered {
                    for name in names {
                        self.repairs.unused(name, right.token, &self.wire);
                    }
                }
                None
            }
        }
    }

    fn found(&self, since: Since, answer: Answer<V>) -> Asked<V> {
        self.counts.found();
        Asked::Found(since, answer)
    }

    /// The right that was just taken comes back as a change of the key. What is read from the
    /// repository is read after that, so that its mark may be a later one.
    async fn loading(
        &self,
        text: &[u8],
        clock: Clock,
        right: Right,
        state: Option<State>,
    ) -> Asked<V> {
        self.heard(clock.asked).await;
        self.missing(self.since(text), clock, right, state)
    }

    fn missing(&self, since: Since, clock: Clock, right: Right, state: Option<State>) -> Asked<V> {
        self.counts.missing();
        let Some(State::Ours(behind)) = state else {
            return Asked::Load(since, None);
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
        let texts: Vec<_> = loaded.iter().map(|loaded| name::text(loaded.key)).collect();
        let fills = loaded.iter().zip(&texts);
        let fills: Vec<_> = fills.map(|(it, text)| self.to_fill(it, text)).collect();
        let began = Instant::now();
        let Ok(held) = self.wire.fill(token, &fills).await else {
            self.counts.unanswered();
            for fill in fills {
                self.repairs.unused(&fill.name, token, &self.wire);
            }
            return told;
        };
        let mut kept = Vec::new();
        for (at, held) in held.into_iter().enumerate() {
            if !held {
                told[at] = Told::Overtaken;
            } else if !fills[at].value.is_empty() {
                kept.push(at);
            }
        }
        // What was told comes back as a change of the key, which is none for this process.
        if kept.is_empty() || !self.heard(began).await {
            return told;
        }
        let marks: Vec<_> = kept.iter().map(|at| self.since(&texts[*at]).mark).collect();
        let names: Vec<_> = kept.iter().map(|at| fills[*at].name.clone()).collect();
        let tokens = timeout_at(began + self.terms.budget, self.wire.tokens(&names)).await;
        if let Ok(Ok(tokens)) = tokens {
            for ((at, mark), found) in kept.into_iter().zip(marks).zip(tokens) {
                if found == Some(token) {
                    told[at] = Told::Kept(mark);
                }
            }
        }
        told
    }

    /// Waits until it was heard of all changes so far, for what is left of a budget.
    async fn heard(&self, since: Instant) -> bool {
        let heard = timeout_at(since + self.terms.budget, self.wire.heard()).await;
        heard.unwrap_or(false)
    }

    fn to_fill(&self, loaded: &Loaded<'_, K, V>, text: &[u8]) -> Fill {
        let name = self.names.name(text);
        let answer = loaded.answer;
        let kept = answer.map(|it| it.stale_until.saturating_duration_since(Instant::now()));
        // Redis counts in milliseconds.
        let kept = kept.filter(|kept| kept.as_millis() > 0).unwrap_or_default();
        let value = answer.filter(|_| !kept.is_zero());
        let value = value.and_then(|answer| self.values.write(text, answer, &loaded.lease));
        Fill {
            name,
            value: value.unwrap_or_default(),
            kept,
        }
    }

    async fn remove(&self, key: &K) -> bool {
        let text = name::text(key);
        let since = self.repairs.moment();
        let removed = self.wire.remove(&self.names.neighbours(&text)).await;
        if removed.is_ok() {
            self.repairs.told(&text, since);
        } else {
            self.counts.unanswered();
            self.repairs.outdated(text, &self.wire);
        }
        removed.is_ok()
    }

    fn since(&self, text: &[u8]) -> Since {
        let name = self.names.name(text);
        let part = self.names.key_part(&name).unwrap_or_default();
        Since {
            mark: self.marks.mark(part),
            at: Instant::now(),
        }
    }

    fn right(&self) -> Right {
        Right {
            token: self.tokens.next(),
            lasts: self.terms.lease,
            unreadable: false,
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

    fn ask<'a>(&'a self, key: &'a K) -> Boxed<'a, Asked<V>> {
        Box::pin(self.value_or_right(key))
    }

    fn ask_many<'a>(&'a self, keys: &'a [K]) -> Boxed<'a, Vec<Asked<V>>> {
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

    fn forget<'a>(&'a self, key: &'a K) -> Boxed<'a, bool> {
        Box::pin(self.remove(key))
    }

    fn forget_later(&self, key: &K) {
        self.repairs.outdated(name::text(key), &self.wire);
    }
}

impl<K, V, C, W: Wire> fmt::Debug for Level<K, V, C, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("is_heard", &self.wire.is_heard())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

fn jittered(pause: Duration) -> Duration {
    pause + jitter(pause / 2)
}

/// Tokens that no other process makes.
struct Tokens {
    base: u64,
    next: AtomicUsize,
}

impl Tokens {
    fn new() -> Self {
        Self {
            base: RandomState::new().hash_one(0),
            next: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> u128 {
        // ORDERING: Relaxed. It only has to be another one each time.
        let nth = self.next.fetch_add(1, Ordering::Relaxed) as u64;
        u128::from(self.base) << 64 | u128::from(nth)
    }
}
