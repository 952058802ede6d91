//! The levels of an error with the places they come from.

use core::error;
use core::panic::Location;

use super::sink::Sink;
use crate::fixed::{Fixed, Message};
use crate::raw::ContextRecord;
use crate::{Chain, Error, StdError};

/// How many foreign causes are shown: one that is its own source has no end.
const MAX_FOREIGN: usize = 64;

pub(super) struct Level<'a> {
    pub(super) error: &'a (dyn error::Error + 'static),
    pub(super) at: Option<&'static Location<'static>>,
}

impl Level<'_> {
    /// Writes what it says.
    pub(super) fn write(&self, sink: &mut Sink) {
        write_message(sink, self.error);
    }
}

/// Writes what an error says, without its sources.
pub(super) fn write_message(sink: &mut Sink, error: &(dyn error::Error + 'static)) {
    // Most are texts of ours, which need neither formatting nor care.
    match own_text(error) {
        Some(text) => sink.text(text),
        None => sink.foreign(error),
    }
}

fn own_text<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a str> {
    if let Some(context) = error.downcast_ref::<ContextRecord>() {
        return Some(context.text());
    }
    if let Some(fixed) = error.downcast_ref::<Fixed>() {
        return Some(fixed.message());
    }
    error.downcast_ref::<Message>().map(|message| &*message.0)
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
