//! Conditional requests: RFC 9110, section 13. A user's entity tag is its version.

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The entity tag of a version.
pub(super) fn etag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("quotes and digits")
}

/// What a request says about the version that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// `*`: whichever it is.
    Any,
    /// One of these. A tag that we can't have made is left out: it matches nothing.
    OneOf(Vec<i64>),
}

impl Condition {
    /// `If-Match`, by strong comparison: a weak tag matches nothing.
    pub(super) fn if_match(headers: &HeaderMap) -> Option<Self> {
        Self::read(headers, IF_MATCH, |tag| tag)
    }

    /// `If-None-Match`, by weak comparison.
    pub(super) fn if_none_match(headers: &HeaderMap) -> Option<Self> {
        Self::read(headers, IF_NONE_MATCH, |tag| {
            tag.strip_prefix("W/").unwrap_or(tag)
        })
    }

    pub(super) fn is_met_by(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }

    fn read(headers: &HeaderMap, name: HeaderName, opaque: impl Fn(&str) -> &str) -> Option<Self> {
        let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let lines: Vec<&[u8]> = lines.collect();
        if lines.is_empty() {
            return None;
        }
        if lines == [b"*"] {
            return Some(Self::Any);
        }
        // A comma may be part of a tag of somebody else's. Its pieces are no tags of ours, because
        // ours are digits between two quotes, and between two quotes there is no quote.
        let tags = lines.iter().filter_map(|line| str::from_utf8(line).ok());
        let tags = tags.flat_map(|line| line.split(',')).map(str::trim);
        Some(Self::OneOf(
            tags.filter_map(|tag| version(opaque(tag))).collect(),
        ))
    }
}

/// The version whose entity tag this is.
fn version(tag: &str) -> Option<i64> {
    let text = tag.strip_prefix('"')?.strip_suffix('"')?;
    let version = text.parse::<i64>().ok()?;
    // Not `"+3"` nor `"03"`: a tag is compared letter by letter.
    (version.to_string() == text).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_as_rfc_9110_says() {
        let one_of = |versions: &[i64]| Some(Condition::OneOf(versions.to_vec()));
        for (lines, if_match, if_none_match) in [
            (&[][..], None, None),
            (&["\"3\""], one_of(&[3]), one_of(&[3])),
            (&["\"3\", \"4\""], one_of(&[3, 4]), one_of(&[3, 4])),
            (&["\"3\"", "\"4\""], one_of(&[3, 4]), one_of(&[3, 4])),
            (&["W/\"3\""], one_of(&[]), one_of(&[3])),
            (&["*"], Some(Condition::Any), Some(Condition::Any)),
            (&["3"], one_of(&[]), one_of(&[])),
            (&["\"three\""], one_of(&[]), one_of(&[])),
            (&["\"+3\""], one_of(&[]), one_of(&[])),
            (&["\"03\""], one_of(&[]), one_of(&[])),
            (&["\"x,*,y\""], one_of(&[]), one_of(&[])),
            (&["\"x,3,y\""], one_of(&[]), one_of(&[])),
            (&["\"3\", *"], one_of(&[3]), one_of(&[3])),
            (&["*", "\"3\""], one_of(&[3]), one_of(&[3])),
            (&[""], one_of(&[]), one_of(&[])),
            (&["\""], one_of(&[]), one_of(&[])),
            (&["\"99999999999999999999\""], one_of(&[]), one_of(&[])),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_MATCH, HeaderValue::from_static(line));
                headers.append(IF_NONE_MATCH, HeaderValue::from_static(line));
            }
            assert_eq!(Condition::if_match(&headers), if_match, "{lines:?}");
            assert_eq!(
                Condition::if_none_match(&headers),
                if_none_match,
                "{lines:?}"
            );
        }
    }
}
