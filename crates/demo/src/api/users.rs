//! Users, one at a time and by the page.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::header::{ETAG, LINK, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use errchain::Result;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Store;
use super::condition::{Condition, etag};
use super::extract::{Json, Path, Query};
use super::refusal::{MALFORMED, VERSION_MISSING, of_invalid, refused};
use crate::store::{UserStore, version_mismatch};
use crate::user::{Draft, User, UserInput};

const PAGE_DEFAULT: u32 = 20;
const PAGE_MAX: u32 = 100;

#[errchain::traced]
pub(super) async fn create(
    State(store): State<Store>,
    Json(input): Json<UserInput>,
) -> Result<Response> {
    let user = User::new(Draft::try_from(input).map_err(of_invalid)?);
    store.insert(&user).await?;
    let location = [(LOCATION, format!("/users/{}", user.id))];
    Ok((StatusCode::CREATED, location, body(user)).into_response())
}

#[errchain::traced]
pub(super) async fn read(
    State(store): State<Store>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response> {
    let user = store.get(id).await?;
    match Condition::if_none_match(&headers) {
        Some(seen) if seen.is_met_by(user.version) => {
            Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag(user.version))]).into_response())
        }
        _ => Ok(body(user).into_response()),
    }
}

#[errchain::traced]
pub(super) async fn update(
    State(store): State<Store>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    Json(input): Json<UserInput>,
) -> Result<Response> {
    let draft = Draft::try_from(input).map_err(of_invalid)?;
    let Some(condition) = Condition::if_match(&headers) else {
        return Err(refused(
            &VERSION_MISSING,
            "Send the ETag of the user that you have read as If-Match.",
        ));
    };
    refuse_if_none_match(&*store, id, &headers).await?;
    let expected = expected(&*store, id, condition).await?;
    Ok(body(store.update(id, expected, &draft).await?).into_response())
}

#[errchain::traced]
pub(super) async fn delete(
    State(store): State<Store>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<StatusCode> {
    refuse_if_none_match(&*store, id, &headers).await?;
    let condition = Condition::if_match(&headers).unwrap_or(Condition::Any);
    let expected = expected(&*store, id, condition).await?;
    store.delete(id, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A change under `If-None-Match` is for a user who is not at such a version: RFC 9110, section
/// 13.1.2.
async fn refuse_if_none_match(store: &dyn UserStore, id: Uuid, headers: &HeaderMap) -> Result<()> {
    let Some(unwanted) = Condition::if_none_match(headers) else {
        return Ok(());
    };
    let current = store.get(id).await?.version;
    if unwanted.is_met_by(current) {
        return Err(version_mismatch(current));
    }
    Ok(())
}

/// The one version that a change is for, since a store compares with no more than one.
async fn expected(store: &dyn UserStore, id: Uuid, condition: Condition) -> Result<Option<i64>> {
    let versions = match condition {
        Condition::Any => return Ok(None),
        Condition::OneOf(versions) => versions,
    };
    if let [version] = versions[..] {
        return Ok(Some(version));
    }
    let current = store.get(id).await?.version;
    if versions.contains(&current) {
        Ok(Some(current))
    } else {
        Err(version_mismatch(current))
    }
}

fn body(user: User) -> impl IntoResponse {
    ([(ETAG, etag(user.version))], axum::Json(user))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    limit: Option<u32>,
    after: Option<Uuid>,
    /// Just these, separated by commas, instead of a page.
    ids: Option<String>,
}

/// Users in the order of their ids. The next page starts after the last id of this one, not after
/// a number of rows: it costs the same however far in it is, and rows that come and go in between
/// shift nothing.
#[derive(Debug, Serialize)]
struct Page {
    users: Vec<User>,
    next: Option<String>,
}

#[errchain::traced]
pub(super) async fn list(
    State(store): State<Store>,
    Query(query): Query<PageQuery>,
) -> Result<Response> {
    if let Some(ids) = &query.ids {
        return several(&*store, ids).await;
    }
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        let detail = format!("limit is {limit}: set it from 1 to {PAGE_MAX}.");
        return Err(refused(&MALFORMED, detail));
    }
    // One more than asked for tells whether there is a next page.
    let mut users = store.list(query.after, limit + 1).await?;
    let has_next = users.len() > limit as usize;
    users.truncate(limit as usize);
    let next = users
        .last()
        .filter(|_| has_next)
        .map(|last| format!("/users?limit={limit}&after={}", last.id));
    let link = next
        .as_ref()
        .map(|next| [(LINK, format!("<{next}>; rel=\"next\""))]);
    Ok((link, axum::Json(Page { users, next })).into_response())
}

/// Those of several users that there are, in the order in which they were asked for.
async fn several(store: &dyn UserStore, ids: &str) -> Result<Response> {
    let parsed: std::result::Result<Vec<Uuid>, _> = ids.split(',').map(Uuid::try_parse).collect();
    let ids = match parsed {
        Ok(ids) if ids.len() <= PAGE_MAX as usize => ids,
        _ => {
            let detail = format!("ids has to be up to {PAGE_MAX} ids with commas in between.");
            return Err(refused(&MALFORMED, detail));
        }
    };
    let found = store.get_many(&ids).await?;
    let mut found: HashMap<Uuid, User> = found.into_iter().map(|user| (user.id, user)).collect();
    // An id that was asked for twice is answered once.
    let users = ids.iter().filter_map(|id| found.remove(id)).collect();
    Ok(axum::Json(Page { users, next: None }).into_response())
}
