//! A request and its answer, within a deadline.

use std::time::Duration;

use redis::{Cmd, RedisError, Value};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::fault::{self, Remedy};
use super::guard::{Guard, Link, UnderWay};
use super::script::Call;
use crate::{Applied, Fault, FaultKind};

/// Before asking a server again that does not serve now; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// Runs a script, and returns the integers that it replies with.
///
/// What has surely had no effect is asked again until the deadline. What may have had one is
/// never asked again: it could be charged twice.
pub(super) async fn run(guard: &Guard, call: &Call, deadline: Instant) -> Result<Vec<i64>, Fault> {
    integers(send(guard, call.by_sha(), Some(call), deadline).await?)
}

/// Sends a command, and for a script that the server does not know its source.
pub(super) async fn send(
    guard: &Guard,
    command: &Cmd,
    script: Option<&Call>,
    deadline: Instant,
) -> Result<Value, Fault> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut source = None;
    let mut refused_with = None;
    loop {
        let link = link(guard, deadline, &mut refused_with).await?;
        let command = source.as_ref().unwrap_or(command);
        let mut connection = link.connection.clone();
        let under_way = UnderWay::new(guard, &link, deadline - started);
        let answer = timeout_at(deadline, connection.send_packed_command(command)).await;
        under_way.end();
        let Ok(answer) = answer else {
            guard.given_up(&link, deadline - started);
            return Err(Fault::new(FaultKind::Timeout, Applied::Maybe));
        };
        let error = match answer.and_then(Value::extract_error) {
            Ok(value) => {
                link.answered();
                return Ok(value);
            }
            Err(error) => error,
        };
        let remedy = fault::remedy(&error);
        if remedy != Remedy::GiveUpConnection {
            link.answered();
        }
        match (remedy, script) {
            (Remedy::SendSource, Some(script)) => {
                source = Some(script.by_source());
                continue;
            }
            (Remedy::SendSource, None) => return Err(failed(FaultKind::UnexpectedReply, error)),
            (Remedy::Fail(kind), _) => return Err(failed(kind, error)),
            (Remedy::GiveUpConnection, _) => {
                guard.replace(&link);
                return Err(Fault::new(FaultKind::ConnectionLost, Applied::Maybe).caused_by(error));
            }
            (Remedy::Wait, _) => {}
            (Remedy::Reconnect, _) => guard.replace(&link),
        }
        let again = Instant::now() + pause;
        if again >= deadline {
            return Err(failed(FaultKind::Unavailable, error));
        }
        refused_with = Some(error);
        sleep_until(again).await;
        pause *= 2;
    }
}

/// The connection: without a wait if it is up. If there is none in time, the fault is that of the
/// first one, or that of the server which refused.
async fn link(
    guard: &Guard,
    deadline: Instant,
    refused_with: &mut Option<RedisError>,
) -> Result<Link, Fault> {
    if let Some(link) = guard.link_if_up() {
        return Ok(link);
    }
    match timeout_at(deadline, guard.link()).await {
        Ok(link) => link.map_err(|cause| fault::of_connecting(&cause)),
        Err(_) => Err(match refused_with.take() {
            Some(error) => failed(FaultKind::Unavailable, error),
            None => Fault::new(FaultKind::Timeout, Applied::No),
        }),
    }
}

/// An error that the server has answered with, so that nothing was done.
fn failed(kind: FaultKind, error: RedisError) -> Fault {
    Fault::new(kind, Applied::No).caused_by(error)
}

fn integers(reply: Value) -> Result<Vec<i64>, Fault> {
    let Value::Array(values) = reply else {
        return Err(unexpected());
    };
    let integers = values.into_iter().map(|value| match value {
        Value::Int(integer) => Ok(integer),
        _ => Err(unexpected()),
    });
    integers.collect()
}

/// An answer that no script of ours gives. Whatever gave it may have done something.
pub(super) fn unexpected() -> Fault {
    Fault::new(FaultKind::UnexpectedReply, Applied::Maybe)
}
