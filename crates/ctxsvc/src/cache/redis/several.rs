//! Several keys at once.

use std::fmt::Display;

use super::Codec;
use super::level::{Level, admitted};
use super::named::Named;
use super::wire::{Found, Right, State, There, Wire};
use crate::cache::remote::Asked;
use crate::cache::version::Floor;

/// Names that Redis is asked for at once: it serves one command at a time, and others wait meanwhile.
const AT_ONCE: usize = 1_000;

impl<K, V, C, W> Level<K, V, C, W>
where
    K: Display + Sync,
    V: Send + Sync,
    C: Codec<V>,
    W: Wire,
{
    /// One right for all: what comes of them is told together.
    pub(super) async fn values_or_rights(&self, keys: &[(K, Floor)]) -> Vec<Asked<V>> {
        let right = self.right();
        let mut asked = Vec::with_capacity(keys.len());
        self.wire.listen();
        for keys in keys.chunks(AT_ONCE) {
            asked.extend(self.values_or_right_of(keys, right).await);
        }
        asked
    }

    /// What is there is read first, by a plain command, and if there is nothing the right is taken with
    /// it. Otherwise it is taken after that, for the rest.
    async fn values_or_right_of(&self, keys: &[(K, Floor)], right: Right) -> Vec<Asked<V>> {
        let floors: Vec<_> = keys.iter().map(|(_, floor)| *floor).collect();
        let keys: Vec<_> = keys.iter().map(|(key, _)| self.named(key)).collect();
        let now = self.now();
        let moments: Vec<_> = keys.iter().map(|key| self.before(now, key)).collect();
        let asked = moments.iter().map(|it| Asked::Load(it.since, None));
        let mut asked: Vec<_> = asked.collect();
        let is_askable = |at: &usize| !self.repairs.is_outdated(&keys[*at].text, &self.wire);
        let askable: Vec<_> = (0..keys.len()).filter(is_askable).collect();
        if askable.is_empty() {
            return asked;
        }
        let names: Vec<_> = askable.iter().map(|at| &keys[*at].name[..]).collect();
        let (clock, stored) = match self.wire.read(&names, right).await {
            Ok((clock, Found::Bytes(stored))) => (clock, stored),
            Ok((clock, Found::Nothing)) => {
                for at in askable {
                    let ours = Some(State::Ours(Vec::new()));
                    asked[at] = self.missing(&keys[at], moments[at], clock, right, ours);
                }
                return asked;
            }
            Err(away) => {
                self.not_acquired(&names, right, away);
                return asked;
            }
        };
        let mut missing: [Vec<usize>; 3] = Default::default();
        let [unknown, unreadable, outdated] = &mut missing;
        for (bytes, at) in stored.into_iter().zip(askable) {
            let bytes = bytes.unwrap_or_default();
            let since = moments[at].since;
            if !self.values.is_fresh(&bytes, clock) {
                unknown.push(at);
                continue;
            }
            let text = &keys[at].text;
            let read = self.values.read(text, &bytes, clock, since.mark);
            match admitted(read, floors[at]) {
                Ok(answer) => asked[at] = self.found(since, answer),
                Err(There::Outdated) => outdated.push(at),
                Err(_) => unreadable.push(at),
            }
        }
        let there = [There::Unknown, There::Unreadable, There::Outdated];
        for (places, there) in missing.into_iter().zip(there) {
            let right = Right { there, ..right };
            let keys: Vec<_> = places.iter().map(|at| (&keys[*at], floors[*at])).collect();
            let taken = self.values_or_taken(&keys, right).await;
            for (at, taken) in places.into_iter().zip(taken) {
                asked[at] = taken;
            }
        }
        asked
    }

    /// Another process may have been faster.
    async fn values_or_taken(&self, keys: &[(&Named, Floor)], right: Right) -> Vec<Asked<V>> {
        let now = self.now();
        let moments: Vec<_> = keys.iter().map(|(key, _)| self.before(now, key)).collect();
        let unasked = || {
            moments
                .iter()
                .map(|it| Asked::Load(it.since, None))
                .collect()
        };
        if keys.is_empty() {
            return Vec::new();
        }
        let names: Vec<_> = keys.iter().map(|(key, _)| &key.name[..]).collect();
        let Some((clock, states)) = self.acquire(&names, right).await else {
            return unasked();
        };
        let each = states.into_iter().zip(keys.iter().zip(&moments));
        let asked = each.map(|(state, ((key, floor), before))| {
            let since = before.since;
            let found = match &state {
                State::Fresh(bytes) => self.values.read(&key.text, bytes, clock, since.mark),
                _ => None,
            };
            match found.filter(|answer| floor.admits(answer.version)) {
                Some(answer) => self.found(since, answer),
                None => self.missing(key, *before, clock, right, Some(state)),
            }
        });
        asked.collect()
    }
}
