//! One direction of a connection.

use std::collections::VecDeque;
use std::future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};

use super::Link;
use super::connection::Connection;

const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks that a direction holds before it stops reading.
const CHUNKS: usize = 16;

const DRIBBLE_PAUSE: Duration = Duration::from_millis(1);
/// A throttled link passes its bytes in this many portions per second.
const PORTIONS_PER_SEC: u32 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Requests,
    Replies,
}

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The sender has finished, and the receiver knows. The other direction goes on.
    Finished,
    /// The connection is to be closed in good order.
    Closed,
    /// The connection is to be reset.
    Reset,
}

/// Bytes on their way. None at all stand for the end of the stream.
#[derive(Debug)]
struct Chunk {
    arrived: Instant,
    bytes: Vec<u8>,
    sent: usize,
}

/// Moves the bytes of one direction, until it ends. It never ends for an orphan.
pub(super) async fn pump(
    direction: Direction,
    mut connection: Connection,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
) -> End {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut flow = Flow::new(direction);
    while let Some((link, epoch)) = connection.link() {
        flow.begin(epoch);
        if let Some(end) = flow.end_under(link) {
            return end;
        }
        tokio::select! {
            biased;
            () = connection.changed() => {}
            written = flow.write(link, &mut to) => match written {
                Ok(0) => return End::Finished,
                Ok(count) => flow.has_written(count, link),
                Err(_) => return End::Reset,
            },
            read = from.read(&mut buffer), if flow.takes_more(link) => match read {
                Ok(count) => flow.has_read(&buffer[..count], link),
                Err(_) => return End::Reset,
            },
        }
    }
    future::pending().await
}

/// The bytes of one direction, held for as long as the link says.
#[derive(Debug)]
struct Flow {
    direction: Direction,
    queue: VecDeque<Chunk>,
    is_at_end: bool,
    has_lost: bool,
    epoch: u64,
    /// The two of the epoch: written so far, and not to write before.
    written: u64,
    not_before: Instant,
}

impl Flow {
    fn new(direction: Direction) -> Self {
        Self {
            direction,
            queue: VecDeque::new(),
            is_at_end: false,
            has_lost: false,
            epoch: 0,
            written: 0,
            not_before: Instant::now(),
        }
    }

    /// Counts anew if the link was set meanwhile.
    fn begin(&mut self, epoch: u64) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.written = 0;
            self.not_before = Instant::now();
        }
    }

    /// How the link ends the connection, if it does now.
    fn end_under(&self, link: Link) -> Option<End> {
        match link {
            Link::Reset => Some(End::Reset),
            Link::Fin => Some(End::Closed),
            Link::LoseReplies => None,
            _ if self.has_lost => Some(End::Reset),
            Link::CutReplyAfter(bytes) => (self.direction == Direction::Replies
                && self.written >= bytes
                && !self.queue.is_empty())
            .then_some(End::Closed),
            _ => None,
        }
    }

    fn takes_more(&self, link: Link) -> bool {
        !self.is_at_end && self.queue.len() < CHUNKS && link != Link::Blackhole
    }

    fn has_read(&mut self, bytes: &[u8], link: Link) {
        self.is_at_end = bytes.is_empty();
        if link == Link::LoseReplies && self.direction == Direction::Replies && !self.is_at_end {
            self.has_lost = true;
            return;
        }
        self.queue.push_back(Chunk {
            arrived: Instant::now(),
            bytes: bytes.to_vec(),
            sent: 0,
        });
    }

    /// Writes what may pass now, as soon as it may, and returns how much it was. 0 is the end.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has written nothing.
    async fn write(&self, link: Link, to: &mut WriteHalf<'_>) -> io::Result<usize> {
        let (Some(chunk), true) = (self.queue.front(), link != Link::Blackhole) else {
            return future::pending().await;
        };
        let delay = match link {
            Link::Delay(delay) => delay,
            _ => Duration::ZERO,
        };
        sleep_until(self.not_before.max(chunk.arrived + delay)).await;
        let rest = &chunk.bytes[chunk.sent..];
        if rest.is_empty() {
            return to.shutdown().await.map(|()| 0);
        }
        to.write(&rest[..rest.len().min(self.portion(link))]).await
    }

    /// How many bytes may pass in one piece: at least one.
    fn portion(&self, link: Link) -> usize {
        let bytes = match link {
            Link::Dribble => 1,
            Link::Throttle(rate) => u64::from(rate / PORTIONS_PER_SEC),
            Link::CutReplyAfter(bytes) if self.direction == Direction::Replies => {
                bytes - self.written
            }
            _ => u64::MAX,
        };
        usize::try_from(bytes.max(1)).unwrap_or(usize::MAX)
    }

    fn has_written(&mut self, count: usize, link: Link) {
        let pause = match link {
            Link::Dribble => DRIBBLE_PAUSE,
            Link::Throttle(rate) => Duration::from_secs(count as u64) / rate.max(1),
            _ => Duration::ZERO,
        };
        self.not_before = Instant::now() + pause;
        self.written += count as u64;
        let chunk = self.queue.front_mut().expect("what was written was queued");
        chunk.sent += count;
        if chunk.sent == chunk.bytes.len() {
            self.queue.pop_front();
        }
    }
}
