//! A test's own part of a server that all tests share.

#[cfg(feature = "redis")]
mod keys;
mod name;
#[cfg(feature = "postgres")]
mod schema;

#[cfg(feature = "redis")]
pub use self::keys::{Keys, redis};
#[cfg(feature = "postgres")]
pub use self::schema::{Schema, postgres};

/// The URL of a shared server, which `cargo xtask test` hands to the tests.
fn shared_url(variable: &str, tier: &str, example: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set, and this test needs a server. One of these helps:\n  \
             cargo xtask test {tier}\n  \
             export {variable}={example}   # a server whose data may go"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    #[test]
    fn a_test_without_its_server_fails_and_says_what_helps() {
        let asked = panic::catch_unwind(|| shared_url("TESTKIT_NOT_SET", "redis", "redis://host"));
        let words = asked.expect_err("the variable is not set");
        let words = words.downcast::<String>().expect("a formatted message");
        for fix in [
            "cargo xtask test redis",
            "export TESTKIT_NOT_SET=redis://host",
        ] {
            assert!(words.contains(fix), "{fix} in {words}");
        }
    }
}
