//! Stable identity: what a failure is called by programs.

use core::fmt;
use core::panic::Location;

use crate::fixed::Coded;
use crate::{Error, Kind, Retry};

/// The stable identity of a failure: who names it, what it is called, what it means.
///
/// Declare one with [`code!`](crate::code!), which checks it at compile time. Programs compare
/// domain and reason and nothing else, so that a title can be reworded and a kind corrected
/// without a break.
///
/// # Examples
///
/// ```
/// use errchain::{Kind, Retry, code};
///
/// code!(pub BUSY: "db", "BUSY", Kind::Unavailable, "The database is busy");
/// code!(LOCKED: "db", "ROW_LOCKED", Kind::Aborted, "Try again", retry = Retry::Immediate);
///
/// assert_eq!(BUSY.kind(), Kind::Unavailable);
/// assert_eq!(BUSY.retry(), Retry::Backoff, "the default of its kind");
/// assert_eq!(LOCKED.retry(), Retry::Immediate);
/// ```
#[derive(Debug, Clone)]
pub struct Code {
    domain: &'static str,
    reason: &'static str,
    title: &'static str,
    kind: Kind,
    retry: Retry,
    http_status: u16,
    #[cfg(feature = "backtrace")]
    capture: Option<bool>,
}

impl Code {
    /// A code; [`code!`](crate::code!) does this in a `static`.
    ///
    /// The limits are those of `google.rpc.ErrorInfo` (AIP-193).
    ///
    /// # Panics
    ///
    /// If the reason is not 3 to 63 characters of `[A-Z][A-Z0-9_]+[A-Z0-9]`, or the domain is
    /// not 1 to 63 characters of `[a-z0-9._-]`. In a `static` or `const` that is an error at
    /// compile time.
    #[must_use]
    pub const fn new(
        domain: &'static str,
        reason: &'static str,
        kind: Kind,
        title: &'static str,
    ) -> Self {
        assert!(
            is_domain(domain.as_bytes()),
            "a code's domain is 1 to 63 characters of [a-z0-9._-]"
        );
        assert!(
            is_reason(reason.as_bytes()),
            "a code's reason is 3 to 63 characters of [A-Z][A-Z0-9_]+[A-Z0-9]"
        );
        let retry = match kind {
            // AIP-194: the only kind that may be retried without knowing more.
            Kind::Unavailable => Retry::Backoff,
            _ => Retry::Never,
        };
        Self {
            domain,
            reason,
            title,
            kind,
            retry,
            http_status: kind.http_status(),
            #[cfg(feature = "backtrace")]
            capture: None,
        }
    }

    /// Replaces the default of the kind: [`Retry::Backoff`] if it is [`Kind::Unavailable`], and
    /// [`Retry::Never`] otherwise.
    #[must_use]
    pub const fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Replaces the HTTP status of the kind, where HTTP tells apart what the sixteen kinds do not:
    /// 412 and 428 are both a failed precondition.
    ///
    /// # Panics
    ///
    /// If it is not from 400 to 599. In a `static` or `const` that is an error at compile time.
    #[must_use]
    pub const fn with_http_status(mut self, status: u16) -> Self {
        assert!(
            status >= 400 && status <= 599,
            "the HTTP status of a code is from 400 to 599"
        );
        self.http_status = status;
        self
    }

    /// Always or never captures the stack of an error that is made with this code, whatever the
    /// [policy](crate::capture::Policy) is.
    #[cfg(feature = "backtrace")]
    #[must_use]
    pub const fn with_capture(mut self, capture: bool) -> Self {
        self.capture = Some(capture);
        self
    }

    #[cfg(feature = "backtrace")]
    pub(crate) const fn capture(&self) -> Option<bool> {
        self.capture
    }

    /// An error with this code. One allocation; [`err!`](crate::err!) needs none.
    #[track_caller]
    pub fn err(&'static self) -> Error {
        Error::coded(Coded(self), self, Location::caller())
    }

