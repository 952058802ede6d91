//! A bounded map that forgets by itself: what memory, the deny cache and local shares stand on.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashTable;

use crate::sync::{Mutex, MutexGuard, lock};

/// A lock for each part, so that keys rarely wait for each other. A power of two.
const SHARDS: usize = 64;

/// Entries looked at for each new one, to drop what has expired. With two for one the table
/// shrinks faster than it grows.
const LOOKS: usize = 2;

/// Entries among which the one is chosen that goes when the table is full.
const CANDIDATES: usize = 8;

/// A policy's name and a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Id<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: &'a [u8],
}

/// Where an id belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shard: usize,
    hash: u64,
}

/// Keys are chosen by strangers, so they are hashed with a secret (`RandomState`).
pub(crate) struct Table<V> {
    hasher: RandomState,
    shards: Box<[Mutex<Shard<V>>]>,
}

pub(crate) struct Shard<V> {
    /// Indices of `entries`.
    index: HashTable<usize>,
    entries: Vec<Entry<V>>,
    /// The entry to look at next.
    cursor: usize,
    capacity: usize,
    forgotten: u64,
}

struct Entry<V> {
    hash: u64,
    name_len: usize,
    /// The name and the key, in one allocation.
    id: Box<[u8]>,
    expires: u64,
    value: V,
}

impl<V> Table<V> {
    /// For at least `capacity` entries, and never more than one per shard above that.
    pub(crate) fn new(capacity: usize) -> Self {
        Self::with_hasher(capacity, RandomState::new())
    }

    pub(crate) fn with_hasher(capacity: usize, hasher: RandomState) -> Self {
        let shard = || Shard {
            index: HashTable::new(),
            entries: Vec::new(),
            cursor: 0,
            capacity: capacity.div_ceil(SHARDS).max(1),
            forgotten: 0,
        };
        Self {
            hasher,
            shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(),
        }
    }

    #[inline]
    pub(crate) fn locate(&self, id: Id<'_>) -> Place {
        // The key is a stranger's and goes through the secret hash; names are ours.
        let mut hasher = self.hasher.build_hasher();
        hasher.write(id.key);
        let hash = hasher.finish() ^ folded(id.name);
        Place {
            // Bits of the middle: the map inside the shard finds a group by the lower ones, and an
            // entry in it by the seven upper ones.
            shard: usize::try_from((hash >> 48) & (SHARDS as u64 - 1)).expect("below SHARDS"),
            hash,
        }
    }

    #[inline]
    pub(crate) fn lock(&self, place: Place) -> MutexGuard<'_, Shard<V>> {
        // What a panic leaves behind is a whole entry or none: the table calls no foreign code.
        lock(&self.shards[place.shard])
    }

    /// How many entries are kept, expired ones included.
    pub(crate) fn len(&self) -> usize {
        self.sum(|shard| shard.entries.len())
    }

    /// How many entries had to go before they expired, because the table was full.
    pub(crate) fn forgotten(&self) -> u64 {
        self.sum(|shard| shard.forgotten)
    }

    fn sum<N: std::iter::Sum>(&self, count: impl Fn(&Shard<V>) -> N) -> N {
        let shards = self.shards.iter();
        shards.map(|shard| count(&lock(shard))).sum()
    }
}

/// FNV-1a.
fn folded(name: &str) -> u64 {
    let fold = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, fold)
}

// Not derived: it holds the users' keys.
impl<V> fmt::Debug for Table<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("entries", &self.len())
            .finish_non_exhaustive()
    }
}

impl<V> Shard<V> {
    /// The value, unless it has expired.
    pub(crate) fn find(&mut self, place: Place, id: Id<'_>, now: u64) -> Option<&mut V> {
        self.find_until(place, id, now).map(|(value, _)| value)
    }

    /// The value and when it expires, unless it has.
    #[inline]
    pub(crate) fn find_until(
        &mut self,
        place: Place,
        id: Id<'_>,
        now: u64,
    ) -> Option<(&mut V, &mut u64)> {
        let index = self.position(place, id)?;
        let entry = &mut self.entries[index];
        (entry.expires > now).then_some((&mut entry.value, &mut entry.expires))
    }

