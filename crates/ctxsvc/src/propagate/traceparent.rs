//! The trace that a request belongs to.

use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// W3C Trace Context, section 3.3.1.5: what is longer may be cut, and we leave it out.
const TRACESTATE_MAX: usize = 512;

/// The trace that a request belongs to, as its `traceparent` says: a value of the context.
///
/// It was read by the rules of [W3C Trace Context](https://www.w3.org/TR/trace-context/); one that
/// breaks them is as none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent {
    parent: HeaderValue,
    state: Option<HeaderValue>,
}

impl TraceParent {
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let (parent, None) = (parents.next()?, parents.next()) else {
            return None;
        };
        let state = headers.get(TRACESTATE);
        is_valid(parent.as_bytes()).then(|| Self {
            parent: parent.clone(),
            state: state.filter(|state| state.len() <= TRACESTATE_MAX).cloned(),
        })
    }

    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if headers.contains_key(TRACEPARENT) {
            return;
        }
        headers.insert(TRACEPARENT, self.parent.clone());
        if let Some(state) = &self.state {
            headers.insert(TRACESTATE, state.clone());
        }
    }

    /// The trace's id: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.part(3..35)
    }

    /// The id of the caller's span: 16 hexadecimal digits.
    #[must_use]
    pub fn parent_id(&self) -> &str {
        self.part(36..52)
    }

    /// Whether the caller has recorded the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(self.part(53..55), 16).is_ok_and(|flags| flags & 1 == 1)
    }

    fn part(&self, range: std::ops::Range<usize>) -> &str {
        let parent = self.parent.to_str().unwrap_or_default();
        parent.get(range).unwrap_or_default()
    }
}

/// Section 3.2: `version-traceid-parentid-flags`; what a later version appends is allowed.
fn is_valid(value: &[u8]) -> bool {
    let Some((known, rest)) = value.split_at_checked(55) else {
        return false;
    };
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let has_form = known.iter().enumerate().all(|(at, byte)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => is_hex(byte),
    });
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let version = &known[..2];
    let is_long_enough = rest.is_empty() || (version != b"00" && rest[0] == b'-');
    has_form
        && version != b"ff"
        && !is_zero(&known[3..35])
        && !is_zero(&known[36..52])
        && is_long_enough
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    fn read(text: &str) -> Option<TraceParent> {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_str(text).expect("visible"));
        TraceParent::read(&headers)
    }

    #[test]
    fn a_traceparent_is_read_by_the_rules_or_not_at_all() {
        let good = format!("00-{TRACE}-{PARENT}-01");
        let zeros = "0".repeat(32);
        for (text, is_valid) in [
            (good.clone(), true),
            (format!("cc-{TRACE}-{PARENT}-01"), true),
            (format!("cc-{TRACE}-{PARENT}-01-what-comes"), true),
            (format!("cc-{TRACE}-{PARENT}-01."), false),
            (format!("{good}-more"), false),
            (format!("ff-{TRACE}-{PARENT}-01"), false),
            (format!("00-{zeros}-{PARENT}-01"), false),
            (format!("00-{TRACE}-0000000000000000-01"), false),
            (good.to_uppercase(), false),
            (good.replace('-', "_"), false),
            (good[..54].to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(read(&text).is_some(), is_valid, "{text}");
        }
    }

    #[test]
    fn its_parts_are_told() {
        let parent = read(&format!("00-{TRACE}-{PARENT}-01")).expect("it is valid");
        assert_eq!((parent.trace_id(), parent.parent_id()), (TRACE, PARENT));
        assert!(parent.is_sampled());
        assert!(
            !read(&format!("00-{TRACE}-{PARENT}-02"))
                .expect("it is valid")
                .is_sampled()
        );
    }
}
