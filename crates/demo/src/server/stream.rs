//! A socket that neither waits for ever for a client to read, nor hangs up on one that is still
//! sending.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_io_timeout::TimeoutWriter;

/// How much of what a client still sends is read after the last answer, and for how long.
///
/// A socket that is closed with bytes unread resets the connection, and the reset may overtake an
/// answer such as 413: the client would see only that the connection broke (RFC 9112, section 9.6).
const LINGER_BYTES: usize = 1 << 20;
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection's socket.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Pin<Box<TimeoutWriter<TcpStream>>>,
    /// Set once all has been sent.
    linger: Option<Linger>,
}

#[derive(Debug)]
struct Linger {
    bytes_left: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, write_timeout: Duration) -> Self {
        let mut socket = TimeoutWriter::new(socket);
        socket.set_timeout(Some(write_timeout));
        Self {
            socket: Box::pin(socket),
            linger: None,
        }
    }

    fn tcp(&mut self) -> Pin<&mut TcpStream> {
        self.socket.as_mut().get_pin_mut()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.tcp().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket.as_mut().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.as_mut().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.as_mut().poll_flush(cx)
    }

    /// Says that there is nothing more to come, then reads on until the client has said so too.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(self.socket.as_mut().poll_shutdown(cx))?;
            self.linger = Some(Linger {
                bytes_left: LINGER_BYTES,
                deadline: Box::pin(sleep(LINGER_TIMEOUT)),
            });
        }
        let this = &mut *self;
        let mut discarded = [0; 8 * 1_024];
        while let Some(linger) = &mut this.linger
            && linger.deadline.as_mut().poll(cx).is_pending()
            && linger.bytes_left > 0
        {
            let mut buffer = ReadBuf::new(&mut discarded);
            let socket = this.socket.as_mut().get_pin_mut();
            if ready!(socket.poll_read(cx, &mut buffer)).is_err() || buffer.filled().is_empty() {
                break;
            }
            linger.bytes_left = linger.bytes_left.saturating_sub(buffer.filled().len());
        }
        Poll::Ready(Ok(()))
    }
}
