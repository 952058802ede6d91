//! Several keys at once.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use super::table::Joined;
use super::{CacheError, Cached, Hit, Load, Seen, Source, hit};
use crate::Ctx;

impl<L: Load> Cached<L> {
    /// The values of several keys. What is not in the map does not exist.
    ///
    /// What is not remembered, and is not being loaded already, is loaded by one call of
    /// [`Load::load_many`].
    ///
    /// # Errors
    ///
    /// A [`CacheError`], if one of the keys has one. What was loaded for the others is remembered.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// As [`get`](Self::get).
    pub async fn get_many(
        &self,
        ctx: &Ctx,
        keys: &[L::Key],
    ) -> Result<HashMap<L::Key, Hit<L::Value>>, CacheError<L::Error>> {
        ctx.check()?;
        let now = Instant::now();
        let (mut found, mut asked) = (HashMap::with_capacity(keys.len()), HashSet::new());
        let mut missing = Vec::new();
        for key in keys.iter().filter(|key| asked.insert(*key)) {
            match self.look(key, now) {
                Seen::Answer(answer) => {
                    self.shared.meter.answered(&answer, Source::Memory);
                    found.extend(answer?.map(|hit| (key.clone(), hit)));
                }
                Seen::Missing(stale, patience) => missing.push((key, stale, patience)),
            }
        }
        // From here to the load nothing returns: a flight that is registered has to land.
        let (mut flying, mut ours) = (Vec::new(), Vec::new());
        for (key, stale, patience) in missing {
            let flight = match self.join(key, now) {
                Joined::Known(answer) => {
                    let answer = Ok(hit(&answer, Source::Memory));
                    let meter = &self.shared.meter;
                    meter.answered::<_, L::Error>(&answer, Source::Memory);
                    found.extend(answer.ok().flatten().map(|hit| (key.clone(), hit)));
                    continue;
                }
                Joined::Theirs(flight) => flight,
                Joined::Ours(flight) => {
                    ours.push((key.clone(), flight.clone()));
                    flight
                }
            };
            flying.push((key, flight, stale, patience));
        }
        if !ours.is_empty() {
            self.shared.load_many(ctx, &ours);
        }
        for (key, flight, stale, patience) in flying {
            let answer = self.wait(ctx, &flight, stale, patience).await;
            self.shared.meter.answered(&answer, Source::Origin);
            found.extend(answer?.map(|hit| (key.clone(), hit)));
        }
        Ok(found)
    }
}
