//! The levels of an error with the places they come from.

use core::error;
use core::panic::Location;

use crate::raw::ContextRecord;
use crate::{Chain, Error, StdError};

/// How many foreign causes are shown: one that is its own source has no end.
const MAX_FOREIGN: usize = 64;

pub(super) struct Level<'a> {
    pub(super) error: &'a (dyn error::Error + 'static),
    pub(super) at: Option<&'static Location<'static>>,
}

/// All levels, outermost first.
pub(super) fn levels(error: &Error) -> impl Iterator<Item = Level<'_>> {
    Levels {
        chain: error.chain(),
        root_at: Some(error.location()),
        foreign_left: MAX_FOREIGN,
    }
}

struct Levels<'a> {
    chain: Chain<'a>,
    /// Where the root that comes next was taken over.
    root_at: Option<&'static Location<'static>>,
    foreign_left: usize,
}

impl<'a> Iterator for Levels<'a> {
    type Item = Level<'a>;

    fn next(&mut self) -> Option<Level<'a>> {
        let error = self.chain.next()?;
        let mut outermost = error;
        if let Some(nested) = error.downcast_ref::<StdError>() {
            // It stands for its own outermost level, and its root is still to come.
            outermost = nested.as_error().as_std();
            self.root_at = Some(nested.as_error().location());
        }
        if let Some(context) = outermost.downcast_ref::<ContextRecord>() {
            let at = Some(context.at());
            return Some(Level { error, at });
        }
        self.foreign_left = self.foreign_left.checked_sub(1)?;
        let at = self.root_at.take();
        Some(Level { error, at })
    }
}
