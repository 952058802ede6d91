//! What an error of the client says about the request.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::{Applied, Fault, FaultKind};

/// What to do about an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The server does not know the script: send it.
    SendSource,
    /// Nothing was done, and the same will work when the server serves again.
    Wait,
    /// As `Wait`, but not over this connection: it leads to a server that was a master.
    Reconnect,
    /// The connection is of no use any more, and the request may have been carried out.
    GiveUpConnection,
    /// Asking again would end the same way.
    Fail(FaultKind),
}

/// Redis 6.2 reports what goes wrong inside a script as `ERR Error running script ... OOM ...`.
const INSIDE_SCRIPTS: [&str; 7] = [
    "WRONGTYPE",
    "OOM",
    "NOPERM",
    "READONLY",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
];

pub(super) fn remedy(error: &RedisError) -> Remedy {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoScript) => Remedy::SendSource,
        ErrorKind::AuthenticationFailed => Remedy::Fail(FaultKind::Forbidden),
        ErrorKind::Server(_) | ErrorKind::Extension => of_code(code(error)),
        // A connection that has lost a byte would give each answer to the next request.
        _ => Remedy::GiveUpConnection,
    }
}

fn code(error: &RedisError) -> &str {
    let code = error.code().unwrap_or_default();
    if code != "ERR" {
        return code;
    }
    let detail = error.detail().unwrap_or_default();
    let mut words = detail.split(|c: char| !c.is_ascii_uppercase());
    words
        .find(|word| INSIDE_SCRIPTS.contains(word))
        .unwrap_or(code)
}

fn of_code(code: &str) -> Remedy {
    match code {
        "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MOVED" | "ASK" | "MISCONF"
        | "NOREPLICAS" => Remedy::Wait,
        "READONLY" | "MASTERDOWN" => Remedy::Reconnect,
        "OOM" => Remedy::Fail(FaultKind::OutOfMemory),
        "NOPERM" | "NOAUTH" | "WRONGPASS" | "DENIED" => Remedy::Fail(FaultKind::Forbidden),
        "WRONGTYPE" => Remedy::Fail(FaultKind::WrongType),
        _ => Remedy::Fail(FaultKind::UnexpectedReply),
    }
}

/// Why there is no connection. Nothing was sent over it.
pub(super) fn of_connecting(error: &RedisError) -> Fault {
    let kind = match remedy(error) {
        Remedy::Fail(FaultKind::Forbidden) => FaultKind::Forbidden,
        Remedy::Wait => FaultKind::Unavailable,
        _ => FaultKind::Unreachable,
    };
    Fault::new(kind, Applied::No).caused_by(error.clone())
}
