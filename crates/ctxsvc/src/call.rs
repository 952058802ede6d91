//! Calls to databases as spans, by the names of OpenTelemetry's conventions: of the caller's side, and
//! with no key, no value and no text of a query in them.
//!
//! Without the feature `tracing` all of this is nothing.

use std::borrow::Cow;

#[cfg(feature = "redis")]
use redis::Cmd;
#[cfg(feature = "tracing")]
use tracing::field::Empty;
#[cfg(feature = "tracing")]
use tracing::{Instrument, Span, info_span};

/// Of what type an error is, and the code that the server has given.
pub(crate) type Why<'a> = (&'static str, Option<Cow<'a, str>>);

/// A call that is traced, or will be.
#[derive(Clone)]
pub(crate) struct Call {
    #[cfg(feature = "tracing")]
    span: Span,
}

/// Where a database is, as far as it is known.
#[derive(Debug, Default)]
#[allow(
    dead_code,
    unnameable_types,
    unreachable_pub,
    reason = "a trait that can't be named returns it, and it depends on the features who reads it"
)]
pub struct Place<'a> {
    pub(crate) address: Option<&'a str>,
    pub(crate) port: Option<u16>,
    pub(crate) namespace: Option<&'a str>,
}

#[cfg(not(feature = "tracing"))]
#[allow(clippy::unused_self, reason = "there is nobody to tell")]
impl Call {
    #[cfg(feature = "redis")]
    pub(crate) fn to_redis<'a, C: Iterator<Item = &'a Cmd>>(
        _place: impl Fn() -> Place<'a>,
        _commands: impl Fn() -> C,
    ) -> Self {
        Self {}
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn to_sql<'a>(_system: &'static str, _place: impl Fn() -> Place<'a>) -> Self {
        Self {}
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn does(&self, _sql: &str) {}

    pub(crate) async fn of<F: Future>(&self, call: F) -> F::Output {
        call.await
    }

    pub(crate) fn failed<'a>(&self, _why: impl FnOnce() -> Why<'a>) {}
}

#[cfg(feature = "tracing")]
impl Call {
    /// Of one command, or of several at once.
    #[cfg(feature = "redis")]
    pub(crate) fn to_redis<'a, C: Iterator<Item = &'a Cmd>>(
        place: impl Fn() -> Place<'a>,
        commands: impl Fn() -> C,
    ) -> Self {
        let operation = || commands::operation(commands());
        let span = info_span!(
            "redis",
            otel.name = operation(),
            otel.kind = "client",
            db.system.name = "redis",
            db.operation.name = operation(),
            db.operation.batch.size = commands::batch_size(commands()),
            db.stored_procedure.name = commands::script(commands()),
            server.address = place().address,
            server.port = place().port,
            db.response.status_code = Empty,
            error.r#type = Empty,
        );
        Self { span }
    }

    /// Of a query, whose text says later what it [`does`](Self::does).
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn to_sql<'a>(system: &'static str, place: impl Fn() -> Place<'a>) -> Self {
        let span = info_span!(
            "sql",
            otel.name = Empty,
            otel.kind = "client",
            db.system.name = system,
            db.namespace = place().namespace,
            db.operation.name = Empty,
            server.address = place().address,
            server.port = place().port,
            db.response.status_code = Empty,
            error.r#type = Empty,
        );
        Self { span }
    }

    /// The first word of a query, if it is one of those by which queries begin.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn does(&self, sql: &str) {
        const OPERATIONS: [&str; 16] = [
            "ALTER", "BEGIN", "CALL", "COMMIT", "COPY", "CREATE", "DELETE", "DROP", "EXPLAIN",
            "INSERT", "MERGE", "ROLLBACK", "SELECT", "SET", "TRUNCATE", "UPDATE",
        ];
        if self.span.is_disabled() {
            return;
        }
        let word = sql.split_ascii_whitespace().next().unwrap_or_default();
        let same = OPERATIONS.iter().find(|it| it.eq_ignore_ascii_case(word));
        if let Some(operation) = same {
            self.span.record("otel.name", operation);
            self.span.record("db.operation.name", operation);
        }
    }

    pub(crate) async fn of<F: Future>(&self, call: F) -> F::Output {
        call.instrument(self.span.clone()).await
    }

    pub(crate) fn failed<'a>(&self, why: impl FnOnce() -> Why<'a>) {
        if self.span.is_disabled() {
            return;
        }
        let (kind, code) = why();
        // A code is a word, whatever the server says.
        let is_word =
            |code: &&str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let code = code.as_deref().filter(is_word);
        self.span.record("error.type", code.unwrap_or(kind));
        if let Some(code) = code {
            self.span.record("db.response.status_code", code);
        }
    }
}

#[cfg(all(feature = "redis", feature = "tracing"))]
mod commands {
    use redis::{Arg, Cmd};

    /// The command, or that there are several, and which if they are all the same.
    pub(super) fn operation<'a>(commands: impl Iterator<Item = &'a Cmd>) -> String {
        let words: Vec<_> = commands.map(|command| word(command, 0)).collect();
        match &words[..] {
            [one] => (*one).to_owned(),
            [first, rest @ ..] if rest.iter().all(|it| it == first) => format!("PIPELINE {first}"),
            _ => "PIPELINE".to_owned(),
        }
    }

    pub(super) fn batch_size<'a>(commands: impl Iterator<Item = &'a Cmd>) -> Option<u64> {
        let size = commands.count() as u64;
        (size > 1).then_some(size)
    }

    /// The digest by which a script is called.
    pub(super) fn script<'a>(mut commands: impl Iterator<Item = &'a Cmd>) -> Option<&'a str> {
        let command = commands.next().filter(|it| word(it, 0) == "EVALSHA")?;
        commands.next().is_none().then(|| word(command, 1))
    }

    fn word(command: &Cmd, nth: usize) -> &str {
        match command.args_iter().nth(nth) {
            Some(Arg::Simple(word)) => std::str::from_utf8(word).unwrap_or_default(),
            _ => "",
        }
    }
}
