//! What other crates see of an error, and what it sees of theirs.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum_core::response::IntoResponse;
use errchain::{Context, Error, Kind, Result, Retry, Sensitive, code, err};
use serde_json::{Value as Json, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

code!(NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "User not found");
code!(BUSY: "user", "BUSY", Kind::ResourceExhausted, "Slow down",
    retry = Retry::After(Duration::from_millis(2_001)));

fn problem(error: &Error) -> Json {
    serde_json::from_str(&error.problem().to_string()).expect("a problem is JSON")
}

#[test]
fn a_problem_has_the_members_of_rfc_9457_and_nothing_that_is_not_public() {
    let error = err!(NOT_FOUND, "canary")
        .context("canary")
        .with("internal", "canary")
        .public("secret", Sensitive::new("canary"))
        .public("user_id", 7)
        .public("tag", "a")
        .public("tag", "b\n");
    let document = problem(&error);
    assert_eq!(
        document,
        json!({
            "type": "about:blank",
            "title": "User not found",
            "status": 404,
            "code": "user/NOT_FOUND",
            "fields": { "secret": "<sensitive>", "user_id": 7, "tag": ["a", "b\n"] },
        })
    );
    let document = error
        .problem()
        .type_base("https://example.org/errors/")
        .instance("/users/7?a=\"b\"")
        .to_string();
    let document: Json = serde_json::from_str(&document).expect("a problem is JSON");
    assert_eq!(
        document["type"],
        "https://example.org/errors/user/NOT_FOUND"
    );
    assert_eq!(document["instance"], "/users/7?a=\"b\"");
}

#[test]
fn a_problem_shows_a_programmer_what_it_shows_a_client() {
    let error = err!(NOT_FOUND, "canary").with("internal", "canary");
    let problem = error.problem().instance("/users/7");
    assert_eq!(format!("{problem:?}"), problem.to_string());
}

#[test]
fn a_problem_looks_at_its_fields_as_often_however_many_there_are() {
    /// Asked for its cause at the end of each look at the fields.
    #[derive(Debug, Default)]
    struct Root(Arc<AtomicUsize>);
    impl fmt::Display for Root {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("root")
        }
    }
    impl std::error::Error for Root {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.0.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let looks = |keys: &[&'static str]| {
        let root = Root::default();
        let looks = Arc::clone(&root.0);
        let error = keys
            .iter()
            .fold(Error::new(root), |e, key| e.public(key, 1));
        assert_eq!(problem(&error)["fields"]["a"], 1);
        looks.load(Ordering::Relaxed)
    };
    assert_eq!(looks(&keys[..1]), looks(&keys));

    // If each field were looked for among those before it, this would take minutes.
    let repeated = |error, key| (0..20_000).fold(error, |error: Error, _| error.public(key, 1));
    let document = problem(&repeated(repeated(err!(NOT_FOUND), "first"), "second"));
    for key in ["first", "second"] {
        let values = document["fields"][key].as_array().map(Vec::len);
        assert_eq!(values, Some(20_000), "{key}");
    }
}

#[test]
fn of_several_details_the_outermost_text_is_the_detail_and_the_others_are_fields() {
    let error = err!(NOT_FOUND)
        .public("detail", "inner")
        .public("detail", "outer")
        .public("detail", 7);
    let document = problem(&error);
    assert_eq!(document["detail"], "outer");
    assert_eq!(document["fields"], json!({ "detail": ["inner", 7] }));

    let number = problem(&err!(NOT_FOUND).public("detail", 7));
    assert_eq!(number.get("detail"), None, "it is a text in RFC 9457");
    assert_eq!(number["fields"], json!({ "detail": 7 }));
}

#[test]
fn fields_that_do_not_fit_are_said_to_be_cut() {
    let many = (0..40_000).fold(err!(NOT_FOUND), |error, _| error.public("tag", "a text"));
    let error = many.public("last", 1);
    let document = problem(&error);
    assert_eq!(document["is_cut"], true);
    assert_eq!(document["fields"].get("last"), None);
    assert_eq!(
        problem(&err!(NOT_FOUND).public("tag", 1)).get("is_cut"),
        None
    );

    let recorder = Recorder::default();
    tracing::subscriber::with_default(recorder.clone(), || error.emit(Level::ERROR));
    let events = recorder.0.lock().expect("nobody panics under the lock");
    let fields = events[0].1["error.fields"].as_str().unwrap_or_default();
    let fields: Vec<Json> = serde_json::from_str(fields).expect("fields are JSON");
    assert_eq!(fields.last(), Some(&json!({ "is_cut": true })));
}

#[test]
fn a_problem_without_a_code_is_the_servers() {
    let io = |kind| Error::from(std::io::Error::from(kind)).context("canary");
    for (error, status) in [
        (err!("canary"), 500),
        (io(std::io::ErrorKind::NotFound), 500),
        (io(std::io::ErrorKind::ConnectionRefused), 503),
        (io(std::io::ErrorKind::TimedOut), 504),
        (Error::from(sqlx::Error::RowNotFound), 500),
    ] {
        let document = problem(&error);
        assert_eq!(document["status"], status, "{error:?}");
        assert!(!document.to_string().contains("canary"), "{document}");
    }
}

#[test]
fn a_code_may_have_a_status_of_its_own_and_an_occurrence_a_detail() {
    code!(CHANGED: "user", "CHANGED", Kind::FailedPrecondition, "Changed", http_status = 412);
    let error = err!(CHANGED)
        .public("detail", "Read it again.")
        .public("current", 7);
    let document = problem(&error);
    assert_eq!(document["status"], 412);
    assert_eq!(document["detail"], "Read it again.");
    assert_eq!(document["fields"], serde_json::json!({"current": 7}));
    assert_eq!(error.problem().status(), 412);
    assert_eq!(error.kind(), Kind::FailedPrecondition);

    let internal = problem(&err!(CHANGED).with("detail", "canary"));
    assert_eq!(internal.get("detail"), None, "{internal}");
}

#[test]
fn a_response_carries_the_document_and_the_error() {
    let response = err!(BUSY).with("shard", 3).into_response();
    assert_eq!(response.status(), 429);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(response.headers()["retry-after"], "3", "rounded up");
    let error = response
        .extensions()
        .get::<Arc<Error>>()
        .expect("for who logs it");
    assert!(error.is(&BUSY) && error.field("shard").is_some());
    for kind in Kind::all() {
        assert!(
            http::StatusCode::from_u16(kind.http_status()).is_ok(),
            "{kind}"
        );
    }
}

#[test]
fn the_kinds_of_foreign_errors_are_known() {
    use redis::{ErrorKind as Redis, RedisError, ServerErrorKind as Server};
    let redis = |kind| Error::from(RedisError::from((kind, "text")));
    for (error, kind) in [
        (Error::from(sqlx::Error::RowNotFound), Kind::NotFound),
        (Error::from(sqlx::Error::PoolTimedOut), Kind::Unavailable),
        (
            Error::from(sqlx::Error::ColumnNotFound("id".into())),
            Kind::Internal,
        ),
        (
            Error::from(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
            Kind::DeadlineExceeded,
        ),
        (
            database("23505", sqlx::error::ErrorKind::UniqueViolation),
            Kind::AlreadyExists,
        ),
        (
            database("40001", sqlx::error::ErrorKind::Other),
            Kind::Aborted,
        ),
        (
            database("57P01", sqlx::error::ErrorKind::Other),
            Kind::Unavailable,
        ),
        (
            database("08006", sqlx::error::ErrorKind::Other),
            Kind::Unavailable,
        ),
        (
            database("53300", sqlx::error::ErrorKind::Other),
            Kind::Unavailable,
        ),
        (
            database("40P01", sqlx::error::ErrorKind::Other),
            Kind::Aborted,
        ),
        (Error::from(sqlx::Error::PoolClosed), Kind::Unavailable),
        (Error::from(sqlx::Error::WorkerCrashed), Kind::Unavailable),
        (
            database("57014", sqlx::error::ErrorKind::Other),
            Kind::DeadlineExceeded,
        ),
        (
            database("42P01", sqlx::error::ErrorKind::Other),
            Kind::Unknown,
        ),
        (database("é", sqlx::error::ErrorKind::Other), Kind::Unknown),
        (redis(Redis::Server(Server::BusyLoading)), Kind::Unavailable),
        (redis(Redis::Server(Server::ClusterDown)), Kind::Unavailable),
        (redis(Redis::Server(Server::MasterDown)), Kind::Unavailable),
        (redis(Redis::Server(Server::TryAgain)), Kind::Unavailable),
        (redis(Redis::Server(Server::ReadOnly)), Kind::Unavailable),
        (
            redis(Redis::MasterNameNotFoundBySentinel),
            Kind::Unavailable,
        ),
        (
            redis(Redis::NoValidReplicasFoundBySentinel),
            Kind::Unavailable,
        ),
        (redis(Redis::ClusterConnectionNotFound), Kind::Unavailable),
        (redis(Redis::Server(Server::NoPerm)), Kind::Internal),
        (redis(Redis::Parse), Kind::Internal),
        (
            Error::from(RedisError::from(std::io::Error::from(
                std::io::ErrorKind::TimedOut,
            ))),
            Kind::DeadlineExceeded,
        ),
        (
            Error::from(RedisError::from(std::io::Error::from(
                std::io::ErrorKind::BrokenPipe,
            ))),
            Kind::Unavailable,
        ),
    ] {
        let error = error.context("above");
        assert_eq!(error.kind(), kind, "{error:#}");
        assert_eq!(
            error.with_code(&BUSY).kind(),
            Kind::ResourceExhausted,
            "a code is stronger"
        );
    }
}

#[test]
fn a_tokio_timeout_is_a_deadline() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let result: Result<()> = runtime.block_on(async {
        let never = std::future::pending::<()>();
        tokio::time::timeout(Duration::from_secs(1), never)
            .await
            .context("waiting")
    });
    assert_eq!(
        result.expect_err("it never comes").kind(),
        Kind::DeadlineExceeded
    );
    Ok(())
}

/// An error as a database would report it.
fn database(code: &'static str, kind: sqlx::error::ErrorKind) -> Error {
    #[derive(Debug)]
    struct Reported(&'static str, sqlx::error::ErrorKind);
    impl fmt::Display for Reported {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    impl std::error::Error for Reported {}
    impl sqlx::error::DatabaseError for Reported {
        fn message(&self) -> &str {
            self.0
        }
        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.into())
        }
        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }
        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }
        fn kind(&self) -> sqlx::error::ErrorKind {
            match self.1 {
                sqlx::error::ErrorKind::UniqueViolation => sqlx::error::ErrorKind::UniqueViolation,
                _ => sqlx::error::ErrorKind::Other,
            }
        }
    }
    Error::from(sqlx::Error::Database(Box::new(Reported(code, kind))))
}

