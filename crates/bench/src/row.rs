//! What is compared.

use std::fmt;

use crate::Operation;

/// One workload, done by several contenders.
///
/// A contender is a name and a closure that sets it up, in a process of its own, and returns the
/// [`Operation`] that is then measured. It is told the row's size.
#[derive(Debug)]
pub struct Row {
    pub(crate) name: String,
    pub(crate) sizes: Vec<u64>,
    /// Whether an operation does one unit of work at whichever of the sizes.
    is_level: bool,
    pub(crate) contenders: Vec<Contender>,
}

pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) is_ours: bool,
    pub(crate) make: Box<dyn Fn(u64) -> Box<dyn Operation>>,
}

impl Row {
    /// A row of size 1, without contenders.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            sizes: vec![1],
            is_level: false,
            contenders: Vec::new(),
        }
    }

    /// Makes it a growth row: it is measured at each size, the smallest first. An operation of
    /// size *n* does *n* units of work, and costs are given per unit.
    #[must_use]
    pub fn sizes(mut self, sizes: impl IntoIterator<Item = u64>) -> Self {
        self.sizes = sizes.into_iter().collect();
        self.is_level = false;
        self
    }

    /// Makes it a growth row of another kind: an operation does one unit of work at each of these,
    /// which may be how much there is of something already.
    #[must_use]
    pub fn levels(mut self, levels: impl IntoIterator<Item = u64>) -> Self {
        self.sizes = levels.into_iter().collect();
        self.is_level = true;
        self
    }

    /// How many units of work an operation does.
    pub(crate) fn units(&self, size: u64) -> u64 {
        if self.is_level { 1 } else { size }
    }

    /// Adds our own contender.
    #[must_use]
    pub fn ours<O: Operation + 'static>(
        self,
        name: impl Into<String>,
        make: impl Fn(u64) -> O + 'static,
    ) -> Self {
        self.contender(name.into(), true, make)
    }

    /// Adds somebody else's.
    #[must_use]
    pub fn peer<O: Operation + 'static>(
        self,
        name: impl Into<String>,
        make: impl Fn(u64) -> O + 'static,
    ) -> Self {
        self.contender(name.into(), false, make)
    }

    fn contender<O: Operation + 'static>(
        mut self,
        name: String,
        is_ours: bool,
        make: impl Fn(u64) -> O + 'static,
    ) -> Self {
        self.contenders.push(Contender {
            name,
            is_ours,
            make: Box::new(move |size| Box::new(make(size))),
        });
        self
    }
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender")
            .field("name", &self.name)
            .field("is_ours", &self.is_ours)
            .finish_non_exhaustive()
    }
}

/// A figure that each contender names once, in a process of its own: how many of something are
/// left, lost or held. It shows what a ratio of times does not.
pub struct Fact {
    pub(crate) name: String,
    pub(crate) contenders: Vec<(String, Box<dyn Fn() -> f64>)>,
}

impl Fact {
    /// A fact without contenders. The name says what is counted, and under which conditions.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            contenders: Vec::new(),
        }
    }

    /// Adds a contender.
    #[must_use]
    pub fn of(mut self, name: impl Into<String>, figure: impl Fn() -> f64 + 'static) -> Self {
        self.contenders.push((name.into(), Box::new(figure)));
        self
    }
}

impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fact")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
