//! A person's name.

use serde::{Deserialize, Serialize};
use thiserror::Error;

const CHARS_MAX: usize = 200;

/// What to call a user: 1 to 200 characters of any script, and no control characters.
///
/// # Examples
///
/// ```
/// use demo::user::Name;
///
/// assert_eq!(Name::parse("  Ada Lovelace ")?.as_str(), "Ada Lovelace");
/// assert!(Name::parse("Ada\0").is_err());
/// # Ok::<(), demo::user::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
pub struct Name(String);

impl Name {
    /// Checks a name and removes the white space around it.
    ///
    /// # Errors
    ///
    /// A [`NameError`] that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let chars = text.chars().count();
        if chars > CHARS_MAX {
            return Err(NameError::TooLong { chars });
        }
        if let Some(found) = text.chars().find(|char| char.is_control()) {
            return Err(NameError::ControlCharacter { found });
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whatever it was read from.
impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

/// Why a [`Name`] was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing, or nothing but white space.
    #[error("is empty: give 1 to {CHARS_MAX} characters")]
    Empty,
    /// Longer than a page can show.
    #[error("is {chars} characters long: the most is {CHARS_MAX}")]
    #[non_exhaustive]
    TooLong {
        /// The length of what was given.
        chars: usize,
    },
    /// A character that a terminal or a log would obey.
    #[error("holds the control character {}: leave it out", .found.escape_unicode())]
    #[non_exhaustive]
    ControlCharacter {
        /// The first one.
        found: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_counted_in_characters_and_holds_no_control_character() {
        let longest = "é".repeat(CHARS_MAX);
        let too_long = "é".repeat(CHARS_MAX + 1);
        for (text, expected) in [
            ("Ada", Ok("Ada")),
            ("\u{a0}Ada\n", Ok("Ada")),
            (longest.as_str(), Ok(longest.as_str())),
            (too_long.as_str(), Err(NameError::TooLong { chars: 201 })),
            ("", Err(NameError::Empty)),
            (" \t\r\n", Err(NameError::Empty)),
            ("A\0da", Err(NameError::ControlCharacter { found: '\0' })),
            (
                "A\u{1b}[31mda",
                Err(NameError::ControlCharacter { found: '\u{1b}' }),
            ),
            (
                "A\u{85}da",
                Err(NameError::ControlCharacter { found: '\u{85}' }),
            ),
        ] {
            let name = Name::parse(text);
            assert_eq!(
                name.as_ref().map(Name::as_str),
                expected.as_ref().copied(),
                "{text:?}"
            );
        }
    }
}
