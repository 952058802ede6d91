//! Many users in one request, as a stream of lines of JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::{Extension, Json};
use bytes::{Buf, Bytes};
use elastic_pool::task::Pool;
use errchain::{Code, Error, Kind, Result, Retry, code};
use http_body_util::BodyExt;
use serde::Serialize;

use super::Store;
use super::lines::{Lines, TooLong};
use super::refusal::{MEDIA_TYPE, of_body, refused};
use crate::user::{Draft, User, UserInput};

const LINE_BYTES_MAX: usize = 8 * 1_024;

code!(BUSY: "import", "BUSY", Kind::Unavailable, "There are too many imports", retry = Retry::After(Duration::from_secs(1)));
code!(NOT_STORED: "import", "NOT_STORED", Kind::Internal, "The users could not be stored");

/// A batch that waits longer than this for its turn is given up on, and the import with it.
const QUEUED_MAX: Duration = Duration::from_secs(5);

/// Lines of one transaction: enough to make its cost small, few enough that other writers get
/// their turn.
const BATCH: usize = 500;

/// Refused lines that are described. More are only counted: a file of another format must not be
/// answered with a document of its own size.
const REFUSALS_MAX: usize = 100;

/// A reason may quote the line.
const DETAIL_CHARS_MAX: usize = 200;

/// What some programs put before the first line: RFC 8259, section 8.1, lets us ignore it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What became of the lines.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    imported: u64,
    refused: u64,
    /// The first refused lines.
    refusals: Vec<Refusal>,
}

impl Report {
    fn refuse(&mut self, line: u64, detail: &str) {
        self.refused += 1;
        if self.refusals.len() < REFUSALS_MAX {
            let detail = detail.chars().take(DETAIL_CHARS_MAX).collect();
            self.refusals.push(Refusal { line, detail });
        }
    }

    fn add(&mut self, batch: Self) {
        self.imported += batch.imported;
        self.refused += batch.refused;
        let left = REFUSALS_MAX - self.refusals.len();
        self.refusals.extend(batch.refusals.into_iter().take(left));
    }
}

#[derive(Debug, Serialize)]
struct Refusal {
    /// Counted from 1.
    line: u64,
    detail: String,
}

/// Imports the valid lines and reports the others. They are checked and stored by the tasks of the
/// pool, a batch at a time, so that many imports at once leave room for other requests. It answers when
/// all that it reports as imported is stored. If the body breaks off, what was imported until then stays, and the problem document
/// says how much that is.
#[errchain::traced]
pub(super) async fn import(
    State(store): State<Store>,
    Extension(importing): Extension<Pool>,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Json<Report>> {
    if !is_ndjson(&headers) {
        return Err(refused(
            &MEDIA_TYPE,
            "Send one user per line with the header Content-Type: application/x-ndjson.",
        ));
    }
    let mut lines = Lines::new(LINE_BYTES_MAX);
    let mut import = Import::new(store, importing);
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Err(import.stopped(of_body(&error))),
        };
        let Ok(piece) = frame.into_data() else {
            continue; // Trailers.
        };
        lines.feed(&piece);
        while let Some(line) = lines.next() {
            import.line(line).await?;
        }
    }
    if let Some(line) = lines.finish() {
        import.line(line).await?;
    }
    import.store_batch().await?;
    Ok(Json(import.report))
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    media_type.is_some_and(|media_type| {
        [
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
        ]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(media_type))
    })
}

/// A line, by its number.
type Numbered = (u64, Result<Bytes, TooLong>);

struct Import {
    store: Store,
    importing: Pool,
    lines_seen: u64,
    batch: Vec<Numbered>,
    report: Report,
}

impl Import {
    fn new(store: Store, importing: Pool) -> Self {
        Self {
            store,
            importing,
            lines_seen: 0,
            batch: Vec::with_capacity(BATCH),
            report: Report::default(),
        }
    }

    async fn line(&mut self, mut line: Result<Bytes, TooLong>) -> Result<()> {
        self.lines_seen += 1;
        if let (1, Ok(first)) = (self.lines_seen, &mut line)
            && first.starts_with(BYTE_ORDER_MARK)
        {
            first.advance(BYTE_ORDER_MARK.len());
        }
        self.batch.push((self.lines_seen, line));
        if self.batch.len() == BATCH {
            self.store_batch().await?;
        }
        Ok(())
    }

    /// Has the pool check and store what has come, and waits for it.
    async fn store_batch(&mut self) -> Result<()> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        if batch.is_empty() {
            return Ok(());
        }
        let job = self.importing.job(store(Arc::clone(&self.store), batch));
        let handle = match job.timeout(QUEUED_MAX).try_submit() {
            Ok(handle) => handle,
            Err(refused) => return Err(self.stopped(not_stored(&BUSY, &refused))),
        };
        match handle.await {
            Ok(Ok(report)) => {
                self.report.add(report);
                Ok(())
            }
            Ok(Err(error)) => Err(self.stopped(error)),
            Err(error) => {
                let is_late = error.cancel_reason().is_some();
                let code = if is_late { &BUSY } else { &NOT_STORED };
                Err(self.stopped(not_stored(code, &error)))
            }
        }
    }

    fn stopped(&self, error: Error) -> Error {
        error
            .public("imported", self.report.imported)
            .public("refused", self.report.refused)
    }
}

fn not_stored(code: &'static Code, cause: &dyn std::fmt::Display) -> Error {
    code.err().with("cause", cause.to_string())
}

/// Stores the valid ones of a batch of lines.
async fn store(store: Store, batch: Vec<Numbered>) -> Result<Report> {
    let mut report = Report::default();
    let mut users = Vec::with_capacity(batch.len());
    let mut lines = Vec::with_capacity(batch.len());
    for (number, line) in batch {
        match parse(line) {
            Ok(None) => {}
            Ok(Some(draft)) => {
                users.push(User::new(draft));
                lines.push(number);
            }
            Err(detail) => report.refuse(number, &detail),
        }
    }
    if users.is_empty() {
        return Ok(report);
    }
    let stored = store.insert_free(&users).await?;
    for (user, line) in users.iter().zip(lines) {
        if stored.contains(&user.id) {
            report.imported += 1;
        } else {
            report.refuse(line, "Another user has this e-mail address.");
        }
    }
    Ok(report)
}

/// A user, or `None` for an empty line.
fn parse(line: Result<Bytes, TooLong>) -> Result<Option<Draft>, String> {
    let line =
        line.map_err(|TooLong| format!("The line is longer than {LINE_BYTES_MAX} bytes."))?;
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let input: UserInput = serde_json::from_slice(&line)
        .map_err(|error| format!("The line is not a user: {error}."))?;
    match Draft::try_from(input) {
        Ok(draft) => Ok(Some(draft)),
        Err(errors) => {
            let details: Vec<_> = errors.into_iter().map(|error| error.detail).collect();
            Err(details.join("; "))
        }
    }
}
