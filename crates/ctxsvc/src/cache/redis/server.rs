//! Redis itself.

use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::Instant;

use super::line::{Failed, Line};
use super::link::Link;
use super::script::{ACQUIRE, ACQUIRE_ALL, Call, FILL, FORGET};
use super::wire::{Away, Bounds, Cursor, Fill, Found, Right, State, Wire, ms};
use crate::cache::remote::Clock;
use crate::cache::version::LAG;

/// Names that a sweep looks at in one step.
const PAGE: usize = 1_000;

pub(super) struct Server {
    commands: Line,
    /// For several values at once, and for sweeps. They may be long: those who wait for one value
    /// neither queue behind them nor lose their line because of them.
    batches: Line,
    changes: Link,
}

impl Server {
    pub(super) fn new(commands: Line, batches: Line, changes: Link) -> Self {
        Self {
            commands,
            batches,
            changes,
        }
    }

    /// One of several is no longer than one by itself where what is asked for has a bound.
    fn line(&self, values: usize) -> &Line {
        if values > 1 {
            &self.batches
        } else {
            &self.commands
        }
    }

    /// A script that the server does not know is sent within the same budget.
    async fn call(&self, call: &Call, values: usize) -> Result<Vec<Value>, Away> {
        let line = self.line(values);
        let deadline = line.deadline();
        let answer = match line.ask_until(deadline, &call.by_sha).await {
            Err(Failed::UnknownScript) => line.ask_until(deadline, &call.by_source()).await,
            answer => answer,
        };
        match answer.map_err(away)? {
            Value::Array(values) => Ok(values),
            _ => Err(Away::Unanswered),
        }
    }
}

impl Wire for Server {
    async fn acquire(&self, names: &[&[u8]], right: Right) -> Result<(Clock, Vec<State>), Away> {
        let mut call = Call::new(&ACQUIRE, names.iter().copied());
        call.by_sha.arg(&right.token.to_be_bytes()[..]);
        call.by_sha.arg(ms(right.lasts));
        call.by_sha.arg(right.there as u8);
        let Bounds {
            ttl_ms,
            negative_ttl_ms,
            bytes,
        } = right.bounds;
        call.by_sha.arg(ttl_ms).arg(negative_ttl_ms).arg(bytes);
        let asked = Instant::now();
        let reply = self.call(&call, names.len()).await?;
        let mut values = reply.into_iter();
        let clock = clock(values.next(), asked).ok_or(Away::Unanswered)?;
        let states = names.iter().map(|_| state(values.next()?, values.next()?));
        let states = states.collect::<Option<_>>().ok_or(Away::Unanswered)?;
        Ok((clock, states))
    }

    async fn read(&self, names: &[&[u8]], right: Right) -> Result<(Clock, Found), Away> {
        let both = |command: fn(Call) -> Cmd| {
            let mut call = Call::new(&ACQUIRE_ALL, names.iter().copied());
            call.by_sha.arg(&right.token.to_be_bytes()[..]);
            call.by_sha.arg(ms(right.lasts));
            let mut both = redis::pipe();
            // In this order: what the script has looked for is found at once.
            both.add_command(command(call)).cmd("MGET").arg(names);
            both
        };
        // Also for one: a plain command asks for it however long it is.
        let (line, asked) = (&self.batches, Instant::now());
        let deadline = line.deadline();
        let by_sha = both(|call| call.by_sha);
        let replies = match line.ask_all_until(deadline, &by_sha).await {
            Err(Failed::UnknownScript) => {
                let by_source = both(|call| call.by_source());
                line.ask_all_until(deadline, &by_source).await
            }
            replies => replies,
        };
        let replies = replies.map_err(away)?;
        let Ok([Value::Array(taken), Value::Array(stored)]) = <[Value; 2]>::try_from(replies)
        else {
            return Err(Away::Unanswered);
        };
        let mut taken = taken.into_iter();
        let clock = clock(taken.next(), asked).ok_or(Away::Unanswered)?;
        if taken.next() == Some(Value::Int(1)) {
            return Ok((clock, Found::Nothing));
        }
        let stored = stored.into_iter().map(|value| match value {
            Value::BulkString(bytes) => Some(bytes),
            _ => None,
        });
        Ok((clock, Found::Bytes(stored.collect())))
    }

