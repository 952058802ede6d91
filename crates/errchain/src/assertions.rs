//! `assert_chain!`, `assert_code!` and `assert_field!`, for the tests of programs.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{Display, Write as _};

use crate::{Code, Error, Value};

/// Asserts the messages of an error's [`chain`](crate::Error::chain), outermost first.
///
/// # Panics
///
/// If they differ; the message shows where.
///
/// # Examples
///
/// ```
/// use errchain::{assert_chain, err};
///
/// let error = err!("disk is full").context("saving");
/// assert_chain!(error, ["saving", "disk is full"]);
/// ```
#[macro_export]
macro_rules! assert_chain {
    ($error:expr, [$($message:expr),* $(,)?] $(,)?) => {
        $crate::__private::assert_chain(&$error, &[$(&$message),*])
    };
}

/// Asserts that an error has this code: that it was the last one given.
///
/// # Panics
///
/// If it has another one or none; the message shows the error.
///
/// # Examples
///
/// ```
/// use errchain::{Kind, assert_code, code, err};
///
/// code!(FULL: "disk", "FULL", Kind::ResourceExhausted, "Disk is full");
/// assert_code!(err!(FULL), FULL);
/// ```
#[macro_export]
macro_rules! assert_code {
    ($error:expr, $code:expr $(,)?) => {
        $crate::__private::assert_code(&$error, &$code)
    };
}

/// Asserts the value of an error's field, that of the outermost one if there are several.
///
/// # Panics
///
/// If it has another value or none; the message shows all fields.
///
/// # Examples
///
/// ```
/// use errchain::{assert_field, err};
///
/// let error = err!("disk is full"; free_bytes = 0);
/// assert_field!(error, "free_bytes", 0);
/// ```
#[macro_export]
macro_rules! assert_field {
    ($error:expr, $key:expr, $value:expr $(,)?) => {
        $crate::__private::assert_field(&$error, $key, &$value.into())
    };
}

#[doc(hidden)]
#[track_caller]
pub fn assert_chain(error: &Error, expected: &[&dyn Display]) {
    let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
    // One more than expected is enough to see that there are too many.
    let found: Vec<_> = error
        .chain()
        .take(expected.len() + 1)
        .map(ToString::to_string)
        .collect();
    assert!(found == expected, "{}", difference(&expected, &found));
}

#[doc(hidden)]
#[track_caller]
pub fn assert_code(error: &Error, expected: &Code) {
    let found = error.code();
    assert!(
        found.is_some_and(|found| found == *expected),
        "the code differs\n  expected: {expected}\n  found:    {}\nin {error:?}",
        found.map_or_else(|| "none".to_string(), |found| found.to_string()),
    );
}

#[doc(hidden)]
#[track_caller]
pub fn assert_field(error: &Error, key: &str, expected: &Value) {
    let found = error.field(key);
    // A value that is only shown has no equal, so it is compared as it is shown.
    let is_equal = found.is_some_and(|found| match (found, expected) {
        (Value::Display(_) | Value::Sensitive, _) | (_, Value::Display(_) | Value::Sensitive) => {
            found.to_string() == expected.to_string()
        }
        _ => found == expected,
    });
    let fields: Vec<_> = error.fields().collect();
    assert!(
        is_equal,
        "the field `{key}` differs\n  expected: {expected:?}\n  found:    {}\nin {fields:?}",
        found.map_or_else(|| "none".to_string(), |found| alloc::format!("{found:?}")),
    );
}

/// Both chains, level by level.
fn difference(expected: &[String], found: &[String]) -> String {
    let mut text = String::from("the chain differs");
    for level in 0..expected.len().max(found.len()) {
        let (left, right) = (expected.get(level), found.get(level));
        // Writing to a `String` never fails.
        let _ = match (left, right) {
            _ if left == right => write!(text, "\n    {}", found[level]),
            (Some(left), Some(right)) => write!(text, "\n  - {left}\n  + {right}"),
            (Some(left), None) => write!(text, "\n  - {left}"),
            (None, Some(right)) => write!(text, "\n  + {right}"),
            (None, None) => Ok(()),
        };
    }
    text.push_str("\n  (- expected, + found)");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::err;

    #[test]
    fn a_difference_shows_the_level_where_it_is() {
        let owned = |levels: &[&str]| levels.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (expected, found, shown) in [
            (&["a", "b"][..], &["a", "c"][..], "\n    a\n  - b\n  + c\n"),
            (&["a", "b"], &["a"], "\n    a\n  - b\n"),
            (&["a"], &["a", "b"], "\n    a\n  + b\n"),
            (&[], &["a"], "\n  + a\n"),
        ] {
            let text = difference(&owned(expected), &owned(found));
            assert!(text.contains(shown), "{text}");
        }
    }

    #[test]
    fn values_are_compared_by_what_they_are_or_by_what_they_show() {
        use crate::Sensitive;
        let error = err!("text")
            .with("number", 7_u8)
            .with("shown", Value::display(7))
            .with("secret", Sensitive::new(7));
        assert_field(&error, "number", &7_i64.into());
        assert_field(&error, "shown", &"7".into());
        assert_field(&error, "secret", &Value::Sensitive);
    }
}
