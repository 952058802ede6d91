//! Where a report is written: escaped, bounded, and safe from the `Display` of others.

use alloc::string::String;
use core::fmt::{self, Display, Write};
use core::panic::Location;

use super::escape::{self, Target};
use crate::foreign::guarded;

/// The most that a report has.
pub(super) const MAX_REPORT_BYTES: usize = 256 * 1024;
/// The most that a report has of one text. Beyond it the text is cut, and says so.
pub(super) const MAX_TEXT_BYTES: usize = 4 * 1024;
/// What has to be left for one more item: four texts, which is what a frame has, and all that stands
/// around them.
const ITEM_BYTES: usize = 5 * MAX_TEXT_BYTES;

/// A buffer that every part of a report goes through. It never fails, so that the parts need not
/// either.
pub(super) struct Sink {
    out: String,
    target: Target,
}

impl Sink {
    /// For lines of text.
    pub(super) fn line() -> Self {
        Self {
            out: String::with_capacity(256),
            target: Target::Line,
        }
    }

    /// For JSON, which is seldom shorter.
    pub(super) fn json() -> Self {
        Self {
            out: String::with_capacity(1_024),
            target: Target::Json,
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    /// One more item fits. Whoever writes items in a loop asks before each.
    pub(super) fn has_room(&self) -> bool {
        self.out.len() + ITEM_BYTES <= MAX_REPORT_BYTES
    }

    /// As many whole lines of an escaped text as fit.
    #[cfg(feature = "backtrace")]
    pub(super) fn fitting_lines<'t>(&self, text: &'t str) -> &'t str {
        let room = MAX_REPORT_BYTES.saturating_sub(self.out.len() + ITEM_BYTES);
        if text.len() <= room {
            return text;
        }
        let end = text.as_bytes()[..room]
            .iter()
            .rposition(|byte| *byte == b'\n');
        &text[..end.unwrap_or_default()]
    }

    /// Writes what this crate has chosen itself, as it is.
    #[inline]
    pub(super) fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Writes an integer.
    pub(super) fn integer(&mut self, integer: u64) {
        let mut digits = [b'0'; 20];
        let start = put_before(&mut digits, 20, integer);
        self.ascii(&digits[start..]);
    }

    /// Writes a number or the like, whose `Display` is known to be short and harmless.
    pub(super) fn number(&mut self, number: impl Display) {
        // Writing to a `String` never fails.
        let _ = write!(self.out, "{number}");
    }

    /// Writes `file:line:column`.
    pub(super) fn location(&mut self, at: &Location<'_>) {
        self.text(at.file());
        // Twice a colon and ten digits.
        let mut numbers = [b':'; 22];
        let column = put_before(&mut numbers, 22, at.column().into());
        let line = put_before(&mut numbers, column - 1, at.line().into());
        self.ascii(&numbers[line - 1..]);
    }

    fn ascii(&mut self, bytes: &[u8]) {
        self.raw(str::from_utf8(bytes).unwrap_or_default());
    }

    /// Writes a text, escaped and cut.
    #[inline]
    pub(super) fn text(&mut self, text: &str) {
        if is_short(text, MAX_TEXT_BYTES) {
            escape::write(&mut self.out, text, self.target);
        } else {
            self.long_text(text);
        }
    }

    #[cold]
    fn long_text(&mut self, text: &str) {
        let mut bounded = Bounded::new(self);
        // Nothing fails but for the bound.
        if bounded.write_str(text).is_err() {
            self.mark_cut();
        }
    }

    /// Writes whatever the `Display` of somebody else writes, escaped and cut. It may fail and,
    /// with the feature `std`, panic.
    pub(super) fn foreign(&mut self, value: &dyn Display) {
        let mut bounded = Bounded::new(self);
        let outcome = guarded(|| write!(bounded, "{value}"));
        match outcome {
            _ if bounded.is_cut => self.mark_cut(),
            Some(Ok(())) => {}
            Some(Err(_)) => self.raw("<display failed>"),
            None => self.raw("<display panicked>"),
        }
    }

    fn mark_cut(&mut self) {
        self.raw("… (cut at ");
        self.number(MAX_TEXT_BYTES);
        self.raw(" bytes)");
    }
}

