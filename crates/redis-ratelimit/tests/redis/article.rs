//! The limiter of the article beside ours: each defect of its script is shown to be one, and ours
//! to be without it.

use std::time::{Duration, Instant};

use redis::{Client, Commands, Connection, Script};
use redis_ratelimit::{Check, Limiter, Policy, Quota};

use crate::store::on;

const SCRIPT: &str = "
    local current = tonumber(redis.call('GET', KEYS[1]) or '0')
    if current > tonumber(ARGV[1]) then
      return {0, ARGV[1] - current}
    end
    current = redis.call('INCR', KEYS[1])
    if current == 1 then
      redis.call('EXPIRE', KEYS[1], ARGV[2])
    end
    return {1, ARGV[1] - current}";

struct Article {
    connection: Connection,
    script: Script,
}

impl Article {
    /// Whether it admits, and what it says remains.
    fn check(&mut self, key: &str, limit: i64, window: Duration) -> (bool, i64) {
        // `int(window.Seconds())`
        let mut call = self.script.key(key);
        call.arg(limit).arg(window.as_secs());
        let (admitted, remaining): (i64, i64) =
            call.invoke(&mut self.connection).expect("the script runs");
        (admitted == 1, remaining)
    }

    fn admits(&mut self, times: u32, key: &str, limit: i64, window: Duration) -> u32 {
        (0..times)
            .map(|_| u32::from(self.check(key, limit, window).0))
            .sum()
    }
}

async fn admits(limiter: &Limiter, times: u32, policy: &Policy) -> u32 {
    let check = Check::new(policy, "key").expect("a short key");
    let mut admitted = 0;
    for _ in 0..times {
        admitted += u32::from(limiter.check(check).await.is_admitted());
    }
    admitted
}

fn window(name: &str, units: u32, window: Duration) -> Policy {
    Policy::fixed_window(name, Quota::per(units, window)).expect("a quota")
}

#[tokio::test]
#[ignore = "needs redis"]
async fn the_articles_script_has_the_defects_that_ours_has_not() {
    let keys = testkit::redis();
    let client = Client::open(keys.url()).expect("a URL");
    let connection = client.get_connection().expect("the server answers");
    let mut article = Article {
        connection,
        script: Script::new(SCRIPT),
    };
    let ours = on(&keys);
    let (hour, half) = (Duration::from_secs(3_600), Duration::from_millis(500));

    // One too many, and less than nothing remains.
    let key = keys.key("many");
    assert_eq!(article.admits(20, &key, 10, hour), 11);
    assert_eq!(article.check(&key, 10, hour), (false, -1));
    assert_eq!(admits(&ours, 20, &window("many", 10, hour)).await, 10);
    let check = window("many", 10, hour);
    let check = Check::new(&check, "key").expect("a short key");
    assert_eq!(ours.peek(check).await.expect("an answer").remaining, 0);
    ours.reset(check).await.expect("an answer");

    // Two limiters share the count of a key, and the window of the first.
    let key = keys.key("shared");
    assert_eq!(article.admits(20, &key, 10, hour), 11);
    assert_eq!(article.admits(20, &key, 5, hour), 0);
    assert_eq!(admits(&ours, 20, &window("wide", 10, hour)).await, 10);
    assert_eq!(admits(&ours, 20, &window("narrow", 5, hour)).await, 5);

    // A window below a second is none.
    assert_eq!(article.admits(50, &keys.key("short"), 10, half), 50);
    let started = Instant::now();
    let admitted = admits(&ours, 50, &window("short", 10, half)).await;
    let windows = 1 + started.elapsed().as_millis() / half.as_millis();
    assert!(
        u128::from(admitted) <= 10 * windows,
        "{admitted} in {windows} windows"
    );

    // A key without a time to live denies for ever.
    let key = keys.key("lost");
    let second = Duration::from_secs(1);
    assert_eq!(article.admits(3, &key, 2, second), 3);
    let _: bool = article.connection.persist(&key).expect("a key");
    let policy = window("lost", 2, second);
    assert_eq!(admits(&ours, 3, &policy).await, 2);
    let our_key = keys.key("{key}:lost");
    let _: bool = article.connection.persist(&our_key).expect("a key");
    // This waits for as long as both windows are long.
    let check = Check::new(&policy, "key").expect("a short key");
    let decision = ours.until_ready(check, 10 * second).await;
    assert!(decision.is_admitted(), "{decision:?}");
    assert_eq!(article.admits(3, &key, 2, second), 0);

    // A shorter window applies only when the longer one is over.
    let key = keys.key("changed");
    assert_eq!(article.admits(9, &key, 2, hour), 3);
    let ttl: i64 = {
        article.check(&key, 2, second);
        article.connection.ttl(&key).expect("a key")
    };
    assert!(ttl > 3_000, "{ttl}");
    let changed = |length| window("changed", 2, length);
    assert_eq!(admits(&ours, 9, &changed(hour)).await, 2);
    let shorter = changed(second);
    let denied = ours
        .check(Check::new(&shorter, "key").expect("a short key"))
        .await;
    assert!(denied.retry_after() <= Some(second), "{denied:?}");
}
