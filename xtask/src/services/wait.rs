//! Waiting for a server's first answer, with a bound.

use std::io;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::run;

/// One attempt may take this long: a server that accepts and says nothing is not ready.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(1);

/// What a look at a server that is starting up can show.
#[derive(Debug)]
pub(crate) enum Look<T> {
    Ready(T),
    /// It may still come; the text says what is missing.
    NotYet(String),
    /// It will not come.
    Dead(String),
}

/// Looks again and again until the server is ready or dead, or `limit` has passed.
pub(crate) fn until_ready<T>(
    limit: Duration,
    mut look: impl FnMut() -> Look<T>,
) -> Result<T, String> {
    let started = Instant::now();
    // Redis is there within a few milliseconds, and a test run waits for it.
    let mut pause = Duration::from_millis(1);
    loop {
        match look() {
            Look::Ready(value) => return Ok(value),
            Look::Dead(reason) => return Err(reason),
            Look::NotYet(_) if run::cancelled() => return Err("cancelled".to_owned()),
            Look::NotYet(reason) if started.elapsed() >= limit => {
                return Err(format!("not ready within {} s: {reason}", limit.as_secs()));
            }
            Look::NotYet(_) => {}
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(16));
    }
}

/// A port that is free at this moment.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
