//! Which characters could do more than stand there.

use core::fmt::{self, Write};

/// What the text goes into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A line for a person.
    Line,
    /// A JSON string.
    Json,
}

/// Writes a text with everything escaped that could end the line, the string or the colour, or
/// turn the direction of what follows.
pub(super) fn write(out: &mut dyn Write, text: &str, target: Target) -> fmt::Result {
    let mut rest = text;
    while let Some(index) = rest.bytes().position(|byte| is_suspect(byte, target)) {
        // A suspect byte is ASCII or the first of a character, so this is a boundary.
        let (fine, suspect) = rest.split_at(index);
        out.write_str(fine)?;
        let Some(character) = suspect.chars().next() else {
            break;
        };
        write_char(out, character, target)?;
        rest = &suspect[character.len_utf8()..];
    }
    out.write_str(rest)
}

/// How many bytes [`write`] makes of a character.
pub(super) fn escaped_len(character: char, target: Target) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting never fails.
    let _ = write_char(&mut count, character, target);
    count.0
}

#[inline]
fn is_suspect(byte: u8, target: Target) -> bool {
    match byte {
        b'"' | b'\\' => target == Target::Json,
        // Beside ASCII, the first byte of U+0080..U+00BF, and of U+2000..U+2FFF.
        0..0x20 | 0x7F | 0xC2 | 0xE2 => true,
        _ => false,
    }
}

fn write_char(out: &mut dyn Write, character: char, target: Target) -> fmt::Result {
    match (character, target) {
        ('\n', _) => out.write_str("\\n"),
        ('\r', _) => out.write_str("\\r"),
        ('\t', _) => out.write_str("\\t"),
        ('"', Target::Json) => out.write_str("\\\""),
        ('\\', Target::Json) => out.write_str("\\\\"),
        (control, Target::Line) if is_control(control) => {
            write!(out, "\\u{{{:x}}}", u32::from(control))
        }
        (control, Target::Json) if is_control(control) => {
            write!(out, "\\u{:04x}", u32::from(control))
        }
        (other, _) => out.write_char(other),
    }
}

/// Control characters, line and paragraph separators, and those that turn the direction.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn nothing_that_could_do_more_than_stand_there_gets_through() {
        for (text, line, json) in [
            ("plain", "plain", "plain"),
            ("", "", ""),
            ("a\nb\r\tc", "a\\nb\\r\\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[31mred", "\\u{1b}[31mred", "\\u001b[31mred"),
            ("\0\u{7f}", "\\u{0}\\u{7f}", "\\u0000\\u007f"),
            ("\u{85}\u{a0}é", "\\u{85}\u{a0}é", "\\u0085\u{a0}é"),
            (
                "\u{202e}\u{2028}…€",
                "\\u{202e}\\u{2028}…€",
                "\\u202e\\u2028…€",
            ),
            ("say \"\\\"", "say \"\\\"", "say \\\"\\\\\\\""),
            ("日本\u{1F600}", "日本\u{1F600}", "日本\u{1F600}"),
        ] {
            for (target, expected) in [(Target::Line, line), (Target::Json, json)] {
                let mut out = String::new();
                write(&mut out, text, target).expect("a String takes everything");
                assert_eq!(out, expected, "{text:?}");
                let len: usize = text.chars().map(|c| escaped_len(c, target)).sum();
                assert_eq!(len, expected.len(), "{text:?}");
            }
        }
    }
}