    async fn fill(&self, token: u128, fills: &[Fill<'_>]) -> Result<Vec<bool>, Away> {
        let mut call = Call::new(&FILL, fills.iter().map(|fill| fill.name));
        call.by_sha.arg(&token.to_be_bytes()[..]).arg(ms(LAG));
        for fill in fills {
            call.by_sha.arg(&fill.value[..]).arg(ms(fill.kept));
        }
        let reply = self.call(&call, fills.len()).await?;
        if reply.len() != fills.len() {
            return Err(Away::Unanswered);
        }
        let held = reply.into_iter().map(|held| held == Value::Int(1));
        Ok(held.collect())
    }

    async fn tokens(&self, names: &[&[u8]]) -> Result<Vec<Option<u128>>, Away> {
        let mut all = redis::pipe();
        for name in names {
            let range = super::format::TOKEN;
            all.cmd("GETRANGE")
                .arg(name)
                .arg(range.start)
                .arg(range.end - 1);
        }
        let line = self.line(names.len());
        let replies = line.ask_all(&all).await.map_err(away)?;
        let tokens = replies.into_iter().map(|value| match value {
            Value::BulkString(bytes) => bytes.try_into().ok().map(u128::from_be_bytes),
            _ => None,
        });
        Ok(tokens.collect())
    }

    async fn forget(&self, names: &[(Vec<u8>, Option<u64>)]) -> Result<(), Away> {
        let mut call = Call::new(&FORGET, names.iter().map(|(name, _)| &name[..]));
        call.by_sha.arg(ms(LAG));
        for (_, seen) in names {
            let seen = seen.map(u64::to_be_bytes);
            call.by_sha.arg(seen.as_ref().map_or(&[][..], |it| it));
        }
        // Short, however many there are.
        self.call(&call, 1).await.map(drop)
    }

    async fn sweep(&self, start: &[u8], at: &mut Cursor) -> Result<(), Away> {
        let pattern = pattern(start);
        let info = self.batches.ask(redis::cmd("INFO").arg("server")).await;
        let server = run_id(info.map_err(away)?).ok_or(Away::Unanswered)?;
        if at.server != server {
            let next = b"0".to_vec();
            *at = Cursor { server, next };
        }
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&at.next[..]).arg("MATCH").arg(&pattern[..]);
            scan.arg("COUNT").arg(PAGE);
            let page = self.batches.ask(&scan).await.map_err(away)?;
            let (next, names) = page_of(page).ok_or(Away::Unanswered)?;
            if !names.is_empty() {
                let removed = self.batches.ask(redis::cmd("DEL").arg(names)).await;
                removed.map_err(away)?;
            }
            at.next = next;
            if at.next == b"0" {
                return Ok(());
            }
        }
    }

    fn is_heard(&self) -> bool {
        self.changes.is_up()
    }

    fn listen(&self) {
        self.changes.start();
    }

    async fn heard(&self) -> bool {
        self.changes.heard().await
    }
}

fn away(failed: Failed) -> Away {
    match failed {
        Failed::Away(away) => away,
        Failed::UnknownScript => Away::Unanswered,
    }
}

/// What matches all that begins so.
fn pattern(start: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(start.len() + 1);
    for byte in start {
        if b"*?[]\\^-".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern.push(b'*');
    pattern
}

/// What a server is known by until it ends.
fn run_id(info: Value) -> Option<Vec<u8>> {
    let info: String = redis::from_redis_value(info).ok()?;
    let id = info.lines().find_map(|line| line.strip_prefix("run_id:"))?;
    Some(id.as_bytes().to_vec())
}

/// Where a sweep goes on, and the names that it has found.
fn page_of(page: Value) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    redis::from_redis_value(page).ok()
}

fn clock(now: Option<Value>, asked: Instant) -> Option<Clock> {
    let Value::Int(ms) = now? else { return None };
    Some(Clock {
        ms: u64::try_from(ms).ok()?,
        asked,
        answered: Instant::now(),
    })
}

fn state(left: Value, bytes: Value) -> Option<State> {
    let (Value::Int(left), Value::BulkString(bytes)) = (left, bytes) else {
        return None;
    };
    Some(match left {
        -1 => State::Fresh(bytes),
        0 => State::Ours(bytes),
        _ => State::Theirs {
            left: Duration::from_millis(u64::try_from(left).ok()?),
        },
    })
}
