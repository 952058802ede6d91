//! Keys of a test's own in the shared Redis.

use std::fmt;
use std::thread;
use std::time::Duration;

use ::redis::{Client, Commands, Connection, RedisResult, ScanOptions};

use super::{name, shared_url};

/// For each command of the set-up and of the clean-up.
const ANSWER_BOUND: Duration = Duration::from_secs(10);

/// Takes a prefix of its own in the Redis of `TEST_REDIS_URL`.
///
/// A test that flushes, kills or reconfigures the server starts its own:
/// [`Redis`](crate::Redis).
///
/// # Panics
///
/// When `TEST_REDIS_URL` is not set or nobody answers there. The message says what to do.
///
/// # Examples
///
/// ```no_run
/// let redis = testkit::redis();
/// let client = redis::Client::open(redis.url()).expect("the URL is a valid one");
/// let key = redis.key("user:1"); // testkit_1764000000_0123456789abcdef:user:1
/// # drop((client, key));
/// ```
#[must_use]
pub fn redis() -> Keys {
    Keys::at(shared_url(
        "TEST_REDIS_URL",
        "redis",
        "redis://127.0.0.1:6379",
    ))
}

/// A prefix for keys, from [`redis`](fn@redis).
///
/// When it is dropped, all keys with the prefix are removed. When that is because the test has
/// failed, they stay, and the command to look at them is printed.
pub struct Keys {
    url: String,
    prefix: String,
}

impl Keys {
    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a key of this test's begins with: `testkit_..._...:`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A key of this test's.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What is printed names the variable: the URL may hold a password.
    fn at(url: String) -> Self {
        let keys = Self {
            prefix: format!("{}:", name::unique()),
            url,
        };
        if let Err(error) = keys.connect().and_then(|mut shared| sweep(&mut shared)) {
            panic!("the server of TEST_REDIS_URL does not work: {error}");
        }
        keys
    }

    /// The command that shows the keys.
    fn look(&self) -> String {
        format!(
            r#"redis-cli -u "$TEST_REDIS_URL" --scan --pattern '{}*'"#,
            self.prefix
        )
    }

    fn connect(&self) -> RedisResult<Connection> {
        let connection = Client::open(self.url())?.get_connection_with_timeout(ANSWER_BOUND)?;
        connection.set_read_timeout(Some(ANSWER_BOUND))?;
        connection.set_write_timeout(Some(ANSWER_BOUND))?;
        Ok(connection)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the test's keys are kept: {}", self.look());
            return;
        }
        let pattern = format!("{}*", self.prefix);
        let removed = self
            .connect()
            .and_then(|mut connection| remove(&mut connection, &pattern, |_key| true));
        if let Err(error) = removed {
            eprintln!("the keys {pattern} were not removed: {error}");
        }
    }
}

/// Removes what killed tests have left behind.
fn sweep(connection: &mut Connection) -> RedisResult<()> {
    remove(
        connection,
        &format!("{}*", name::WORD),
        name::is_left_behind,
    )
}

fn remove(
    connection: &mut Connection,
    pattern: &str,
    is_removed: impl Fn(&str) -> bool,
) -> RedisResult<()> {
    let scan = ScanOptions::default()
        .with_pattern(pattern)
        .with_count(1_000);
    let keys: Vec<Vec<u8>> = connection.scan_options(scan)?.collect::<RedisResult<_>>()?;
    let removed: Vec<_> = keys
        .into_iter()
        .filter(|key| is_removed(&String::from_utf8_lossy(key)))
        .collect();
    if removed.is_empty() {
        return Ok(());
    }
    connection.unlink(removed)
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    #[test]
    fn a_password_is_in_nothing_that_is_printed() {
        // Nobody listens on port 1.
        let url = || "redis://:hidden@127.0.0.1:1".to_owned();
        let died = panic::catch_unwind(|| Keys::at(url())).expect_err("nobody answers");
        let words = died.downcast::<String>().expect("a formatted message");
        let keys = Keys {
            prefix: "mine:".to_owned(),
            url: url(),
        };
        for text in [*words, keys.look(), format!("{keys:?}")] {
            assert!(!text.contains("hidden"), "{text}");
        }
        let look = r#"redis-cli -u "$TEST_REDIS_URL" --scan --pattern 'mine:*'"#;
        assert_eq!(keys.look(), look);
    }
}
