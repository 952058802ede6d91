//! Rows about a primary that sentinels watch over.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis_ratelimit::{Applied, Decision, FailurePolicy, Fault, FaultKind, Limiter, RedisStore};
use testkit::{Redis, Sentinel, wait_for};

use crate::{BUDGET, PATIENCE, SLACK, as_limited_user, check, is_decided, policy};

/// Sentinels agree after seconds.
const ELECTION: Duration = Duration::from_secs(60);

fn limiter(store: &RedisStore) -> Limiter {
    let settings = Limiter::builder().redis(store.clone(), FailurePolicy::Closed);
    settings.budget(BUDGET).build()
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_primary_that_dies_is_replaced_by_the_one_that_the_sentinels_name() {
    let mut servers = Sentinel::start(&[]).expect("servers");
    // The first one to be asked is away too.
    let urls = servers.urls();
    servers.sentinels_mut()[0].kill9();
    let store = RedisStore::sentinel(&urls, Sentinel::MASTER_NAME).expect("URLs");
    let (limiter, policy) = (limiter(&store), policy(50));
    let mut admitted = 0;
    let peek = async || limiter.peek(check(&policy)).await;
    wait_for(peek, PATIENCE).await;
    for _ in 0..30 {
        let decision = limiter.check(check(&policy)).await;
        admitted += u64::from(matches!(decision, Decision::Allowed(_)));
    }
    assert_eq!((admitted, store.state_losses()), (30, 0));

    // Two sentinels are a majority of three.
    servers.servers_mut()[0].kill9();
    let mut in_doubt = 0;
    let killed = Instant::now();
    loop {
        let asked = Instant::now();
        let decision = limiter.check(check(&policy)).await;
        assert!(asked.elapsed() < BUDGET + SLACK, "{:?}", asked.elapsed());
        match decision {
            Decision::Unknown(_) => in_doubt += 1,
            decision => admitted += u64::from(decision.is_admitted()),
        }
        if store.state_losses() > 0 && in_doubt > 0 {
            break;
        }
        assert!(killed.elapsed() < ELECTION, "{in_doubt} in doubt");
        tokio::task::yield_now().await;
    }
    wait_for(peek, PATIENCE).await;
    for _ in 0..60 {
        let decision = limiter.check(check(&policy)).await;
        admitted += u64::from(matches!(decision, Decision::Allowed(_)));
    }
    assert_eq!(store.state_losses(), 1);
    assert!(
        (50..=100).contains(&admitted),
        "a burst for a loss: {admitted}"
    );
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_primary_that_is_a_replica_now_is_left_for_the_new_one() {
    let servers = Sentinel::start(&[]).expect("servers");
    // The permissions that the book lists are enough, and with `info` the change is counted.
    for server in servers.servers() {
        as_limited_user(server, "+role +info");
    }
    let primary = "redis://limits:secret@testkit/0";
    let store = RedisStore::sentinel(servers.urls(), primary).expect("URLs");
    let (limiter, policy) = (limiter(&store), policy(1_000_000));
    let peek = async || limiter.peek(check(&policy)).await;
    wait_for(peek, PATIENCE).await;
    let old = servers.master().expect("a master");
    let client = redis::Client::open(&*servers.urls()[0]).expect("a URL");
    let mut sentinel = client.get_connection().expect("the sentinel answers");
    let mut fail_over = redis::cmd("SENTINEL");
    fail_over.arg("FAILOVER").arg(Sentinel::MASTER_NAME);
    fail_over.exec(&mut sentinel).expect("there are replicas");
    // The old one stays, and says READONLY or hangs up.
    while store.state_losses() == 0 {
        if let Decision::Unknown(doubt) = limiter.check(check(&policy)).await {
            let told = (doubt.cause().kind(), doubt.cause().applied());
            let is_expected = matches!(
                told,
                (FaultKind::ConnectionLost, Applied::Maybe)
                    | (
                        FaultKind::Unavailable | FaultKind::Unreachable | FaultKind::BreakerOpen,
                        Applied::No
                    )
            );
            assert!(is_expected, "{doubt:?}");
        }
        tokio::task::yield_now().await;
    }
    wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
    let is_another = async || servers.master().ok().filter(|master| *master != old);
    wait_for(is_another, PATIENCE).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_primary_that_is_cut_off_from_its_replicas_is_left_for_the_new_one() {
    let servers = Sentinel::start(&["--min-replicas-to-write", "1"]).expect("servers");
    for server in servers.servers() {
        as_limited_user(server, "+role +info");
    }
    let primary = "redis://limits:secret@testkit/0";
    let store = RedisStore::sentinel(servers.urls(), primary).expect("URLs");
    let (limiter, policy) = (limiter(&store), policy(1_000_000));
    wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
    // Sentinels and replicas are shut out, and our user is not: it goes on, as a primary.
    let old = &servers.servers()[0];
    let client = redis::Client::open(old.url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    for command in [
        ["CONFIG", "SET", "requirepass", "another"],
        ["CLIENT", "KILL", "USER", "default"],
    ] {
        let mut shut_out = redis::cmd(command[0]);
        shut_out.arg(&command[1..]);
        shut_out.exec(&mut connection).expect("a plain command");
    }
    let cut_off = Instant::now();
    while store.state_losses() == 0 {
        let asked = Instant::now();
        let decision = limiter.check(check(&policy)).await;
        assert!(asked.elapsed() < BUDGET + SLACK, "{:?}", asked.elapsed());
        if let Decision::Unknown(doubt) = &decision {
            assert_eq!(doubt.cause().applied(), Applied::No, "{doubt:?}");
        }
        // A server before Redis 6.2.7 refuses no script, so nothing tells that it is to be left.
        let has_time = cut_off.elapsed() < ELECTION;
        assert!(has_time, "of {}: {decision:?}", version(&mut connection));
        tokio::task::yield_now().await;
    }
    wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
    let role: Vec<redis::Value> = redis::cmd("ROLE").query(&mut connection).expect("a role");
    let is_primary = role.first() == Some(&redis::Value::BulkString(b"master".to_vec()));
    assert!(is_primary, "it has not heard of it: {role:?}");
}

fn version(server: &mut redis::Connection) -> String {
    let mut info = redis::cmd("INFO");
    let info: String = info.arg("server").query(server).expect("an answer");
    let version = info.lines().find(|line| line.starts_with("redis_version:"));
    version.unwrap_or("no version").to_owned()
}

/// A sentinel that says what it is told to, as one may that has not heard of a failover yet.
struct Fake {
    url: String,
    names: Arc<Mutex<SocketAddr>>,
}

impl Fake {
    fn start(names: SocketAddr) -> Self {
        Self::start_slow(names, Duration::ZERO)
    }

    /// It takes so long to answer.
    fn start_slow(names: SocketAddr, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("redis://{}", listener.local_addr().expect("it is bound"));
        let names = Arc::new(Mutex::new(names));
        let told = Arc::clone(&names);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                std::thread::spawn(move || answer(client, &told, pause));
            }
        });
        Self { url, names }
    }

    fn name(&self, addr: SocketAddr) {
        *self.names.lock().expect("no panic") = addr;
    }
}

/// `*2`, `$8`, `SENTINEL`, and so on: a line each.
fn answer(mut client: TcpStream, told: &Mutex<SocketAddr>, pause: Duration) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    while let Some(words) = lines.next().transpose()? {
        let words: usize = words[1..].parse().expect("a number of words");
        let mut command = Vec::new();
        for _ in 0..words {
            lines.next().transpose()?;
            command.extend(lines.next().transpose()?);
        }
        let reply = if command[0] == "SENTINEL" {
            std::thread::sleep(pause);
            let addr = told.lock().expect("no panic");
            let (ip, port) = (addr.ip().to_string(), addr.port().to_string());
            format!(
                "*2\r\n${}\r\n{ip}\r\n${}\r\n{port}\r\n",
                ip.len(),
                port.len()
            )
        } else {
            "+OK\r\n".to_owned()
        };
        client.write_all(reply.as_bytes())?;
    }
    Ok(())
}

