//! What can be asked of an error.

use alloc::boxed::Box;
use core::error;
use core::iter::FusedIterator;
use core::panic::Location;

use crate::classify::classify;
use crate::raw::Records;
use crate::record::{Field, Record};
use crate::{Code, CodeRef, Error, Kind, Retry, StdError, Value, foreign};

/// How many causes of the root are looked at for another error of ours: a foreign chain that
/// runs in a circle has no end.
const MAX_CAUSES: usize = 1 << 10;

impl Error {
    /// The code it was given last.
    ///
    /// An error without one answers for an [`Error`] further down its chain, as it lies there
    /// when a library's own error type has a [`StdError`] as its source. So do all questions
    /// here.
    #[must_use]
    #[inline]
    pub fn code(&self) -> Option<CodeRef<'_>> {
        match self.handle.code() {
            Some(code) => Some(CodeRef::new(code)),
            None => self.nested()?.code(),
        }
    }

    /// This code was given to it, last or earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// use errchain::{Kind, code, err};
    ///
    /// code!(NO_ROW: "db", "NO_ROW", Kind::NotFound, "No such row");
    /// code!(NO_USER: "user", "NO_USER", Kind::NotFound, "No such user");
    ///
    /// let error = err!(NO_ROW).with_code(&NO_USER);
    /// assert!(error.is(&NO_USER) && error.is(&NO_ROW));
    /// assert_eq!(error.code().map(|code| code.reason()), Some("NO_USER"));
    /// ```
    #[must_use]
    #[inline]
    pub fn is(&self, code: &Code) -> bool {
        self.handle.code().is_some_and(|own| own.same(code)) || self.was(code)
    }

    #[cold]
    fn was(&self, code: &Code) -> bool {
        let replaced = self.handle.records().any(|record| match record {
            Record::Recoded(earlier) => earlier.same(code),
            _ => false,
        });
        replaced || self.nested().is_some_and(|nested| nested.is(code))
    }

    /// What kind of failure it is: that of its code, or else what the cause is known to be, or
    /// else [`Kind::Unknown`].
    ///
    /// Known causes are those of `std::io`, and with their features tokio's timeouts, `sqlx` and
    /// `redis`. They are looked at only here.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.code()
            .map_or_else(|| classify(self.handle.root()), CodeRef::kind)
    }

    /// Whether trying again may help: what its code says, or else what its kind does.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.code() {
            Some(code) => code.retry(),
            None if self.kind() == Kind::Unavailable => Retry::Backoff,
            None => Retry::Never,
        }
    }

    /// All fields, in the order in which they were added.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            records: self.handle.records(),
            error: self,
        }
    }

    /// The value of this key, that of the outermost field if there are several.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&Value> {
        let own = self.handle.records().filter_map(|record| match record {
            Record::Field(field) if field.key() == key => Some(field.value()),
            _ => None,
        });
        // What was added last lies outermost; an error further down lies below all of it.
        own.last().or_else(|| self.nested()?.field(key))
    }

    /// Where it came up: the `err!`, or the `?` that took over a foreign error.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.handle.site()
    }

    /// Where it passed on its way up, oldest first. Those of an error further down its chain
    /// come after its own, as its fields do.
    pub fn hops(&self) -> impl Iterator<Item = &'static Location<'static>> {
        self.records()
            .filter_map(|record| match record {
                Record::Hops(hops) => Some(hops.iter()),
                _ => None,
            })
            .flatten()
    }

    /// Its own records, then those of the error of ours further down, and so on.
    fn records(&self) -> impl Iterator<Item = &Record> {
        core::iter::successors(Some(self), |error| error.nested())
            .flat_map(|error| error.handle.records())
    }

    /// The stack where it came up, if the [policy](crate::capture::Policy) was to capture it.
    #[cfg(feature = "backtrace")]
    #[must_use]
    pub fn backtrace(&self) -> Option<&crate::capture::Backtrace> {
        let own = self.handle.records().find_map(|record| match record {
            Record::Stack(stack) => Some(stack),
            _ => None,
        });
        own.or_else(|| self.nested()?.backtrace())
    }

    /// The levels from the outermost context down to the first cause.
    ///
    /// It has no end if a foreign error is its own source.
    #[must_use]
    pub fn chain(&self) -> Chain<'_> {
        Chain {
            next: Some(self.handle.outermost()),
        }
    }

    /// The last level of the [`chain`](Self::chain).
    #[must_use]
    pub fn root_cause(&self) -> &(dyn error::Error + 'static) {
        self.chain().fold(self.handle.root(), |_, level| level)
    }

    /// The first error of ours in the root and its causes. The root itself is one if it is
    /// shared.
    pub(crate) fn nested(&self) -> Option<&Self> {
        let causes = Chain {
            next: Some(self.handle.root()),
        };
        causes
            .take(MAX_CAUSES)
            .find_map(ours)
            .map(StdError::as_error)
    }
}

/// An error of ours, also behind a pointer, which is an error of its own type.
fn ours<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a StdError> {
    let boxed = || error.downcast_ref::<Box<StdError>>().map(Box::as_ref);
    let ours = error.downcast_ref().or_else(boxed);
    #[cfg(target_has_atomic = "ptr")]
    let ours = ours.or_else(|| {
        let shared = error.downcast_ref::<alloc::sync::Arc<StdError>>();
        shared.map(AsRef::as_ref)
    });
    ours
}

/// The levels of an error, outermost first: what [`Error::chain`] returns.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    next: Option<&'a (dyn error::Error + 'static)>,
}

impl<'a> Iterator for Chain<'a> {
    type Item = &'a (dyn error::Error + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        let level = self.next?;
        self.next = foreign::source(level);
        Some(level)
    }
}

impl FusedIterator for Chain<'_> {}

/// The fields of an error, oldest first: what [`Error::fields`] returns.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    records: Records<'a>,
    error: &'a Error,
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a Field;

    fn next(&mut self) -> Option<&'a Field> {
        loop {
            match self.records.next() {
                Some(Record::Field(field)) => return Some(field),
                Some(_) => {}
                None => {
                    // The fields of an error further down come after our own.
                    self.error = self.error.nested()?;
                    self.records = self.error.handle.records();
                }
            }
        }
    }
}
