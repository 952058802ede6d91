//! `Display` and `Debug` of an error itself.

use core::fmt;

use super::level::levels;
use super::sink::Sink;
use crate::{Audience, Error};

/// `{}` is the outermost level in one line, `{:#}` the whole chain in one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sink = Sink::line();
        for (index, level) in levels(self).enumerate() {
            if index > 0 {
                sink.raw(": ");
            }
            if !sink.has_room() {
                sink.raw("… (cut)");
                break;
            }
            level.write(&mut sink);
            if !f.alternate() {
                break;
            }
        }
        f.write_str(&sink.finish())
    }
}

/// The plain report for an operator, which is what a test or `main` prints when it fails.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report().plain().audience(Audience::Operator);
        fmt::Display::fmt(&report, f)
    }
}