/// Keeps the attributes of all events.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<(Level, Json)>>>);

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "errchain" && *metadata.level() <= Level::INFO
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut attributes = Attributed(json!({}));
        event.record(&mut attributes);
        let mut events = self.0.lock().expect("nobody panics under the lock");
        events.push((*event.metadata().level(), attributes.0));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Attributed(Json);

impl Visit for Attributed {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0[field.name()] = format!("{value:?}").into();
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0[field.name()] = value.into();
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0[field.name()] = value.into();
    }
}

#[test]
fn an_event_has_opentelemetrys_names_and_the_level_it_was_given() {
    let recorder = Recorder::default();
    tracing::subscriber::with_default(recorder.clone(), || {
        let error = Error::from(std::io::Error::other("disk is gone"))
            .context("saving")
            .with("user_id", 7)
            .with("email", Sensitive::new("canary"));
        for level in [
            Level::ERROR,
            Level::WARN,
            Level::INFO,
            Level::DEBUG,
            Level::TRACE,
        ] {
            error.emit(level);
        }
        err!(NOT_FOUND).emit(Level::WARN);
        err!(BUSY).emit(Level::WARN);
        err!("text").context("above").emit(Level::WARN);
        err!("number {}", 1).emit(Level::WARN);
        BUSY.err().emit(Level::WARN);
    });
    let events = recorder.0.lock().expect("nobody panics under the lock");
    let levels: Vec<_> = events.iter().map(|(level, _)| *level).collect();
    assert_eq!(
        levels,
        [
            Level::ERROR,
            Level::WARN,
            Level::INFO,
            Level::WARN,
            Level::WARN,
            Level::WARN,
            Level::WARN,
            Level::WARN
        ]
    );

    let (_, event) = &events[0];
    assert_eq!(event["message"], "saving");
    assert_eq!(event["error.type"], "UNKNOWN");
    assert_eq!(event["error.retryable"], false);
    assert_eq!(event["exception.type"], "std::io::error::Error");
    assert_eq!(event["exception.message"], "saving: disk is gone");
    let stacktrace = event["exception.stacktrace"].as_str().unwrap_or_default();
    assert!(
        stacktrace.contains("caused by: disk is gone"),
        "{stacktrace}"
    );
    let fields = event["error.fields"].as_str().unwrap_or_default();
    let fields: Json = serde_json::from_str(fields).expect("fields are JSON");
    assert_eq!(fields[0], json!({ "key": "user_id", "value": 7 }));
    assert!(!event.to_string().contains("canary"));
    assert_eq!(events[3].1["error.type"], "user/NOT_FOUND");
    assert_eq!(events[3].1["error.retryable"], false);
    assert_eq!(events[4].1["error.retryable"], true);
    // Of one made here it does not matter how, or what was added to it.
    for event in &events[3..] {
        assert_eq!(event.1["exception.type"], "errchain::Error");
    }
}
