//! Concurrency: slots that are leased, so that a node that dies gives its own back.

/// At most `slots` leases at once, each of which ends unless it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) slots: u32,
    pub(crate) lease_us: u64,
}

/// Who holds a slot, and until when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Leases {
    /// The order carries no meaning.
    held: Vec<Held>,
}

/// A slot that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    by: u128,
    /// The holder's own: others may take shorter ones of the same slots.
    lease_us: u64,
    ends: u64,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) acquired: bool,
    /// How many are held now, by anybody.
    pub(crate) held: u64,
    /// Until the first of them ends if nobody renews it. 0 when acquired.
    pub(crate) wait_us: u64,
}

impl Slots {
    /// Takes a slot, or renews the one that `id` holds: the same attempt twice is one.
    ///
    /// A lease that ends later than one taken now would do is a step back of the clock, and is
    /// shortened to what its holder would get now.
    pub(crate) fn acquire(&self, leases: &mut Leases, id: u128, now: u64) -> Slot {
        let until = now.saturating_add(self.lease_us);
        leases.held.retain(|held| held.ends > now);
        for held in leases.held.iter_mut().filter(|held| held.ends > until) {
            held.ends = held.ends.min(now.saturating_add(held.lease_us));
        }
        let mut held = leases.held.iter_mut();
        if let Some(held) = held.find(|held| held.by == id) {
            held.ends = until;
        } else if leases.count() >= u64::from(self.slots) {
            return Slot {
                acquired: false,
                held: leases.count(),
                wait_us: leases.first_end().saturating_sub(now),
            };
        } else {
            leases.held.push(Held {
                by: id,
                lease_us: self.lease_us,
                ends: until,
            });
        }
        Slot {
            acquired: true,
            held: leases.count(),
            wait_us: 0,
        }
    }
}

impl Leases {
    /// Gives the slot of `id` back, if it still holds one.
    pub(crate) fn release(&mut self, id: u128) {
        self.held.retain(|held| held.by != id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// When the last lease ends.
    pub(crate) fn last_end(&self) -> u64 {
        let ends = self.held.iter().map(|held| held.ends);
        ends.max().unwrap_or(0)
    }

    fn first_end(&self) -> u64 {
        let ends = self.held.iter().map(|held| held.ends);
        ends.min().unwrap_or(0)
    }

    fn count(&self) -> u64 {
        self.held.len() as u64
    }
}
