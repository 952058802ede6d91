//! A key as Redis and the marks know it.

use super::name::{self, Names};
use crate::cache::marks::Marks;
use crate::cache::remote::Mark;

pub(super) struct Named {
    /// What tells it from other keys.
    pub(super) text: Vec<u8>,
    pub(super) name: Vec<u8>,
    /// Where it has its mark.
    slot: u32,
}

impl Named {
    pub(super) fn new(key: &impl std::fmt::Display, names: &Names, marks: &Marks) -> Self {
        let text = name::text(key);
        let name = names.name(&text);
        let part = names.key_part(&name).unwrap_or_default();
        let slot = marks.slot(part);
        Self { text, name, slot }
    }

    pub(super) fn mark(&self, marks: &Marks) -> Mark {
        marks.mark_of(self.slot)
    }
}
