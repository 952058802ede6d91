//! What a field can hold.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::Sensitive;
use crate::sensitive::PLACEHOLDER;

/// The value of a field, typed, so that it reaches logs and JSON as what it is.
///
/// Numbers, `bool`, `Duration` and static text cost no allocation. A type without a `From` here
/// goes in by [`Value::display`].
///
/// # Examples
///
/// ```
/// use errchain::Value;
///
/// assert_eq!(Value::from(3_u8), Value::U64(3));
/// assert_eq!(Value::from(None::<i64>), Value::Null);
/// assert_eq!(Value::display(std::net::Ipv4Addr::LOCALHOST).to_string(), "127.0.0.1");
/// ```
#[non_exhaustive]
pub enum Value {
    /// Nothing, for an `Option` that is `None`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A number with a fraction.
    F64(f64),
    /// A span of time.
    Duration(Duration),
    /// Text from the program itself.
    Static(&'static str),
    /// Text from elsewhere.
    Text(Box<str>),
    /// Whatever can be shown, formatted when somebody looks.
    Display(Box<dyn fmt::Display + Send + Sync>),
    /// A value was here and must not be shown: see [`Sensitive`].
    Sensitive,
}

impl Value {
    /// A value that is formatted only when somebody looks, for one allocation.
    #[must_use]
    pub fn display(value: impl fmt::Display + Send + Sync + 'static) -> Self {
        Self::Display(Box::new(value))
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Static(text) => Some(text),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The value alone, without quotes.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::F64(value) => float(*value, f),
            Self::Duration(value) => fmt::Debug::fmt(value, f),
            Self::Static(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
            Self::Display(value) => value.fmt(f),
            Self::Sensitive => f.write_str(PLACEHOLDER),
        }
    }
}

/// With an exponent where it would have to be written out in up to 309 digits.
fn float(value: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if value == 0.0 || (1e-5..1e16).contains(&value.abs()) {
        return fmt::Display::fmt(&value, f);
    }
    fmt::LowerExp::fmt(&value, f)
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => fmt::Debug::fmt(text, f),
            None => fmt::Display::fmt(self, f),
        }
    }
}

/// Texts are equal whoever owns them, integers whatever their sign bit says, and neither
/// something that is only shown nor something sensitive equals anything.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::I64(left), Self::I64(right)) => left == right,
            (Self::U64(left), Self::U64(right)) => left == right,
            (Self::I64(signed), Self::U64(unsigned)) | (Self::U64(unsigned), Self::I64(signed)) => {
                u64::try_from(*signed) == Ok(*unsigned)
            }
            (Self::F64(left), Self::F64(right)) => left == right,
            (Self::Duration(left), Self::Duration(right)) => left == right,
            (left, right) => left
                .as_str()
                .is_some_and(|text| right.as_str() == Some(text)),
        }
    }
}

/// `From` for types that go in by `into`.
macro_rules! from {
    ($($variant:ident: $($type:ty),+;)+) => {$($(
        impl From<$type> for Value {
            #[inline]
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )+)+};
}

from! {
    Bool: bool;
    I64: i8, i16, i32, i64;
    U64: u8, u16, u32, u64;
    F64: f32, f64;
    Duration: Duration;
    Static: &'static str;
    Text: String, Box<str>;
}

impl From<usize> for Value {
    #[inline]
    fn from(value: usize) -> Self {
        // No platform has a usize of more than 64 bits.
        Self::U64(value as u64)
    }
}

impl From<isize> for Value {
    #[inline]
    fn from(value: isize) -> Self {
        // As above.
        Self::I64(value as i64)
    }
}

impl From<Cow<'static, str>> for Value {
    fn from(value: Cow<'static, str>) -> Self {
        match value {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

/// The value itself is dropped at once.
impl<T> From<Sensitive<T>> for Value {
    fn from(_: Sensitive<T>) -> Self {
        Self::Sensitive
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Bytes that are not UTF-8 appear as `\xFF`, so that none is lost.
#[cfg(feature = "std")]
impl From<&std::path::Path> for Value {
    fn from(path: &std::path::Path) -> Self {
        use core::fmt::Write as _;

        let mut text = String::new();
        let encoded = path.as_os_str().as_encoded_bytes();
        for chunk in encoded.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                // Writing to a `String` never fails.
                let _ = write!(text, "\\x{byte:02X}");
            }
        }
        text.into()
    }
}

#[cfg(feature = "std")]
impl From<std::path::PathBuf> for Value {
    fn from(path: std::path::PathBuf) -> Self {
        path.as_path().into()
    }
}
