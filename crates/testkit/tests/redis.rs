//! The proxy in front of a real Redis, and keys of a test's own.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use redis::{Client, Commands, Connection, RedisResult};
use testkit::{Keys, Link, Proxy, wait_for};

/// Long enough for an answer that comes, and paid in full by one that must not.
const SILENCE: Duration = Duration::from_millis(150);
const AMPLE: Duration = Duration::from_secs(10);

struct Fixture {
    keys: Keys,
    /// Past the proxy.
    direct: Connection,
    proxy: Proxy,
    /// The URL that leads through it.
    through: String,
}

fn fixture() -> Fixture {
    let keys = testkit::redis();
    let client = Client::open(keys.url()).expect("a valid URL");
    let (proxy, through) = Proxy::before(keys.url()).expect("a port and a thread");
    let direct = client.get_connection().expect("the server runs");
    Fixture {
        keys,
        direct,
        proxy,
        through,
    }
}

impl Fixture {
    /// With a timeout as clients have one.
    fn connect(&self) -> RedisResult<Connection> {
        let client = Client::open(self.through.as_str())?;
        let connection = client.get_connection_with_timeout(AMPLE)?;
        connection.set_read_timeout(Some(AMPLE))?;
        Ok(connection)
    }

    fn connected(&self) -> Connection {
        self.connect().expect("the link passes")
    }
}

/// Runs a command that must not be answered.
fn assert_silent(
    connection: &mut Connection,
    run: impl FnOnce(&mut Connection) -> RedisResult<()>,
) {
    connection
        .set_read_timeout(Some(SILENCE))
        .expect("it is not zero");
    let error = run(connection).expect_err("nothing may come back");
    assert!(error.is_timeout(), "{error}");
    connection
        .set_read_timeout(Some(AMPLE))
        .expect("it is not zero");
}