    /// Sets the value until `expires`.
    pub(crate) fn put(&mut self, place: Place, id: Id<'_>, value: V, expires: u64, now: u64) {
        if let Some(index) = self.position(place, id) {
            let entry = &mut self.entries[index];
            entry.value = value;
            entry.expires = expires;
        } else {
            self.insert(place, id, value, expires, now);
        }
    }

    fn insert(&mut self, place: Place, id: Id<'_>, value: V, expires: u64, now: u64) {
        self.make_room(now);
        let index = self.entries.len();
        self.entries.push(Entry {
            hash: place.hash,
            name_len: id.name.len(),
            id: [id.name.as_bytes(), id.key].concat().into_boxed_slice(),
            expires,
            value,
        });
        let entries = &self.entries;
        self.index
            .insert_unique(place.hash, index, |index| entries[*index].hash);
    }

    pub(crate) fn remove(&mut self, place: Place, id: Id<'_>) {
        if let Some(index) = self.position(place, id) {
            self.remove_at(index);
        }
    }

    #[inline]
    fn position(&self, place: Place, id: Id<'_>) -> Option<usize> {
        let is_it = |index: &usize| self.entries[*index].is(place, id);
        self.index.find(place.hash, is_it).copied()
    }

    /// Drops some of what has expired, and if nothing has and the shard is full, the one of a
    /// few that would expire first: it has the least to remember.
    fn make_room(&mut self, now: u64) {
        for _ in 0..LOOKS {
            let index = self.next_look();
            if self
                .entries
                .get(index)
                .is_some_and(|entry| entry.expires <= now)
            {
                self.remove_at(index);
            }
        }
        if self.entries.len() < self.capacity {
            return;
        }
        let candidates = (0..CANDIDATES)
            .map(|_| self.next_look())
            .collect::<Vec<_>>();
        let first = candidates
            .into_iter()
            .min_by_key(|index| self.entries[*index].expires);
        if let Some(index) = first {
            self.forgotten += u64::from(self.entries[index].expires > now);
            self.remove_at(index);
        }
    }

