//! Lines out of a stream of bytes, within bounded memory.

use bytes::{Bytes, BytesMut};

/// Splits bytes into lines as they arrive.
///
/// It holds one line and the last piece at most: a line that is too long is counted, and its bytes
/// are dropped as they come.
#[derive(Debug)]
pub(super) struct Lines {
    line_bytes_max: usize,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line feed.
    searched: usize,
    /// Whether the buffer continues a line that is too long.
    is_skipping: bool,
}

/// A line that was longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    pub(super) fn new(line_bytes_max: usize) -> Self {
        Self {
            line_bytes_max,
            buffer: BytesMut::new(),
            searched: 0,
            is_skipping: false,
        }
    }

    /// Takes the next piece. Ask [`next`](Self::next) for its lines before the piece after it.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole line, without its line feed, or `None` if more bytes are needed.
    pub(super) fn next(&mut self) -> Option<Result<Bytes, TooLong>> {
        let unsearched = &self.buffer[self.searched..];
        if let Some(offset) = unsearched.iter().position(|byte| *byte == b'\n') {
            let mut line = self.buffer.split_to(self.searched + offset + 1);
            line.truncate(line.len() - 1);
            self.searched = 0;
            return Some(self.checked(line));
        }
        if self.buffer.len() > self.line_bytes_max {
            self.is_skipping = true;
            self.buffer.clear();
        }
        self.searched = self.buffer.len();
        None
    }

    /// The last line, if the bytes did not end in a line feed.
    pub(super) fn finish(mut self) -> Option<Result<Bytes, TooLong>> {
        let line = self.buffer.split();
        (self.is_skipping || !line.is_empty()).then(|| self.checked(line))
    }

    fn checked(&mut self, line: BytesMut) -> Result<Bytes, TooLong> {
        let was_skipping = std::mem::take(&mut self.is_skipping);
        if was_skipping || line.len() > self.line_bytes_max {
            return Err(TooLong);
        }
        Ok(line.freeze())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 8;

    fn model(bytes: &[u8]) -> Vec<Result<Bytes, TooLong>> {
        let mut lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        lines
            .into_iter()
            .map(|line| match line.len() {
                ..=MAX => Ok(Bytes::copy_from_slice(line)),
                _ => Err(TooLong),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn lines_are_the_same_in_whatever_pieces_they_arrive(
            pieces in prop::collection::vec(prop::collection::vec("[a\n]", 0..12), 0..12)
        ) {
            let pieces: Vec<Vec<u8>> = pieces.into_iter().map(|piece| piece.concat().into()).collect();
            let mut lines = Lines::new(MAX);
            let mut found = Vec::new();
            for piece in &pieces {
                lines.feed(piece);
                found.extend(std::iter::from_fn(|| lines.next()));
                prop_assert!(lines.buffer.len() <= MAX, "{} bytes kept", lines.buffer.len());
            }
            found.extend(lines.finish());
            prop_assert_eq!(found, model(&pieces.concat()));
        }
    }
}
