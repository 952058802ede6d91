//! One or more of a kind, where one is the usual case and should cost no allocation.

use std::iter::{Chain, Once, once};
use std::slice::Iter;

/// One or more of a kind.
#[derive(Debug, Clone)]
pub(crate) struct Few<T> {
    pub(crate) first: T,
    more: Vec<T>,
}

impl<T> Few<T> {
    pub(crate) fn one(first: T) -> Self {
        Self {
            first,
            more: Vec::new(),
        }
    }

    /// `None` if there are none.
    pub(crate) fn of(mut items: impl Iterator<Item = T>) -> Option<Self> {
        let first = items.next()?;
        let more = items.collect();
        Some(Self { first, more })
    }

    pub(crate) fn iter(&self) -> Chain<Once<&T>, Iter<'_, T>> {
        once(&self.first).chain(&self.more)
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = Chain<Once<&'a T>, Iter<'a, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