    /// Makes room without forgetting what still counts. An error says when there will be some.
    pub(crate) fn room_without_loss(&mut self, now: u64) -> Result<(), u64> {
        if self.entries.len() < self.capacity {
            return Ok(());
        }
        let entries = self.entries.iter().enumerate();
        let first = entries.min_by_key(|(_, entry)| entry.expires);
        match first.map(|(index, entry)| (index, entry.expires)) {
            Some((_, expires)) if expires > now => Err(expires),
            Some((index, _)) => {
                self.remove_at(index);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn next_look(&mut self) -> usize {
        self.cursor = if self.cursor + 1 < self.entries.len() {
            self.cursor + 1
        } else {
            0
        };
        self.cursor
    }

    /// The last entry takes the place of the one that goes, and the index follows it.
    fn remove_at(&mut self, index: usize) {
        let last = self.entries.len() - 1;
        let removed = self.entries.swap_remove(index);
        if let Ok(slot) = self.index.find_entry(removed.hash, |other| *other == index) {
            slot.remove();
        }
        if let Some(moved) = self.entries.get(index)
            && let Some(slot) = self.index.find_mut(moved.hash, |other| *other == last)
        {
            *slot = index;
        }
    }
}

impl<V: Copy> Shard<V> {
    /// What is kept, expired or not, and until when it counts.
    #[cfg(feature = "redis")]
    pub(crate) fn kept(&self, place: Place, id: Id<'_>) -> Option<(V, u64)> {
        let entry = &self.entries[self.position(place, id)?];
        Some((entry.value, entry.expires))
    }

    /// Sets what `change` makes of the value, and until when, in one look-up. It returns something
    /// beside.
    #[inline]
    pub(crate) fn change<T>(
        &mut self,
        place: Place,
        id: Id<'_>,
        now: u64,
        change: impl FnOnce(Option<V>) -> (T, Option<(V, u64)>),
    ) -> T {
        let Some(index) = self.position(place, id) else {
            let (output, changed) = change(None);
            if let Some((value, expires)) = changed {
                self.insert(place, id, value, expires, now);
            }
            return output;
        };
        let entry = &mut self.entries[index];
        let (output, changed) = change((entry.expires > now).then_some(entry.value));
        if let Some((value, expires)) = changed {
            entry.value = value;
            entry.expires = expires;
        }
        output
    }
}

impl<V> Entry<V> {
    fn is(&self, place: Place, id: Id<'_>) -> bool {
        let (name, key) = self.id.split_at(self.name_len);
        self.hash == place.hash && key == id.key && name == id.name.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(key: &[u8]) -> Id<'_> {
        Id { name: "p", key }
    }

    fn put(table: &Table<u32>, key: u32, expires: u64, now: u64) {
        let bytes = key.to_le_bytes();
        let place = table.locate(id(&bytes));
        table.lock(place).put(place, id(&bytes), key, expires, now);
    }

    fn find(table: &Table<u32>, key: u32, now: u64) -> Option<u32> {
        let bytes = key.to_le_bytes();
        let place = table.locate(id(&bytes));
        table.lock(place).find(place, id(&bytes), now).copied()
    }

    #[test]
    fn what_is_put_is_found_until_it_expires_or_is_removed() {
        let table = Table::new(10_000);
        (0..5_000).for_each(|key| put(&table, key, 10, 0));
        assert!((0..5_000).all(|key| find(&table, key, 9) == Some(key)));
        assert!((0..5_000).all(|key| find(&table, key, 10).is_none()));

        for key in (0..5_000_u32).step_by(2) {
            let bytes = key.to_le_bytes();
            let place = table.locate(id(&bytes));
            table.lock(place).remove(place, id(&bytes));
        }
        assert!((0..5_000).all(|key| find(&table, key, 9).is_some() == (key % 2 == 1)));
    }

    #[test]
    fn a_full_table_keeps_its_bound_and_counts_what_it_forgets() {
        let table = Table::new(640);
        (0..20_000).for_each(|key| put(&table, key, u64::MAX, 0));
        assert!(table.len() <= 640, "{}", table.len());
        assert_eq!(table.forgotten(), 20_000 - table.len() as u64);
    }

    #[test]
    fn what_has_expired_makes_room_by_itself_and_is_not_counted() {
        let table = Table::new(1_000_000);
        for now in 0..100_000_u32 {
            put(&table, now, u64::from(now) + 100, u64::from(now));
        }
        assert!(table.len() < 5_000, "{}", table.len());
        assert_eq!(table.forgotten(), 0);
    }

    #[test]
    fn an_entry_of_the_memory_store_is_no_larger_than_its_documentation_says() {
        // Beside it the name and the key, and their place in the index: some 150 bytes in all.
        assert!(size_of::<Entry<crate::core::Stored>>() <= 104);
    }

    #[test]
    fn the_entries_of_a_shard_differ_in_what_its_map_tells_them_apart_by() {
        let table = Table::<u32>::new(10_000);
        let places = (0..5_000_u32).map(|key| table.locate(id(&key.to_le_bytes())));
        let tags: std::collections::HashSet<_> = places
            .filter(|place| place.shard == 0)
            .map(|place| place.hash >> 57)
            .collect();
        assert!(tags.len() > 20, "{tags:?}");
    }

    #[test]
    fn a_name_and_a_key_do_not_run_into_each_other() {
        let table = Table::new(100);
        let (a, b) = (
            Id {
                name: "ab",
                key: b"c",
            },
            Id {
                name: "a",
                key: b"bc",
            },
        );
        let place = table.locate(a);
        table.lock(place).put(place, a, 1, 10, 0);
        let place = table.locate(b);
        assert_eq!(table.lock(place).find(place, b, 0), None);
    }
}
