//! What the record log holds.

use core::fmt;
use core::panic::Location;

use crate::raw::ContextRecord;
use crate::{Code, Value};

/// One thing that was added to an error on its way up. The log is append-only and open: a new
/// kind of record is a new variant here and nothing in `raw`.
#[derive(Debug)]
pub(crate) enum Record {
    Context(ContextRecord),
    Field(Field),
    Hops(Hops),
    #[cfg(feature = "backtrace")]
    Stack(crate::capture::Backtrace),
    /// The code that another one has replaced since.
    Recoded(&'static Code),
}

impl Record {
    /// How many hops it takes as long as it is the newest.
    #[inline]
    pub(crate) fn room_for_hops(&self) -> u8 {
        match self {
            Self::Hops(_) => Hops::ROOM,
            _ => 0,
        }
    }

    /// Dropping it does something.
    #[inline]
    pub(crate) fn owns_memory(&self) -> bool {
        match self {
            Self::Context(context) => context.owns_memory(),
            Self::Field(field) => matches!(field.value, Value::Text(_) | Value::Display(_)),
            #[cfg(feature = "backtrace")]
            Self::Stack(_) => true,
            Self::Hops(_) | Self::Recoded(_) => false,
        }
    }
}

// Eleven of them lie in the node: a word more each would be 88 bytes more per error.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Record>() == 48);

/// A key with a value: see [`Error::with`](crate::Error::with).
pub struct Field {
    key: &'static str,
    value: Value,
    is_public: bool,
}

impl Field {
    pub(crate) const fn new(key: &'static str, value: Value, is_public: bool) -> Self {
        Self {
            key,
            value,
            is_public,
        }
    }

    /// What the value is called.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        self.key
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// A client may see it.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        self.is_public
    }
}

/// `key=value` as it would stand in a report: one line, escaped and cut.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::report::field_line(self))
    }
}

/// A run of hops. Several share one record, because traced code makes many of them in a row.
#[derive(Debug)]
pub(crate) struct Hops(pub(crate) [Option<&'static Location<'static>>; Self::MOST]);

impl Hops {
    /// How many more a new run takes.
    const ROOM: u8 = 4;
    const MOST: usize = 1 + Self::ROOM as usize;

    #[inline]
    pub(crate) const fn new(first: &'static Location<'static>) -> Self {
        Self([Some(first), None, None, None, None])
    }

    /// Where the next one goes if there is room for so many: right at the end if for one.
    #[inline]
    pub(crate) fn place(room: u8) -> usize {
        Self::MOST - usize::from(room)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Location<'static>> {
        self.0.iter().map_while(|place| *place)
    }
}
