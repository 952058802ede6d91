//! `err!`, `bail!`, `ensure!` and `code!`.

/// Makes an [`Error`](crate::Error) from a text or a code.
///
/// | form | costs |
/// |---|---|
/// | `err!("a literal")` | nothing |
/// | `err!(CODE)`, `err!(CODE, "a literal")` | nothing |
/// | `err!("text {with} {}", values)`, `err!(CODE, "text {}", values)` | the text and a node |
/// | any with `; key = value, ...` behind it | a node, and the text if it has one to fill in |
///
/// A text with fields behind it takes its values by name only: `"user {id}"`.
///
/// A code is the path of a `static` or `const` [`Code`](crate::Code). For an error value write
/// `Error::from(value)`, or just `?`.
///
/// # Examples
///
/// ```
/// use errchain::{Kind, Sensitive, code, err};
///
/// code!(NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "User not found");
/// let (id, email) = (7, "ada@example.org");
///
/// assert_eq!(err!("out of ink").to_string(), "out of ink");
/// assert_eq!(err!(NOT_FOUND).to_string(), "User not found");
/// assert_eq!(err!("user {id} of {}", 9).to_string(), "user 7 of 9");
///
/// let error = err!(NOT_FOUND, "no row"; user_id = id, email = Sensitive::new(email));
/// assert_eq!(error.fields().count(), 2);
/// ```
#[macro_export]
macro_rules! err {
    ($message:literal $(,)?) => {
        $crate::__err_literal!($crate::__private::Fixed::literal($message), $message, format())
    };
    ($message:literal; $($key:ident = $value:expr),+ $(,)?) => {
        $crate::err!($message)$(.with(::core::stringify!($key), $value))+
    };
    ($message:literal, $($args:expr),+; $($fields:tt)*) => {
        $crate::__err_args_and_fields!()
    };
    ($message:literal, $($args:tt)+) => {
        $crate::__private::format(::core::format_args!($message, $($args)+))
    };
    ($code:path $(,)?) => {{
        static __ERRCHAIN_FIXED: $crate::__private::Fixed = $crate::__private::Fixed::coded(&$code);
        $crate::Error::from_fixed(&__ERRCHAIN_FIXED)
    }};
    ($code:path; $($key:ident = $value:expr),+ $(,)?) => {
        $crate::err!($code)$(.with(::core::stringify!($key), $value))+
    };
    ($code:path, $message:literal $(,)?) => {
        $crate::__err_literal!(
            $crate::__private::Fixed::coded_literal(&$code, $message),
            $message,
            format_coded(&$code,)
        )
    };
    ($code:path, $message:literal; $($key:ident = $value:expr),+ $(,)?) => {
        $crate::err!($code, $message)$(.with(::core::stringify!($key), $value))+
    };
    ($code:path, $message:literal, $($args:expr),+; $($fields:tt)*) => {
        $crate::__err_args_and_fields!()
    };
    ($code:path, $message:literal, $($args:tt)+) => {
        $crate::__private::format_coded(&$code, ::core::format_args!($message, $($args)+))
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "err! takes a literal or the path of a code; of an error value make `Error::from(value)`"
        )
    };
}

/// The name that `anyhow` has for [`err!`](crate::err!), so that moving over is a matter of
/// `use errchain as anyhow`.
#[macro_export]
macro_rules! anyhow {
    ($($args:tt)+) => {
        $crate::err!($($args)+)
    };
}

/// Both values for the text and fields, which is one separator too many to be read by.
#[doc(hidden)]
#[macro_export]
macro_rules! __err_args_and_fields {
    () => {
        ::core::compile_error!(
            "a text with fields takes its values by name, `\"user {id}\"; key = value`, or as fields"
        )
    };
}

/// A literal is static unless it has something to fill in, which is known at compile time.
#[doc(hidden)]
#[macro_export]
macro_rules! __err_literal {
    ($fixed:expr, $message:literal, $format:ident($($code:expr,)?)) => {{
        static __ERRCHAIN_FIXED: $crate::__private::Fixed = $fixed;
        const __ERRCHAIN_IS_PLAIN: bool = $crate::__private::is_plain($message);
        if __ERRCHAIN_IS_PLAIN {
            $crate::Error::from_fixed(&__ERRCHAIN_FIXED)
        } else {
            $crate::__private::$format($($code,)? ::core::format_args!($message))
        }
    }};
}

/// Returns an error from the function: `return Err(err!(...))`.
///
/// # Examples
///
/// ```
/// use errchain::{Result, bail};
///
/// fn print(pages: u32) -> Result<()> {
///     if pages > 100 {
///         bail!("out of paper"; pages = pages);
///     }
///     Ok(())
/// }
/// # assert!(print(101).is_err() && print(100).is_ok());
/// ```
#[macro_export]
macro_rules! bail {
    ($($args:tt)+) => {
        return ::core::result::Result::Err($crate::err!($($args)+))
    };
}

/// Returns an error from the function unless the condition holds.
///
/// Without more than a condition, the error says which one it was.
///
/// # Examples
///
/// ```
/// use errchain::{Kind, Result, code, ensure};
///
/// code!(EMPTY: "cart", "EMPTY", Kind::FailedPrecondition, "The cart is empty");
///
/// fn checkout(items: u32) -> Result<()> {
///     ensure!(items > 0, EMPTY);
///     ensure!(items < 100, "too many"; items = items);
///     ensure!(items != 13);
///     Ok(())
/// }
/// assert!(checkout(0).unwrap_err().is(&EMPTY));
/// assert_eq!(checkout(13).unwrap_err().to_string(), "condition failed: `items != 13`");
/// ```
#[macro_export]
macro_rules! ensure {
    ($condition:expr $(,)?) => {
        if !$condition {
            static __ERRCHAIN_FIXED: $crate::__private::Fixed = $crate::__private::Fixed::literal(
                ::core::concat!("condition failed: `", ::core::stringify!($condition), "`"),
            );
            return ::core::result::Result::Err($crate::Error::from_fixed(&__ERRCHAIN_FIXED));
        }
    };
    ($condition:expr, $($args:tt)+) => {
        if !$condition {
            $crate::bail!($($args)+);
        }
    };
}

/// Declares a [`Code`](crate::Code) as a `static`: `NAME: domain, reason, kind, title`.
///
/// Settings may follow, in this order: `retry = Retry::Immediate`, `http_status = 412`, and with the
/// feature `backtrace` `capture = true`. An invalid reason, domain or status does not compile.
///
/// # Examples
///
/// ```
/// use errchain::{Kind, code};
///
/// code! {
///     /// Documented as any other item.
///     pub NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "User not found"
/// }
/// assert_eq!(NOT_FOUND.to_string(), "user/NOT_FOUND");
/// ```
///
/// ```compile_fail
/// errchain::code!(WRONG: "user", "not found", errchain::Kind::NotFound, "User not found");
/// ```
#[macro_export]
macro_rules! code {
    (
        $(#[$attribute:meta])*
        $visibility:vis $name:ident: $domain:expr, $reason:expr, $kind:expr, $title:expr
        $(, retry = $retry:expr)? $(, http_status = $status:expr)? $(, capture = $capture:expr)? $(,)?
    ) => {
        $(#[$attribute])*
        $visibility static $name: $crate::Code =
            $crate::Code::new($domain, $reason, $kind, $title)$(.with_retry($retry))?$(.with_http_status($status))?$(.with_capture($capture))?;
    };
}
