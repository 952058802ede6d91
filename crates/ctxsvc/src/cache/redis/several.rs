//! Several keys at once.

use std::fmt::Display;

use super::Codec;
use super::level::Level;
use super::named::Named;
use super::wire::{Right, State, Wire};
use crate::cache::remote::Asked;
use crate::cache::version::Floor;

impl<K, V, C, W> Level<K, V, C, W>
where
    K: Display + Sync,
    V: Send + Sync,
    C: Codec<V>,
    W: Wire,
{
    /// What is there is read first, by a plain command. Only for the rest is the right taken.
    pub(super) async fn values_or_rights(&self, keys: &[(K, Floor)]) -> Vec<Asked<V>> {
        let floors: Vec<_> = keys.iter().map(|(_, floor)| *floor).collect();
        let keys: Vec<_> = keys.iter().map(|(key, _)| self.named(key)).collect();
        let sinces: Vec<_> = keys.iter().map(|key| self.since(key)).collect();
        self.wire.listen();
        let mut asked: Vec<_> = sinces.iter().map(|it| Asked::Load(*it, None)).collect();
        let is_askable = |at: &usize| !self.repairs.is_outdated(&keys[*at].text, &self.wire);
        let askable: Vec<_> = (0..keys.len()).filter(is_askable).collect();
        if askable.is_empty() {
            return asked;
        }
        let names: Vec<_> = askable.iter().map(|at| &keys[*at].name[..]).collect();
        let Ok((clock, stored)) = self.wire.read(&names).await else {
            self.counts.unanswered();
            return asked;
        };
        let (mut missing, mut unreadable) = (Vec::new(), Vec::new());
        for (bytes, at) in stored.into_iter().zip(askable) {
            let bytes = bytes.unwrap_or_default();
            if !self.values.is_fresh(&bytes, clock) {
                missing.push(at);
            } else if let Some(answer) = self
                .values
                .read(&keys[at].text, &bytes, clock, sinces[at].mark)
                .filter(|answer| floors[at].admits(answer.version))
            {
                asked[at] = self.found(sinces[at], answer);
            } else {
                unreadable.push(at);
            }
        }
        // One right for all: what comes of them is told together.
        let right = self.right();
        for (places, unreadable) in [(missing, false), (unreadable, true)] {
            let right = Right {
                unreadable,
                ..right
            };
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
        let sinces: Vec<_> = keys.iter().map(|(key, _)| self.since(key)).collect();
        let unasked = || sinces.iter().map(|it| Asked::Load(*it, None)).collect();
        if keys.is_empty() {
            return Vec::new();
        }
        let names: Vec<_> = keys.iter().map(|(key, _)| &key.name[..]).collect();
        let Some((clock, states)) = self.acquire(&names, right).await else {
            return unasked();
        };
        self.heard(clock.asked).await;
        let each = states.into_iter().zip(keys.iter().zip(&sinces));
        let asked = each.map(|(state, ((key, floor), since))| {
            let found = match &state {
                State::Fresh(bytes) => self.values.read(&key.text, bytes, clock, since.mark),
                _ => None,
            };
            match found.filter(|answer| floor.admits(answer.version)) {
                Some(answer) => self.found(*since, answer),
                None => self.missing(self.since(key), clock, right, Some(state)),
            }
        });
        asked.collect()
    }
}
