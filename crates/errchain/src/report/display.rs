//! `Display` and `Debug` of an error itself.

use core::fmt;

use super::level::levels;
use super::sink::Sink;
use crate::{Audience, Error};

/// `{}` is the outermost level in one line, `{:#}` the whole chain in one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_whole_chain = f.alternate();
        let mut sink = Sink::line(f);
        let mut levels = levels(self);
        if let Some(outermost) = levels.next() {
            sink.foreign(outermost.error)?;
        }
        if !is_whole_chain {
            return Ok(());
        }
        for level in levels {
            if !sink.has_room() {
                return sink.raw(": … (cut)");
            }
            sink.raw(": ")?;
            sink.foreign(level.error)?;
        }
        Ok(())
    }
}

/// The plain report for an operator, which is what a test or `main` prints when it fails.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report().plain().audience(Audience::Operator);
        fmt::Display::fmt(&report, f)
    }
}
