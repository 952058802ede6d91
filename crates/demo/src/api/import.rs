//! Many users in one request, as a stream of lines of JSON.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::{Buf, Bytes};
use errchain::{Error, Result};
use http_body_util::BodyExt;
use serde::Serialize;

use super::Store;
use super::lines::{Lines, TooLong};
use super::refusal::{MEDIA_TYPE, of_body, refused};
use crate::user::{Draft, User, UserInput};

const LINE_BYTES_MAX: usize = 8 * 1_024;

/// Users in one transaction: enough to make its cost small, few enough that other writers get
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

#[derive(Debug, Serialize)]
struct Refusal {
    /// Counted from 1.
    line: u64,
    detail: String,
}

/// Imports the valid lines and reports the others. It answers when all that it reports as imported
/// is stored. If the body breaks off, what was imported until then stays, and the problem document
/// says how much that is.
#[errchain::traced]
pub(super) async fn import(
    State(store): State<Store>,
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
    let mut import = Import::new(store);
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

struct Import {
    store: Store,
    lines_seen: u64,
    batch: Vec<User>,
    /// The line of each user of the batch.
    batch_lines: Vec<u64>,
    report: Report,
}

impl Import {
    fn new(store: Store) -> Self {
        Self {
            store,
            lines_seen: 0,
            batch: Vec::with_capacity(BATCH),
            batch_lines: Vec::with_capacity(BATCH),
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
        match parse(line) {
            Ok(None) => {}
            Ok(Some(draft)) => {
                self.batch.push(User::new(draft));
                self.batch_lines.push(self.lines_seen);
            }
            Err(detail) => self.refuse(self.lines_seen, &detail),
        }
        if self.batch.len() == BATCH {
            self.store_batch().await?;
        }
        Ok(())
    }

    async fn store_batch(&mut self) -> Result<()> {
        let stored = match self.store.insert_free(&self.batch).await {
            Ok(stored) => stored,
            Err(error) => return Err(self.stopped(error)),
        };
        let batch = std::mem::take(&mut self.batch);
        let batch_lines = std::mem::take(&mut self.batch_lines);
        for (user, line) in batch.iter().zip(batch_lines) {
            if stored.contains(&user.id) {
                self.report.imported += 1;
            } else {
                self.refuse(line, "Another user has this e-mail address.");
            }
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, detail: &str) {
        self.report.refused += 1;
        if self.report.refusals.len() < REFUSALS_MAX {
            let detail = detail.chars().take(DETAIL_CHARS_MAX).collect();
            self.report.refusals.push(Refusal { line, detail });
        }
    }

    fn stopped(&self, error: Error) -> Error {
        error
            .public("imported", self.report.imported)
            .public("refused", self.report.refused)
    }
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