#[test]
#[ignore = "needs redis"]
fn a_link_that_passes_or_slows_down_changes_no_value() {
    // Link, bytes of the value: the least that writing and reading it takes.
    for (link, bytes, at_least) in [
        (Link::Pass, 1_000_000, 0),
        (Link::Delay(Duration::from_millis(30)), 100_000, 120),
        (Link::Throttle(400_000), 50_000, 200),
        (Link::Dribble, 100, 200),
    ] {
        let fixture = fixture();
        let mut connection = fixture.connected();
        let (key, value) = (fixture.keys.key("value"), "v".repeat(bytes));
        fixture.proxy.set(link);
        let began = Instant::now();
        let () = connection.set(&key, &value).expect("it is only slow");
        let read: String = connection.get(&key).expect("it is only slow");
        let took = began.elapsed();
        assert!(read == value, "{link:?}: another value came back");
        assert!(
            took >= Duration::from_millis(at_least),
            "{link:?} took {took:?}"
        );
        assert_eq!(fixture.proxy.accepted(), 1, "{link:?}");
    }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_command_sent_into_a_blackhole_is_carried_out_after_it() {
    let mut fixture = fixture();
    let key = fixture.keys.key("count");
    let mut connection = fixture.connected();
    fixture.proxy.set(Link::Blackhole);
    assert_silent(&mut connection, |connection| connection.incr(&key, 1));
    let count: Option<u32> = fixture.direct.get(&key).expect("past the proxy");
    assert_eq!(count, None);

    fixture.proxy.set(Link::Pass);
    let counted = async || fixture.direct.get::<_, Option<u32>>(&key) == Ok(Some(1));
    wait_for(counted, AMPLE).await;
}

#[test]
#[ignore = "needs redis"]
fn an_orphaned_client_waits_for_ever_and_a_new_one_does_not() {
    let fixture = fixture();
    let mut orphan = fixture.connected();
    fixture.proxy.orphan();
    assert_silent(&mut orphan, |orphan| redis::cmd("PING").exec(orphan));
    assert!(redis::cmd("PING").exec(&mut fixture.connected()).is_ok());
    assert_eq!(fixture.proxy.accepted(), 2);
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_command_whose_reply_is_lost_was_carried_out() {
    let mut fixture = fixture();
    let key = fixture.keys.key("count");
    let mut connection = fixture.connected();
    fixture.proxy.set(Link::LoseReplies);
    assert_silent(&mut connection, |connection| connection.incr(&key, 1));
    let counted = async || fixture.direct.get::<_, Option<u32>>(&key) == Ok(Some(1));
    wait_for(counted, AMPLE).await;

    fixture.proxy.set(Link::Pass);
    let error = redis::cmd("PING")
        .exec(&mut connection)
        .expect_err("a stream with a hole");
    assert!(error.is_connection_dropped(), "{error}");
}

#[test]
#[ignore = "needs redis"]
fn a_link_that_closes_does_so_to_old_and_new_connections_until_it_passes_again() {
    for link in [Link::Reset, Link::Fin] {
        let fixture = fixture();
        let mut connection = fixture.connected();
        fixture.proxy.set(link);
        let error = redis::cmd("PING")
            .exec(&mut connection)
            .expect_err("closed");
        assert!(error.is_connection_dropped(), "{link:?}: {error}");
        let mut newcomer = TcpStream::connect(fixture.proxy.addr()).expect("the proxy listens");
        let read = newcomer.read(&mut [0]);
        match link {
            Link::Fin => assert_eq!(read.expect("no reset"), 0),
            _ => assert_eq!(
                read.expect_err("a reset").kind(),
                ErrorKind::ConnectionReset
            ),
        }
        fixture.proxy.set(Link::Pass);
        assert!(
            redis::cmd("PING").exec(&mut fixture.connected()).is_ok(),
            "{link:?}"
        );
    }
}

#[test]
#[ignore = "needs redis"]
fn a_reply_is_cut_at_every_byte_and_its_command_was_carried_out() {
    const REPLY: &[u8] = b"$5\r\nvalue\r\n";
    let mut fixture = fixture();
    let (key, count) = (fixture.keys.key("value"), fixture.keys.key("count"));
    let () = fixture.direct.set(&key, "value").expect("past the proxy");
    for bytes in 0..REPLY.len() {
        fixture.proxy.set(Link::CutReplyAfter(bytes as u64));
        let mut socket = TcpStream::connect(fixture.proxy.addr()).expect("the proxy listens");
        socket
            .set_read_timeout(Some(AMPLE))
            .expect("it is not zero");
        let script = "redis.call('INCR', KEYS[1]) return redis.call('GET', KEYS[2])";
        let command = redis::cmd("EVAL")
            .arg(script)
            .arg(2)
            .arg(&count)
            .arg(&key)
            .get_packed_command();
        socket.write_all(&command).expect("requests pass");
        let mut received = Vec::new();
        socket.read_to_end(&mut received).expect("no reset");
        assert_eq!(received, &REPLY[..bytes]);
    }
    let counted: usize = fixture.direct.get(&count).expect("past the proxy");
    assert_eq!(counted, REPLY.len());
}

#[test]
#[ignore = "needs redis"]
fn two_tests_share_no_key_and_leave_none() {
    let (ours, theirs) = (testkit::redis(), testkit::redis());
    let mut direct = Client::open(ours.url())
        .and_then(|c| c.get_connection())
        .expect("it runs");
    let (our_key, their_key) = (ours.key("same [*?] name"), theirs.key("same [*?] name"));
    let () = direct.set(&our_key, "ours").expect("it runs");
    let () = direct.set(&their_key, "theirs").expect("it runs");

    drop(ours);
    let left: (Option<String>, Option<String>) =
        direct.mget(&[our_key, their_key.clone()]).expect("it runs");
    assert_eq!(left, (None, Some("theirs".to_owned())));
    drop(theirs);
    assert_eq!(direct.exists(&their_key), Ok(false));
}

#[test]
#[ignore = "needs redis"]
fn the_keys_of_a_failed_test_stay() {
    let keys = testkit::redis();
    let mut direct = Client::open(keys.url())
        .and_then(|c| c.get_connection())
        .expect("it runs");
    let key = keys.key("evidence");
    let () = direct.set(&key, "kept").expect("it runs");
    let failed = panic::catch_unwind(AssertUnwindSafe(move || {
        let _keys = keys;
        panic!("a test that fails");
    }));
    assert!(failed.is_err());
    assert_eq!(direct.get(&key), Ok("kept".to_owned()));
    let () = direct.del(&key).expect("it runs");
}

#[test]
#[ignore = "needs redis"]
fn keys_that_a_killed_test_left_behind_are_swept_by_the_next() {
    let fixture = fixture();
    let mut direct = fixture.direct;
    let (old, foreign) = ("testkit_1000_00ff:left behind", fixture.keys.key("young"));
    for key in [old, &foreign] {
        let () = direct.set(key, "left").expect("it runs");
    }
    drop(testkit::redis());
    let left: (bool, bool) = (
        direct.exists(old).expect("it runs"),
        direct.exists(&foreign).expect("it runs"),
    );
    assert_eq!(left, (false, true));
}
