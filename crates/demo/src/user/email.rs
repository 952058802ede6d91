//! An e-mail address.

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest address that SMTP can carry: RFC 5321, section 4.5.3.1.3, less its two brackets.
const BYTES_MAX: usize = 254;

/// An e-mail address: `addr-spec` of RFC 5322, section 3.4.1, with a domain of two labels or more
/// and neither comments nor an address literal.
///
/// # Examples
///
/// ```
/// use demo::user::Email;
///
/// let email = Email::parse("Ada@Example.com")?;
/// assert_eq!(email.as_str(), "Ada@Example.com");
/// assert_eq!(email.key(), "ada@example.com");
/// assert!(Email::parse("ada@").is_err());
/// # Ok::<(), demo::user::EmailError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
pub struct Email(String);

impl Email {
    /// Checks an address.
    ///
    /// # Errors
    ///
    /// An [`EmailError`] that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.len() > BYTES_MAX {
            return Err(EmailError::TooLong { bytes: text.len() });
        }
        let options = Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal();
        match EmailAddress::parse_with_options(text, options) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(source) => Err(EmailError::Malformed { source }),
        }
    }

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness is judged by. RFC 5321, section 2.4, lets the part before the `@` depend on
    /// case, and no large provider makes use of that: to treat two spellings as two people would
    /// only help an impostor.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// Whatever it was read from.
impl TryFrom<String> for Email {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, EmailError> {
        Self::parse(&text)
    }
}

/// Why an [`Email`] was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum EmailError {
    /// Longer than any mail server accepts.
    #[error("is {bytes} bytes long: the most is {BYTES_MAX}")]
    #[non_exhaustive]
    TooLong {
        /// The length of what was given.
        bytes: usize,
    },
    /// Not an address.
    #[error("is not an e-mail address such as ada@example.com")]
    #[non_exhaustive]
    Malformed {
        /// The rule that it breaks.
        source: email_address::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_accepted_and_refused_as_rfc_5322_says() {
        let longest_domain = format!("ada@{}.com", ["a"; 94].join("."));
        for (text, is_valid) in [
            ("ada@example.com", true),
            ("ada+tag@mail.example.co.uk", true),
            ("\"ada lovelace\"@example.com", true),
            ("o'hara@example.com", true),
            ("用户@例子.公司", true),
            (longest_domain.as_str(), true),
            ("", false),
            ("ada", false),
            ("ada@", false),
            ("@example.com", false),
            ("ada@example", false),
            ("ada@@example.com", false),
            ("ada@exam ple.com", false),
            ("ada.@example.com", false),
            (".ada@example.com", false),
            ("a..da@example.com", false),
            ("ada@-example.com", false),
            ("ada@[127.0.0.1]", false),
            ("Ada <ada@example.com>", false),
            ("ada@example.com\n", false),
            ("ada@example.com\r\nBcc: eve@example.com", false),
            ("a\0da@example.com", false),
        ] {
            assert_eq!(Email::parse(text).is_ok(), is_valid, "{text:?}");
        }
    }

    #[test]
    fn an_address_is_refused_by_its_length_before_it_is_read() {
        for (bytes, is_valid) in [(254, true), (255, false), (1 << 20, false)] {
            // Labels of one letter, so that nothing but the whole length is at its bound.
            let domain = ".b".repeat((bytes - 3) / 2);
            let local = "a".repeat(bytes - domain.len());
            let text = format!("{local}@{}", &domain[1..]);
            assert_eq!(text.len(), bytes);
            assert_eq!(Email::parse(&text).is_ok(), is_valid, "{bytes} bytes");
        }
    }
}
