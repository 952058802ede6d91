//! A request and its answer, within a deadline.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::budget::Budget;
use super::fault::{self, Remedy};
use super::guard::{Guard, Link};
use super::script::Call;
use super::servers::{Redirection, Servers};
use crate::{Applied, Fault, FaultKind};

/// Before asking a server again that does not serve now; doubled each time, up to a bound.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// Whatever the budget, it is found out within this time that a server serves again.
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// Whatever the budget, a connection is suspected that has been silent for so long.
const SUSPICION: Duration = Duration::from_secs(1);

/// It is dead if it stays silent for so many times as long as the next one took to be made, since that
/// was there. That is a few answers, so a slow link is not, nor one over which a server that was stopped
/// has many to give.
const DEAD_AFTER: u32 = 8;

/// How often a request is sent on at once. A cluster whose nodes do not agree on who serves what
/// could go on with that for ever.
const REDIRECTIONS_MAX: u32 = 4;

/// Runs a script on a key, or on several of one slot, and returns the integer or integers that it
/// replies with.
///
/// What has surely had no effect is asked again until the deadline. What may have had one is
/// never asked again: it could be charged twice.
pub(super) async fn run(
    servers: &Servers,
    key: &[u8],
    call: Call,
    budget: &Budget,
) -> Result<Vec<i64>, Fault> {
    let to = To {
        servers,
        slot: servers.slot(key),
    };
    integers(send(to, Request::Script(call), budget).await?)
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct To<'a> {
    pub(super) servers: &'a Servers,
    /// In a cluster to who serves it, or to anybody.
    pub(super) slot: Option<u16>,
}

/// What is sent.
pub(super) enum Request {
    /// Who gets it answers, whatever slots it serves.
    Ping(Cmd),
    Command(Cmd),
    Script(Call),
}

impl Request {
    /// For a server that knows the script, if it is one.
    fn command(&self) -> &Cmd {
        match self {
            Self::Ping(command) | Self::Command(command) => command,
            Self::Script(call) => call.by_sha(),
        }
    }

    fn source(&self) -> Option<Self> {
        match self {
            Self::Ping(_) | Self::Command(_) => None,
            Self::Script(call) => Some(Self::Command(call.by_source())),
        }
    }
}

/// Sends a request, and for a script that the server does not know its source.
pub(super) async fn send(to: To<'_>, request: Request, budget: &Budget) -> Result<Value, Fault> {
    let answer = attempts(to, request, budget).await;
    budget.count(&answer);
    answer
}

async fn attempts(to: To<'_>, mut request: Request, budget: &Budget) -> Result<Value, Fault> {
    let mut pause = FIRST_PAUSE;
    let mut refused_with = None;
    let (mut asks, mut redirections) = (None, 0);
    // What is asked again later than that may get no answer in time: then nobody would know any
    // more that nothing was done.
    let last_attempt = budget.deadline() - (budget.deadline() - Instant::now()) / 8;
    loop {
        let (guard, link) = link(to, asks.clone(), budget, &mut refused_with).await?;
        if Instant::now() > last_attempt
            && let Some(error) = refused_with.take()
        {
            return Err(failed(FaultKind::Unavailable, error));
        }
        let under_way = UnderWay::new(to, &guard, &link, budget);
        let asked_at = under_way.started;
        let error = match under_way.answer(request.command(), asks.is_some()).await {
            Ok(value) => {
                if asks.is_none() && !matches!(request, Request::Ping(_)) {
                    to.servers.served(to.slot, &guard, asked_at);
                }
                return Ok(value);
            }
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
        asks = None;
        if redirections < REDIRECTIONS_MAX
            && let Some(redirection) = to.servers.redirection(&error, &guard)
        {
            redirections += 1;
            refused_with = Some(error);
            if let Redirection::Ask(guard) = redirection {
                asks = Some(guard);
            }
            continue;
        }
        to.servers.doubt();
        let again = Instant::now() + pause;
        if again > last_attempt {
            return Err(failed(FaultKind::Unavailable, error));
        }
        refused_with = Some(error);
        sleep_until(again).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The connection and who guards it: without a wait if it is up. If there is none in time, the
/// fault is that of the first one, or that of the server which refused.
async fn link(
    to: To<'_>,
    asks: Option<Guard>,
    budget: &Budget,
    refused_with: &mut Option<RedisError>,
) -> Result<(Guard, Link), Fault> {
    let known = asks.clone().or_else(|| to.servers.guard_if_known(to.slot));
    if let Some(guard) = known
        && let Some(link) = guard.link_if_up()
    {
        return Ok((guard, link));
    }
    let mut waiting = Waiting {
        to,
        budget,
        is_over: false,
    };
    let reached = timeout_at(budget.deadline(), reach(to, asks)).await;
    waiting.is_over = true;
    if !matches!(reached, Ok(Ok(_))) {
        to.servers.doubt();
    }
    match reached {
        Ok(reached) => reached.map_err(|cause| fault::of_connecting(&cause)),
        Err(_) => Err(match (refused_with.take(), failure(to)) {
            (Some(error), _) => failed(FaultKind::Unavailable, error),
            (None, Some(cause)) => fault::of_connecting(&cause),
            (None, None) => Fault::new(FaultKind::Timeout, Applied::No),
        }),
    }
}

/// Why there is no connection, if an attempt has found out.
fn failure(to: To<'_>) -> Option<RedisError> {
    to.servers.guard_if_known(to.slot)?.last_failure()
}

async fn reach(to: To<'_>, asks: Option<Guard>) -> RedisResult<(Guard, Link)> {
    match asks {
        Some(guard) => guard.link().await.map(|link| (guard, link)),
        None => to.servers.reach(to.slot).await,
    }
}

/// A request without a connection yet. Dropped, it is seen in the background whether there would
/// have been one in time: its caller has gone, and the server may be away all the same.
struct Waiting<'a> {
    to: To<'a>,
    budget: &'a Budget,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (servers, slot) = (self.to.servers.clone(), self.to.slot);
        let budget = self.budget.clone();
        in_background(async move {
            let to = To {
                servers: &servers,
                slot,
            };
            let link = link(to, None, &budget, &mut None).await;
            budget.count(&link);
        });
    }
}

/// A request on its way. Dropped, its caller does not wait for the answer any more, and it is seen
/// in the background whether it would have come in time: answers come in the order of their
/// requests, so that of a PING which is sent now comes after it.
struct UnderWay<'a> {
    to: To<'a>,
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
    fn new(to: To<'a>, guard: &'a Guard, link: &'a Link, budget: &'a Budget) -> Self {
        Self {
            to,
            guard,
            link,
            budget,
            started: Instant::now(),
            is_over: false,
        }
    }

    async fn answer(mut self, command: &Cmd, asks: bool) -> Result<Value, Silence> {
        let mut connection = self.link.connection.clone();
        // What is rare is in a box of its own, so that the future of the rest stays a small one.
        let answer = async {
            if asks {
                Box::pin(asking(&mut connection, command)).await
            } else {
                connection.send_packed_command(command).await
            }
        };
        let answer = self.in_time(pin!(answer)).await;
        self.is_over = true;
        let patience = self.budget.deadline() - self.started;
        let told = told(self.guard, self.link, patience, answer);
        if matches!(told, Err(Silence::Fault(_))) {
            self.to.servers.doubt();
        }
        told
    }
}