fn run(server: &Redis, command: &str) {
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    let mut words = command.split(' ');
    let mut command = redis::cmd(words.next().expect("a command"));
    command.arg(words.collect::<Vec<_>>());
    command.exec(&mut connection).expect("a plain command");
}

async fn why_unreachable(store: &RedisStore) -> String {
    let fault = store.ping().await.expect_err("there is no such primary");
    assert_eq!(
        (fault.kind(), fault.applied()),
        (FaultKind::Unreachable, Applied::No)
    );
    let cause = fault.source().expect("a cause");
    cause.to_string()
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_is_not_taken_for_the_primary_whatever_a_sentinel_says() {
    let [old, new] = [(); 2].map(|()| Redis::start(&[]).expect("a server"));
    let follow = |other: &Redis| format!("REPLICAOF 127.0.0.1 {}", other.addr().port());
    run(&new, &follow(&old));
    let sentinel = Fake::start(new.addr());
    let store = RedisStore::sentinel([&sentinel.url], "primary").expect("a URL");
    let cause = why_unreachable(&store).await;
    assert!(cause.contains("name a replica"), "{cause}");

    let (limiter, policy) = (limiter(&store), policy(1_000_000));
    run(&new, "REPLICAOF NO ONE");
    wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
    // The other way round, and nobody hangs up.
    run(&old, "REPLICAOF NO ONE");
    run(&new, &follow(&old));
    sentinel.name(old.addr());
    wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
    let client = redis::Client::open(old.url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    let is_there: bool = redis::cmd("EXISTS")
        .arg("rl:{key}:api")
        .query(&mut connection)
        .expect("a plain command");
    assert!(is_there);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_sentinel_that_is_the_fastest_and_names_a_dead_primary_keeps_nobody_from_the_living_one()
{
    let [primary, replica] = [(); 2].map(|()| Redis::start(&[]).expect("a server"));
    run(
        &replica,
        &format!("REPLICAOF 127.0.0.1 {}", primary.addr().port()),
    );
    let bound = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = bound();
    let refusing = bound().local_addr().expect("it was bound");
    for (who, dead) in [
        ("it is closed", refusing),
        ("it is silent", silent.local_addr().expect("it is bound")),
        ("it is a replica", replica.addr()),
    ] {
        let fast = Fake::start(dead);
        let slow = Fake::start_slow(primary.addr(), Duration::from_millis(50));
        let store = RedisStore::sentinel([&fast.url, &slow.url], "primary").expect("URLs");
        let (limiter, policy) = (limiter(&store), policy(1_000_000));
        // At the first attempt, and so within one budget.
        let decided = is_decided(&limiter, &policy).await;
        assert_eq!(decided, Ok(()), "{who}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn sentinels_that_do_not_know_the_name_are_named_as_the_cause() {
    let servers = Sentinel::start(&[]).expect("servers");
    let store = RedisStore::sentinel(servers.urls(), "nobody").expect("URLs");
    let cause = why_unreachable(&store).await;
    assert!(cause.contains("sentinels know no primary"), "{cause}");
}

#[tokio::test]
async fn sentinels_that_are_none_are_told_without_connecting() {
    let none: [&str; 0] = [];
    let one = ["redis://127.0.0.1:26379"];
    for (urls, primary) in [
        (&none[..], "primary"),
        (&["nonsense"], "primary"),
        (&one, ""),
        (&one, "http://primary"),
        (&one, "a b"),
    ] {
        let fault: Fault = RedisStore::sentinel(urls, primary).expect_err(primary);
        assert_eq!(fault.kind(), FaultKind::InvalidUrl, "{urls:?} {primary}");
        assert!(fault.source().is_some(), "{urls:?} {primary}");
    }
}
