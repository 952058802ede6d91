//! Which characters could do more than stand there.

use alloc::string::String;
use core::fmt::Write as _;

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
pub(super) fn write(out: &mut String, text: &str, target: Target) {
    let mut rest = text;
    while let Some(index) = first_suspect(rest.as_bytes(), target) {
        // A suspect byte is ASCII or the first of a character, so this is a boundary.
        let (fine, suspect) = rest.split_at(index);
        out.push_str(fine);
        let Some(character) = suspect.chars().next() else {
            break;
        };
        write_char(out, character, target);
        rest = &suspect[character.len_utf8()..];
    }
    out.push_str(rest);
}

/// How many bytes [`write`] makes of a character.
pub(super) fn escaped_len(character: char, target: Target) -> usize {
    let mut escaped = String::new();
    write_char(&mut escaped, character, target);
    escaped.len()
}

/// Where the first character begins that may need an escape. Eight bytes at a time, because most
/// texts have none.
fn first_suspect(bytes: &[u8], target: Target) -> Option<usize> {
    let is_clean = |chunk: &[u8; 8]| !has_suspect(u64::from_le_bytes(*chunk), target);
    let (chunks, rest) = bytes.as_chunks();
    let clean = 8 * chunks.iter().take_while(|chunk| is_clean(chunk)).count();
    // The last eight bytes, some of them for the second time, are what is left of most texts.
    let is_rest = clean + rest.len() == bytes.len();
    if is_rest && (rest.is_empty() || bytes.last_chunk().is_some_and(is_clean)) {
        return None;
    }
    let found = bytes[clean..]
        .iter()
        .position(|byte| is_suspect(*byte, target))?;
    Some(clean + found)
}

/// At least one of the eight bytes may be suspect: it is a control character, not ASCII, or for
/// JSON a quote or a backslash. It errs on the side of a closer look.
fn has_suspect(bytes: u64, target: Target) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    /// The high bit of each byte that is below `limit`, and of some that are above a borrow.
    const fn below(bytes: u64, limit: u64) -> u64 {
        bytes.wrapping_sub(ONES * limit) & !bytes
    }
    let mut found = bytes | below(bytes, 0x20) | bytes.wrapping_add(ONES);
    if target == Target::Json {
        found |= below(bytes ^ (ONES * u64::from(b'"')), 1);
        found |= below(bytes ^ (ONES * u64::from(b'\\')), 1);
    }
    found & HIGH != 0
}

#[inline]
fn is_suspect(byte: u8, target: Target) -> bool {
    /// One bit for each target.
    const SUSPECT: [u8; 256] = {
        let mut suspect = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            suspect[byte] = match byte {
                0x22 | 0x5C => 1 << Target::Json as u8,
                // Beside ASCII, the first byte of U+0080..U+00BF, and of U+2000..U+2FFF.
                0..0x20 | 0x7F | 0xC2 | 0xE2 => 1 << Target::Json as u8 | 1 << Target::Line as u8,
                _ => 0,
            };
            byte += 1;
        }
        suspect
    };
    SUSPECT[usize::from(byte)] & 1 << target as u8 != 0
}

fn write_char(out: &mut String, character: char, target: Target) {
    match (character, target) {
        ('\n', _) => out.push_str("\\n"),
        ('\r', _) => out.push_str("\\r"),
        ('\t', _) => out.push_str("\\t"),
        ('"', Target::Json) => out.push_str("\\\""),
        ('\\', Target::Json) => out.push_str("\\\\"),
        (control, _) if is_control(control) => {
            let code = u32::from(control);
            // Writing to a `String` never fails.
            let _ = match target {
                Target::Line => write!(out, "\\u{{{code:x}}}"),
                Target::Json => write!(out, "\\u{code:04x}"),
            };
        }
        (other, _) => out.push(other),
    }
}

/// Control characters, line and paragraph separators, and those that turn the direction.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
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
            (
                "\u{2027}\u{202f}\u{2065}\u{2066}\u{2069}\u{206a}",
                "\u{2027}\u{202f}\u{2065}\\u{2066}\\u{2069}\u{206a}",
                "\u{2027}\u{202f}\u{2065}\\u2066\\u2069\u{206a}",
            ),
        ] {
            for (target, expected) in [(Target::Line, line), (Target::Json, json)] {
                let mut out = String::new();
                write(&mut out, text, target);
                assert_eq!(out, expected, "{text:?}");
                let len: usize = text.chars().map(|c| escaped_len(c, target)).sum();
                assert_eq!(len, expected.len(), "{text:?}");
            }
        }
    }

    #[test]
    fn eight_bytes_at_a_time_miss_nothing() {
        for target in [Target::Line, Target::Json] {
            for byte in 0..=u8::MAX {
                for place in 0..20 {
                    let mut bytes = [b'a'; 20];
                    bytes[place] = byte;
                    let expected = bytes.iter().position(|byte| is_suspect(*byte, target));
                    assert_eq!(
                        first_suspect(&bytes, target),
                        expected,
                        "{byte:#x} at {place}"
                    );
                }
            }
        }
    }
}
