//! Where a report is written: escaped, bounded, and safe from the `Display` of others.

use core::fmt::{self, Display, Write};
use core::panic::Location;

use super::escape::{self, Target};

/// The most that a report has.
pub(super) const MAX_REPORT_BYTES: usize = 256 * 1024;
/// The most that a report has of one text. Beyond it the text is cut, and says so.
pub(super) const MAX_TEXT_BYTES: usize = 4 * 1024;
/// What has to be left for one more item: a text, a location, and all that stands around them.
const ITEM_BYTES: usize = 2 * MAX_TEXT_BYTES;

/// A writer that every part of a report goes through.
pub(super) struct Sink<'a> {
    out: &'a mut dyn Write,
    left: usize,
    target: Target,
}

impl<'a> Sink<'a> {
    pub(super) fn line(out: &'a mut dyn Write) -> Self {
        Self::new(out, Target::Line)
    }

    pub(super) fn json(out: &'a mut dyn Write) -> Self {
        Self::new(out, Target::Json)
    }

    fn new(out: &'a mut dyn Write, target: Target) -> Self {
        Self {
            out,
            left: MAX_REPORT_BYTES,
            target,
        }
    }

    /// One more item fits. Whoever writes items in a loop asks before each.
    pub(super) fn has_room(&self) -> bool {
        self.left >= ITEM_BYTES
    }

    /// As many whole lines of an escaped text as fit.
    #[cfg(feature = "backtrace")]
    pub(super) fn fitting_lines<'t>(&self, text: &'t str) -> &'t str {
        let room = self.left.saturating_sub(ITEM_BYTES);
        if text.len() <= room {
            return text;
        }
        let end = text.as_bytes()[..room]
            .iter()
            .rposition(|byte| *byte == b'\n');
        &text[..end.unwrap_or_default()]
    }

    /// Writes what this crate has chosen itself, as it is.
    pub(super) fn raw(&mut self, text: &str) -> fmt::Result {
        self.left = self.left.saturating_sub(text.len());
        self.out.write_str(text)
    }

    /// Writes a number or the like, whose `Display` is known to be short and harmless.
    pub(super) fn number(&mut self, number: impl Display) -> fmt::Result {
        write!(Raw(self), "{number}")
    }

    /// Writes `file:line:column`.
    pub(super) fn location(&mut self, at: &Location<'_>) -> fmt::Result {
        self.text(at.file())?;
        self.raw(":")?;
        self.number(at.line())?;
        self.raw(":")?;
        self.number(at.column())
    }

    /// Writes a text, escaped and cut.
    pub(super) fn text(&mut self, text: &str) -> fmt::Result {
        let mut bounded = Bounded::new(self);
        match bounded.write_str(text) {
            Err(_) if bounded.is_cut => self.mark_cut(),
            result => result,
        }
    }

    /// Writes whatever the `Display` of somebody else writes, escaped and cut. It may fail and,
    /// with the feature `std`, panic.
    pub(super) fn foreign(&mut self, value: &dyn Display) -> fmt::Result {
        let mut bounded = Bounded::new(self);
        let outcome = guarded(|| write!(bounded, "{value}"));
        let Bounded {
            is_cut, has_failed, ..
        } = bounded;
        match outcome {
            _ if has_failed => Err(fmt::Error),
            _ if is_cut => self.mark_cut(),
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => self.raw("<display failed>"),
            None => self.raw("<display panicked>"),
        }
    }

    fn mark_cut(&mut self) -> fmt::Result {
        self.raw("… (cut at ")?;
        self.number(MAX_TEXT_BYTES)?;
        self.raw(" bytes)")
    }
}

/// Runs foreign code. `None` says that it panicked.
#[cfg(feature = "std")]
fn guarded<R>(run: impl FnOnce() -> R) -> Option<R> {
    // What may be left half done is the output, and the report goes on after it.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
        // The drop of the payload is foreign code as well.
        .map_err(core::mem::forget)
        .ok()
}

#[cfg(not(feature = "std"))]
#[expect(clippy::unnecessary_wraps, reason = "with `std` it can fail")]
fn guarded<R>(run: impl FnOnce() -> R) -> Option<R> {
    Some(run())
}

/// A `Sink` as a writer of what needs no care.
struct Raw<'s, 'a>(&'s mut Sink<'a>);

impl Write for Raw<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.raw(text)
    }
}

/// A `Sink` as a writer of one text.
struct Bounded<'s, 'a> {
    sink: &'s mut Sink<'a>,
    left: usize,
    /// The text is longer than it may be.
    is_cut: bool,
    /// The writer below does not take any more.
    has_failed: bool,
}

impl<'s, 'a> Bounded<'s, 'a> {
    fn new(sink: &'s mut Sink<'a>) -> Self {
        Self {
            sink,
            left: MAX_TEXT_BYTES,
            is_cut: false,
            has_failed: false,
        }
    }

    /// The longest start of the text that still fits when it is escaped.
    fn fitting<'t>(&self, text: &'t str) -> &'t str {
        let target = self.sink.target;
        let mut left = self.left;
        for (index, character) in text.char_indices() {
            match left.checked_sub(escape::escaped_len(character, target)) {
                Some(rest) => left = rest,
                None => return &text[..index],
            }
        }
        text
    }
}

impl Write for Bounded<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_cut || self.has_failed {
            return Err(fmt::Error);
        }
        // No character needs more than six times its bytes. Counting is for what is near the end.
        let fits = text.len() * 6 <= self.left;
        let fitting = if fits { text } else { self.fitting(text) };
        self.is_cut = fitting.len() < text.len();
        let before = self.sink.left;
        let target = self.sink.target;
        self.has_failed = escape::write(&mut Raw(self.sink), fitting, target).is_err();
        self.left -= before - self.sink.left;
        if self.is_cut || self.has_failed {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
