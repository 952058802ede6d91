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
        let mut versions = Vec::new();
        let mut lines = headers.get_all(name).iter().peekable();
        lines.peek()?;
        // A tag of ours holds no comma, so that splitting at commas can't break one.
        for tag in lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
        {
            let tag = tag.trim();
            if tag == "*" {
                return Some(Self::Any);
            }
            let version = opaque(tag)
                .strip_prefix('"')
                .and_then(|tag| tag.strip_suffix('"'))
                .and_then(|version| version.parse::<i64>().ok());
            versions.extend(version);
        }
        Some(Self::OneOf(versions))
    }
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
