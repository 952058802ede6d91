//! A line of the log as it is written.

use std::io::Write;
use std::time::Duration;

use super::LogFormat;
use crate::members::cut::cut;
use crate::members::json::json_string;

/// A key with all that stands between the value before it and its own.
pub(super) struct Key {
    pub(super) logfmt: &'static str,
    pub(super) json: &'static str,
}

macro_rules! key {
    ($key:literal) => {
        $crate::members::access_log::line::Key {
            logfmt: concat!(" ", $key, "="),
            json: concat!(",\"", $key, "\":"),
        }
    };
}
pub(super) use key;

/// A line being written. Keys are ours; values are not.
pub(super) struct Line<'a> {
    bytes: &'a mut Vec<u8>,
    format: LogFormat,
}

impl<'a> Line<'a> {
    /// `since` the epoch of Unix.
    pub(super) fn begin(bytes: &'a mut Vec<u8>, format: LogFormat, since: Duration) -> Self {
        bytes.extend_from_slice(match format {
            LogFormat::Logfmt => b"ts=",
            LogFormat::Json => b"{\"ts\":",
        });
        bytes.extend_from_slice(itoa::Buffer::new().format(since.as_secs()).as_bytes());
        let millis = since.subsec_millis();
        let digit = |digit: u32| b"0123456789"[digit as usize % 10];
        bytes.extend_from_slice(&[b'.', digit(millis / 100), digit(millis / 10), digit(millis)]);
        Self { bytes, format }
    }

    pub(super) fn end(self) {
        self.bytes.extend_from_slice(match self.format {
            LogFormat::Logfmt => b"\n",
            LogFormat::Json => b"}\n",
        });
    }

    /// Inlined, so that the length of a key is known where it is copied.
    #[inline]
    fn key(&mut self, key: &Key) {
        match self.format {
            LogFormat::Logfmt => self.bytes.extend_from_slice(key.logfmt.as_bytes()),
            LogFormat::Json => self.bytes.extend_from_slice(key.json.as_bytes()),
        }
    }

    /// A word of ours.
    #[inline]
    pub(super) fn word(&mut self, key: &Key, word: &'static str) {
        self.key(key);
        self.quote();
        self.bytes.extend_from_slice(word.as_bytes());
        self.quote();
    }

    #[inline]
    pub(super) fn text(&mut self, key: &Key, value: &str) {
        self.key(key);
        self.value(value);
    }

    fn value(&mut self, value: &str) {
        let value = cut(value);
        // To the end, without a branch for each byte: most values are plain.
        let is_all_plain = || value.bytes().fold(true, |all, byte| all & is_plain(byte));
        if self.format == LogFormat::Json || !is_all_plain() {
            json_string(self.bytes, value);
        } else {
            self.bytes.extend(value.as_bytes());
        }
    }

    #[inline]
    pub(super) fn number(&mut self, key: &Key, value: u64) {
        self.key(key);
        self.digits(value);
    }

    /// Most numbers are short, and a call to copy some bytes takes longer than they do.
    #[inline]
    fn digits(&mut self, value: u64) {
        match u16::try_from(value) {
            Ok(value @ 0..=999) => {
                let digit = |by: u16| b'0' + (value / by % 10) as u8;
                if value > 99 {
                    self.bytes.push(digit(100));
                }
                if value > 9 {
                    self.bytes.push(digit(10));
                }
                self.bytes.push(digit(1));
            }
            _ => self.long_digits(value),
        }
    }

    fn long_digits(&mut self, value: u64) {
        let mut buffer = itoa::Buffer::new();
        self.bytes
            .extend_from_slice(buffer.format(value).as_bytes());
    }

    #[cfg(feature = "tracing")]
    pub(super) fn id(&mut self, key: &Key, id: &[u8]) {
        self.key(key);
        self.quote();
        let at = self.bytes.len();
        self.bytes.resize(at + 2 * id.len(), 0);
        crate::random::hex(id, &mut self.bytes[at..]);
        self.quote();
    }

    pub(super) fn address(&mut self, address: std::net::IpAddr) {
        self.key(&key!("client"));
        self.quote();
        let _never = write!(self.bytes, "{address}");
        self.quote();
    }

    /// Before and after text that needs no escapes.
    fn quote(&mut self) {
        if self.format == LogFormat::Json {
            self.bytes.push(b'"');
        }
    }
}

/// What goes into a line without quotes. Looked up, because each byte of each value is asked for.
fn is_plain(byte: u8) -> bool {
    const PLAIN: [bool; 256] = {
        let mut plain = [false; 256];
        let mut byte = b'!';
        while byte <= b'~' {
            plain[byte as usize] = !matches!(byte, b'"' | b'\\' | b'=' | b'{' | b'}');
            byte += 1;
        }
        plain
    };
    PLAIN[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_it_is() {
        let ends = [0, 9, 10, 99, 100, 101, 999, 1000, 1001, 9999, 10_000];
        for value in ends.into_iter().chain([65_535, 65_536, u64::MAX]) {
            let mut bytes = Vec::new();
            let mut line = Line::begin(&mut bytes, LogFormat::Logfmt, Duration::from_millis(1_009));
            line.number(&key!("n"), value);
            line.end();
            assert_eq!(bytes, format!("ts=1.009 n={value}\n").into_bytes());
        }
    }
}