impl UnderWay<'_> {
    /// `None` if there is no answer in time. It is an error if there can't be one any more: the link
    /// is silent, and there is another one.
    async fn in_time(
        &self,
        mut answer: Pin<&mut impl Future<Output = RedisResult<Value>>>,
    ) -> Option<RedisResult<Value>> {
        let deadline = self.budget.deadline();
        let suspicion = deadline.min(self.started + SUSPICION);
        if let Ok(answer) = timeout_at(suspicion, answer.as_mut()).await {
            return Some(answer);
        }
        if suspicion == deadline {
            return None;
        }
        self.guard.suspect(self.link, SUSPICION);
        let mut dead = Box::pin(async {
            let took = self.another().await;
            sleep(took * DEAD_AFTER).await;
        });
        let first = poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => dead.as_mut().poll(cx).map(|()| Err(is_silent())),
        });
        timeout_at(deadline, first).await.ok()
    }

    /// Waits until there is another connection, after this one was given up: to the same server, or
    /// to who has taken its place. Says how long that took to be made.
    async fn another(&self) -> Duration {
        self.guard.given_up_on(self.link).await;
        let mut same = pin!(self.guard.another(self.link));
        let mut successor = pin!(self.to.servers.successor(self.to.slot, self.guard));
        poll_fn(|cx| match same.as_mut().poll(cx) {
            Poll::Ready(took) => Poll::Ready(took),
            Poll::Pending => successor.as_mut().poll(cx),
        })
        .await
    }
}

fn is_silent() -> RedisError {
    (
        ErrorKind::Io,
        "the connection is silent, and another one is not",
    )
        .into()
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (guard, budget, started) = (self.guard.clone(), self.budget.clone(), self.started);
        let servers = self.to.servers.clone();
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
                Silence::Fault(fault) => {
                    servers.doubt();
                    Err(fault)
                }
            }));
        });
    }
}

/// To a node that a slot is being moved to, for a key that has been moved already: it holds for the
/// next command of the connection, so nothing must come between the two.
async fn asking(connection: &mut MultiplexedConnection, command: &Cmd) -> RedisResult<Value> {
    let mut both = redis::pipe();
    both.cmd("ASKING").add_command(command.clone());
    let mut answers = connection.send_packed_commands(&both, 0, 2).await?;
    let unexpected = || (ErrorKind::UnexpectedReturnType, "no answer to ASKING").into();
    answers.pop().ok_or_else(unexpected)
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
    let replaces = match remedy {
        Remedy::Reconnect => true,
        Remedy::AskSentinels => guard.origin().has_sentinels(),
        _ => false,
    };
    if replaces {
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
    let values = match reply {
        Value::Int(integer) => return Ok(vec![integer]),
        Value::Array(values) => values,
        _ => return Err(unexpected()),
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
