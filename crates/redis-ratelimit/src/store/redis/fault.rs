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
    /// As `Wait`, but not over this connection: it leads to a server that was a primary.
    Reconnect,
    /// As `Wait`, and if there are sentinels, not over this connection: they may know that its replicas
    /// have left the server for another one.
    AskSentinels,
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
        "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MOVED" | "ASK" | "MISCONF" => {
            Remedy::Wait
        }
        "READONLY" | "MASTERDOWN" => Remedy::Reconnect,
        "NOREPLICAS" => Remedy::AskSentinels,
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

#[cfg(test)]
mod tests {
    use redis::{Value, parse_redis_value};

    use super::*;

    #[test]
    fn what_a_server_answers_instead_is_waited_for_or_told_by_its_kind() {
        use Remedy::{AskSentinels, Fail, Reconnect, SendSource, Wait};
        let inside = |text: &str| {
            let script = "ERR Error running script (call to f_0): @user_script:1: @user_script: 1";
            format!("{script}: {text}")
        };
        for (answer, expected) in [
            ("NOSCRIPT No matching script.", SendSource),
            ("LOADING Redis is loading the dataset in memory", Wait),
            ("BUSY Redis is busy running a script.", Wait),
            (
                "TRYAGAIN Multiple keys request during rehashing of slot",
                Wait,
            ),
            ("CLUSTERDOWN The cluster is down", Wait),
            ("MOVED 3999 127.0.0.1:6381", Wait),
            ("ASK 3999 127.0.0.1:6381", Wait),
            ("MISCONF Redis is configured to save RDB snapshots", Wait),
            (
                "NOREPLICAS Not enough good replicas to write.",
                AskSentinels,
            ),
            (
                "READONLY You can't write against a read only replica.",
                Reconnect,
            ),
            ("MASTERDOWN Link with MASTER is down", Reconnect),
            ("OOM command not allowed", Fail(FaultKind::OutOfMemory)),
            (
                "NOPERM this user has no permissions",
                Fail(FaultKind::Forbidden),
            ),
            (
                "NOAUTH Authentication required.",
                Fail(FaultKind::Forbidden),
            ),
            (
                "WRONGPASS invalid username-password pair",
                Fail(FaultKind::Forbidden),
            ),
            (
                "WRONGTYPE Operation against a key",
                Fail(FaultKind::WrongType),
            ),
            ("ERR unknown command", Fail(FaultKind::UnexpectedReply)),
            // As Redis 6.2 writes what goes wrong inside of a script.
            (
                &inside("-OOM command not allowed"),
                Fail(FaultKind::OutOfMemory),
            ),
            (
                &inside("WRONGTYPE Operation against a key"),
                Fail(FaultKind::WrongType),
            ),
            (&inside("-READONLY You can't write"), Reconnect),
            (
                &inside("-NOREPLICAS Not enough good replicas"),
                AskSentinels,
            ),
            (&inside("-MISCONF Redis is configured"), Wait),
            (&inside("bad argument"), Fail(FaultKind::UnexpectedReply)),
        ] {
            let reply = format!("-{answer}\r\n");
            let error = parse_redis_value(reply.as_bytes()).and_then(Value::extract_error);
            assert_eq!(remedy(&error.expect_err(answer)), expected, "{answer}");
        }
    }
}