    /// Who gave the name: a service, a module, a domain.
    #[must_use]
    pub const fn domain(&self) -> &'static str {
        self.domain
    }

    /// The name, unique within the domain.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What a client may be told.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// Whether trying again may help.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        self.retry
    }

    /// The HTTP status: that of the kind, unless the code has its own.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        self.http_status
    }

    /// Same domain and same reason.
    #[inline]
    pub(crate) fn same(&self, other: &Self) -> bool {
        // The strings are compared only if the code was declared twice.
        core::ptr::eq(self, other) || (self.reason == other.reason && self.domain == other.domain)
    }
}

/// `domain/reason`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.reason)
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.same(other)
    }
}

impl Eq for Code {}

/// The code of an error, as [`Error::code`] returns it.
///
/// It compares with a [`Code`] by domain and reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRef<'a>(&'a Code);

impl<'a> CodeRef<'a> {
    pub(crate) const fn new(code: &'a Code) -> Self {
        Self(code)
    }

    /// Who gave the name.
    #[must_use]
    pub const fn domain(self) -> &'a str {
        self.0.domain
    }

    /// The name, unique within the domain.
    #[must_use]
    pub const fn reason(self) -> &'a str {
        self.0.reason
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.0.kind
    }

    /// What a client may be told.
    #[must_use]
    pub const fn title(self) -> &'a str {
        self.0.title
    }

    /// Whether trying again may help.
    #[must_use]
    pub const fn retry(self) -> Retry {
        self.0.retry
    }

    /// The HTTP status: that of the kind, unless the code has its own.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        self.0.http_status
    }
}

/// `domain/reason`.
impl fmt::Display for CodeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<Code> for CodeRef<'_> {
    fn eq(&self, other: &Code) -> bool {
        self.0.same(other)
    }
}

const fn is_reason(bytes: &[u8]) -> bool {
    let mut index = 0;
    while index < bytes.len() {
        let allowed = match bytes[index] {
            b'A'..=b'Z' => true,
            b'0'..=b'9' => index > 0,
            b'_' => index > 0 && index + 1 < bytes.len(),
            _ => false,
        };
        if !allowed {
            return false;
        }
        index += 1;
    }
    bytes.len() >= 3 && bytes.len() <= 63
}

const fn is_domain(bytes: &[u8]) -> bool {
    let mut index = 0;
    while index < bytes.len() {
        if !matches!(bytes[index], b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-') {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty() && bytes.len() <= 63
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_of_error_info() {
        for (reason, allowed) in [
            ("NOT_FOUND", true),
            ("A1B", true),
            ("AB", false),
            ("", false),
            ("_AB", false),
            ("AB_", false),
            ("1AB", false),
            ("not_found", false),
            ("NOT-FOUND", false),
            ("NOT_FOUND\n", false),
        ] {
            assert_eq!(is_reason(reason.as_bytes()), allowed, "{reason:?}");
        }
        assert!(is_reason(&[b'A'; 63]));
        assert!(!is_reason(&[b'A'; 64]));
    }

    #[test]
    #[cfg(feature = "std")]
    fn a_status_is_one_of_a_failure() {
        for (status, is_allowed) in [(399, false), (400, true), (599, true), (600, false)] {
            let code = || Code::new("test", "CODE", Kind::Internal, "").with_http_status(status);
            let outcome = std::panic::catch_unwind(code);
            assert_eq!(outcome.is_ok(), is_allowed, "{status}");
        }
    }

    #[test]
    fn domains_can_stand_in_a_url() {
        for (domain, allowed) in [
            ("user", true),
            ("api.example-1.org", true),
            ("", false),
            ("User", false),
            ("a/b", false),
            ("a b", false),
        ] {
            assert_eq!(is_domain(domain.as_bytes()), allowed, "{domain:?}");
        }
    }
}
