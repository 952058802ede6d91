//! A request and its answer, within a deadline.

use std::time::Duration;

use redis::{Cmd, RedisError, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::budget::Budget;
use super::fault::{self, Remedy};
use super::guard::{Guard, Link};
use super::script::Call;
use crate::{Applied, Fault, FaultKind};

/// Before asking a server again that does not serve now; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// Runs a script, and returns the integers that it replies with.
///
/// What has surely had no effect is asked again until the deadline. What may have had one is
/// never asked again: it could be charged twice.
pub(super) async fn run(guard: &Guard, call: Call, budget: &Budget) -> Result<Vec<i64>, Fault> {
    integers(send(guard, Request::Script(call), budget).await?)
}

/// What is sent.
pub(super) enum Request {
    Command(Cmd),
    Script(Call),
}

impl Request {
    /// For a server that knows the script, if it is one.
    fn command(&self) -> &Cmd {
        match self {
            Self::Command(command) => command,
            Self::Script(call) => call.by_sha(),
        }
    }

    fn source(&self) -> Option<Self> {
        match self {
            Self::Command(_) => None,
            Self::Script(call) => Some(Self::Command(call.by_source())),
        }
    }
}

/// Sends a request, and for a script that the server does not know its source.
pub(super) async fn send(guard: &Guard, request: Request, budget: &Budget) -> Result<Value, Fault> {
    let answer = attempts(guard, request, budget).await;
    budget.count(&answer);
    answer
}

async fn attempts(guard: &Guard, mut request: Request, budget: &Budget) -> Result<Value, Fault> {
    let mut pause = FIRST_PAUSE;
    let mut refused_with = None;
    // What is asked again later than that may get no answer in time: then nobody would know any
    // more that nothing was done.
    let last_attempt = budget.deadline() - (budget.deadline() - Instant::now()) / 8;
    loop {
        let link = link(guard, budget, &mut refused_with).await?;
        if Instant::now() > last_attempt
            && let Some(error) = refused_with.take()
        {
            return Err(failed(FaultKind::Unavailable, error));
        }
        let under_way = UnderWay::new(guard, &link, budget);
        let error = match under_way.answer(request.command()).await {
            Ok(value) => return Ok(value),
            Err(Silence::Fault(fault)) => return Err(fault),
            Err(Silence::Refused(Remedy::SendSource, error)) => match request.source() {
                Some(source) => {
                    request = source;
                    continue;
                }
                None => return Err(failed(FaultKind::UnexpectedReply, error)),
            },
            Err(Silence::Refused(Remedy::Fail(kind), error)) => return Err(failed(kind, error)),
            Err(Silence::Refused(_, error)) => error,
        };
        let again = Instant::now() + pause;
        if again > last_attempt {
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
    budget: &Budget,
    refused_with: &mut Option<RedisError>,
) -> Result<Link, Fault> {
    if let Some(link) = guard.link_if_up() {
        return Ok(link);
    }
    let mut waiting = Waiting {
        guard,
        budget,
        is_over: false,
    };
    let link = timeout_at(budget.deadline(), guard.link()).await;
    waiting.is_over = true;
    match link {
        Ok(link) => link.map_err(|cause| fault::of_connecting(&cause)),
        Err(_) => Err(match refused_with.take() {
            Some(error) => failed(FaultKind::Unavailable, error),
            None => Fault::new(FaultKind::Timeout, Applied::No),
        }),
    }
}

/// A request without a connection yet. Dropped, it is seen in the background whether there would
/// have been one in time: its caller has gone, and the server may be away all the same.
struct Waiting<'a> {
    guard: &'a Guard,
    budget: &'a Budget,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (guard, budget) = (self.guard.clone(), self.budget.clone());
        in_background(async move {
            let link = link(&guard, &budget, &mut None).await;
            budget.count(&link);
        });
    }
}

/// A request on its way. Dropped, its caller does not wait for the answer any more, and it is seen
/// in the background whether it would have come in time: answers come in the order of their
/// requests, so that of a PING which is sent now comes after it.
struct UnderWay<'a> {
    guard: &'a Guard,
    link: &'a Link,
    budget: &'a Budget,
    started: Instant,
    is_over: bool,
}

/// Why there is no answer.
enum Silence {
    /// What the server has refused, and what to do about it.
    Refused(Remedy, RedisError),
    Fault(Fault),
}

impl<'a> UnderWay<'a> {
    fn new(guard: &'a Guard, link: &'a Link, budget: &'a Budget) -> Self {
        Self {
            guard,
            link,
            budget,
            started: Instant::now(),
            is_over: false,
        }
    }

    async fn answer(mut self, command: &Cmd) -> Result<Value, Silence> {
        let mut connection = self.link.connection.clone();
        let answer = connection.send_packed_command(command);
        let answer = timeout_at(self.budget.deadline(), answer).await.ok();
        self.is_over = true;
        let patience = self.budget.deadline() - self.started;
        told(self.guard, self.link, patience, answer)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (guard, budget, started) = (self.guard.clone(), self.budget.clone(), self.started);
        let mut link = self.link.clone();
        in_background(async move {
            let ping = redis::cmd("PING");
            let answer = timeout_at(
                budget.deadline(),
                link.connection.send_packed_command(&ping),
            );
            let answer = answer.await.ok();
            let answer = told(&guard, &link, budget.deadline() - started, answer);
            budget.count(&answer.map(drop).or_else(|silence| match silence {
                Silence::Refused(..) => Ok(()),
                Silence::Fault(fault) => Err(fault),
            }));
        });
    }
}

/// What an answer, or none in time, says about the request and about its connection.
fn told(
    guard: &Guard,
    link: &Link,
    patience: Duration,
    answer: Option<RedisResult<Value>>,
) -> Result<Value, Silence> {
    let Some(answer) = answer else {
        guard.given_up(link, patience);
        let fault = Fault::new(FaultKind::Timeout, Applied::Maybe);
        return Err(Silence::Fault(fault));
    };
    let error = match answer.and_then(Value::extract_error) {
        Ok(value) => {
            link.answered();
            return Ok(value);
        }
        Err(error) => error,
    };
    let remedy = fault::remedy(&error);
    if remedy == Remedy::GiveUpConnection {
        guard.replace(link);
        let fault = Fault::new(FaultKind::ConnectionLost, Applied::Maybe).caused_by(error);
        return Err(Silence::Fault(fault));
    }
    link.answered();
    if remedy == Remedy::Reconnect {
        guard.replace(link);
    }
    Err(Silence::Refused(remedy, error))
}

/// A future can be dropped outside of its runtime. Then nobody sees what becomes of its request.
fn in_background(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(task);
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
