//! Servers of a test's own.

#[cfg(feature = "redis")]
mod cluster;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod sentinel;

#[cfg(feature = "redis")]
pub use self::cluster::{Cluster, SlotMove};
#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
#[cfg(feature = "redis")]
pub use self::redis::Redis;
#[cfg(feature = "redis")]
pub use self::sentinel::Sentinel;

use crate::StartError;

/// How often a server is started again because somebody else took its port.
const PORT_ATTEMPTS: u32 = 5;

/// Starts a server, on another port if its port was taken meanwhile.
fn on_a_free_port<T>(mut start: impl FnMut(u16) -> Result<T, StartError>) -> Result<T, StartError> {
    for _ in 1..PORT_ATTEMPTS {
        match start(crate::process::free_port()?) {
            Err(error) if error.is_port_taken() => {}
            started_or_not => return started_or_not,
        }
    }
    start(crate::process::free_port()?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn died(log: &str) -> StartError {
        StartError::Died {
            server: "server".to_owned(),
            status: ExitStatus::from_raw(1 << 8),
            log: log.to_owned(),
        }
    }

    #[test]
    fn a_server_is_started_again_only_if_its_port_was_taken() {
        let redis =
            "# Could not create server TCP listening socket *: bind: Address already in use";
        let postgres = "LOG:  could not bind IPv4 address \"127.0.0.1\": Address already in use";
        // Log of a start that fails, how often it does: starts in all, whether the last succeeds.
        for (log, failures, starts, succeeds) in [
            ("", 0, 1, true),
            (redis, 1, 2, true),
            (postgres, 4, 5, true),
            (redis, 5, 5, false),
            ("*** FATAL CONFIG FILE ERROR ***", 1, 1, false),
        ] {
            let started = Cell::new(0);
            let result = on_a_free_port(|_port| {
                started.set(started.get() + 1);
                (started.get() > failures)
                    .then_some(())
                    .ok_or_else(|| died(log))
            });
            assert_eq!(result.is_ok(), succeeds, "{log}");
            assert_eq!(started.get(), starts, "{log}");
        }
    }
}