/// The text fits for sure: no character needs more than six times its bytes. Else they are counted.
#[inline]
fn is_short(text: &str, room: usize) -> bool {
    text.len() <= room / 6
}

/// Writes the digits of an integer so that they end before `end`, and returns where they start.
fn put_before(digits: &mut [u8], end: usize, mut integer: u64) -> usize {
    let mut start = end;
    loop {
        start -= 1;
        digits[start] = b"0123456789"[usize::try_from(integer % 10).unwrap_or_default()];
        integer /= 10;
        if integer == 0 {
            return start;
        }
    }
}

/// A `Sink` as a writer of one text.
struct Bounded<'s> {
    sink: &'s mut Sink,
    /// Where the text may end at the latest.
    end: usize,
    /// The text is longer than it may be.
    is_cut: bool,
}

impl<'s> Bounded<'s> {
    fn new(sink: &'s mut Sink) -> Self {
        Self {
            end: sink.out.len() + MAX_TEXT_BYTES,
            sink,
            is_cut: false,
        }
    }

    /// The longest start of the text that still fits when it is escaped.
    #[cold]
    fn fitting<'t>(&self, text: &'t str, mut left: usize) -> &'t str {
        let target = self.sink.target;
        for (index, character) in text.char_indices() {
            match left.checked_sub(escape::escaped_len(character, target)) {
                Some(rest) => left = rest,
                None => return &text[..index],
            }
        }
        text
    }
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_cut {
            return Err(fmt::Error);
        }
        let left = self.end - self.sink.out.len();
        let fitting = if is_short(text, left) {
            text
        } else {
            self.fitting(text, left)
        };
        escape::write(&mut self.sink.out, fitting, self.sink.target);
        self.is_cut = fitting.len() < text.len();
        if self.is_cut { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg_attr(miri, ignore = "it is slow, and nothing here is unsafe")]
    #[test]
    fn the_largest_item_fits_where_there_is_room_for_one() {
        let mut sink = Sink::json();
        sink.raw(&"x".repeat(MAX_REPORT_BYTES - ITEM_BYTES));
        assert!(sink.has_room());
        // A frame has the most texts.
        for member in ["function", "file", "module", "build_id"] {
            sink.raw(",\"");
            sink.raw(member);
            sink.raw("\":\"");
            sink.text(&"y".repeat(MAX_TEXT_BYTES + 1));
            sink.raw("\"");
        }
        for _ in 0..2 {
            sink.raw(",\"a number\":");
            sink.integer(u64::MAX);
        }
        sink.raw("}],\"is_cut\":true}");
        let report = sink.finish();
        assert!(report.len() <= MAX_REPORT_BYTES, "{}", report.len());
    }

    #[cfg_attr(miri, ignore = "it is slow, and nothing here is unsafe")]
    #[test]
    fn a_text_has_its_bound_whatever_is_in_it() {
        const MARK: usize = "… (cut at 4096 bytes)".len();
        for part in ["a", "\0", "\u{85}", "é", "\u{2028}", "\u{1F600}", "\""] {
            for bytes in 1..7 * MAX_TEXT_BYTES / 6 {
                // All lengths around those where something is decided, and some in between.
                let near = |bound: usize| bytes.abs_diff(bound) < 8;
                let is_looked_at =
                    bytes % 97 == 0 || (1..=6).any(|escaped| near(MAX_TEXT_BYTES / escaped));
                if !is_looked_at {
                    continue;
                }
                for mut sink in [Sink::line(), Sink::json()] {
                    sink.text(&part.repeat(bytes / part.len()));
                    let written = sink.finish();
                    let is_cut = written.ends_with("bytes)");
                    let most = MAX_TEXT_BYTES + if is_cut { MARK } else { 0 };
                    assert!(written.len() <= most, "{part:?}, {bytes} bytes");
                }
            }
        }
    }

    #[test]
    fn integers_are_written_as_display_writes_them() {
        for integer in [0, 7, 10, 4_294_967_295, u64::MAX] {
            let mut sink = Sink::line();
            sink.integer(integer);
            sink.raw(" ");
            sink.number(integer);
            let text = sink.finish();
            let (ours, display) = text.split_once(' ').unwrap_or_default();
            assert_eq!(ours, display);
        }
    }
}
