//! Which trace a request belongs to: W3C Trace Context, level 2. No clock, no spans, no runtime.

use http::header::Entry;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::random::{hex, random};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Section 3.2: version, ids and flags in hexadecimal, and three hyphens.
const TRACEPARENT_LENGTH: usize = 55;
const SAMPLED: u8 = 0x01;
/// Level 2, section 3.2.2.5.2: the right half of the trace id is random.
const RANDOM: u8 = 0x02;
/// Section 3.3.1.1.
const STATE_MEMBERS_MAX: usize = 32;
/// Section 3.3.1.5 asks for at least as much. Longer lists are dropped.
const STATE_BYTES_MAX: usize = 512;

/// The place of one piece of work in a trace, as the headers `traceparent` and `tracestate` carry it
/// (W3C Trace Context, level 2).
///
/// [`Trace`](crate::Trace) leaves that of the request in its headers; a handler that asks other
/// services [`extract`](Self::extract)s it, and makes a [`child`](Self::child) of it for each call.
///
/// ```
/// use http::HeaderMap;
/// use middleware_chain::TraceContext;
///
/// let mut headers = HeaderMap::new();
/// TraceContext::root().child().inject(&mut headers);
/// assert!(TraceContext::extract(&headers).is_some());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
    state: Option<HeaderValue>,
}

impl TraceContext {
    /// The beginning of a new trace, which is to be recorded.
    #[must_use]
    pub fn root() -> Self {
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&random());
        trace[8..].copy_from_slice(&random());
        Self {
            trace,
            span: random(),
            flags: SAMPLED | RANDOM,
            state: None,
        }
    }

    /// Another piece of work in the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span: random(),
            ..self.clone()
        }
    }

    /// What the headers say, if that is well formed: exactly one `traceparent`. A `tracestate` that
    /// is malformed or too long is left out.
    ///
    /// It believes what is there: behind a [`Trace`](crate::Trace) that is the request's own place, and without
    /// one it is what the client has written. A layer between the two that drops these headers, or makes
    /// another request, loses it.
    #[must_use]
    pub fn extract(headers: &HeaderMap) -> Option<Self> {
        let mut context = Self::only(headers.get_all(TRACEPARENT).iter())?;
        context.state = state(headers);
        Some(context)
    }

    /// Puts a piece of work of ours in the place of what the headers say, and continues that if it is
    /// trusted and well formed: that piece of work, and the span that it is a child of.
    ///
    /// It is `extract` and `inject` with each header looked for once.
    pub(crate) fn take_over(headers: &mut HeaderMap, is_trusted: bool) -> (Self, Option<[u8; 8]>) {
        let mut entry = headers.entry(TRACEPARENT);
        let parent = match &entry {
            Entry::Occupied(there) if is_trusted => Self::only(there.iter()),
            _ => None,
        };
        let mut own = parent.as_ref().map_or_else(Self::root, Self::child);
        match &mut entry {
            Entry::Occupied(there) => drop(there.insert(own.traceparent())),
            Entry::Vacant(_) => drop(entry.or_insert_with(|| own.traceparent())),
        }
        if headers.contains_key(TRACESTATE) {
            own.state = parent.as_ref().and_then(|_| state(headers));
            own.inject_state(headers);
        }
        (own, parent.map(|parent| parent.span))
    }

    /// Writes the headers, in place of those that are there.
    pub fn inject(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.traceparent());
        self.inject_state(headers);
    }

    fn inject_state(&self, headers: &mut HeaderMap) {
        match &self.state {
            Some(state) => headers.insert(TRACESTATE, state.clone()),
            None => headers.remove(TRACESTATE),
        };
    }

    /// The id of the trace: 16 bytes.
    #[must_use]
    pub const fn trace_id(&self) -> [u8; 16] {
        self.trace
    }

    /// The id of this piece of work: 8 bytes.
    #[must_use]
    pub const fn span_id(&self) -> [u8; 8] {
        self.span
    }

    /// Whether the caller records the trace.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// What one `traceparent` says, if there is exactly one.
    fn only<'h>(mut parents: impl Iterator<Item = &'h HeaderValue>) -> Option<Self> {
        let parent = parents.next().filter(|_| parents.next().is_none())?;
        Self::parse(parent.as_bytes())
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let value = trim(value);
        let (known, rest) = value.split_at_checked(TRACEPARENT_LENGTH)?;
        let [version] = unhex(&known[..2])?;
        // Version 255 is forbidden, and only a version to come may have more to say.
        let has_a_right_end = match version {
            0xff => false,
            0 => rest.is_empty(),
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let has_hyphens = [2, 35, 52].iter().all(|at| known[*at] == b'-');
        let trace: [u8; 16] = unhex(&known[3..35])?;
        let span: [u8; 8] = unhex(&known[36..52])?;
        let [flags] = unhex(&known[53..])?;
        let is_valid = has_a_right_end && has_hyphens && trace != [0; 16] && span != [0; 8];
        is_valid.then_some(Self {
            trace,
            span,
            flags: flags & (SAMPLED | RANDOM),
            state: None,
        })
    }

    fn traceparent(&self) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        hex(&self.trace, &mut text[3..35]);
        hex(&self.span, &mut text[36..52]);
        hex(&[self.flags], &mut text[53..]);
        HeaderValue::from_bytes(&text).expect("hexadecimal digits and hyphens are allowed")
    }
}

/// The members of all `tracestate` headers, if each is well formed (section 3.3.1).
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut list: Vec<u8> = Vec::new();
    let mut keys: Vec<&[u8]> = Vec::new();
    let values = headers.get_all(TRACESTATE).iter();
    let members = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    for member in members.map(trim).filter(|member| !member.is_empty()) {
        let at = member.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&member[..at], &member[at + 1..]);
        let is_new = keys.len() < STATE_MEMBERS_MAX && !keys.contains(&key);
        if !is_new || !is_key(key) || !is_value(value) {
            return None;
        }
        if !list.is_empty() {
            list.push(b',');
        }
        list.extend(member);
        if list.len() > STATE_BYTES_MAX {
            return None;
        }
        keys.push(key);
    }
    (!list.is_empty())
        .then(|| HeaderValue::from_bytes(&list).ok())
        .flatten()
}

/// Level 2, section 3.3.1.3.1. All keys of level 1 are among them, also `tenant@system`.
fn is_key(key: &[u8]) -> bool {
    let may_begin = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_allowed = |byte: &u8| may_begin(byte) || b"_-*/@".contains(byte);
    key.len() <= 256 && key.first().is_some_and(may_begin) && key.iter().all(is_allowed)
}

/// Section 3.3.1.3.2. Blanks around it are not a part of it.
fn is_value(value: &[u8]) -> bool {
    let is_allowed = |byte: &u8| matches!(byte, b' '..=b'~') && !b",=".contains(byte);
    (1..=256).contains(&value.len()) && value.iter().all(is_allowed)
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Lower case only, as section 3.2.2 asks. Looked up without a branch for each digit.
fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    const NONE: u8 = 0xff;
    const DIGITS: [u8; 256] = {
        let mut digits = [NONE; 256];
        let mut digit = 0;
        while digit < 16 {
            digits[b"0123456789abcdef"[digit as usize] as usize] = digit;
            digit += 1;
        }
        digits
    };
    let (mut bytes, mut all) = ([0; N], 0);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        all |= high | low;
        *byte = high << 4 | low;
    }
    (all < 16).then_some(bytes)
}
