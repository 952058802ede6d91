//! Servers of a test's own, and what becomes of them.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Client, Commands, Connection, RedisResult};
use sqlx::{Connection as _, PgConnection};
use testkit::{Cluster, Link, Postgres, Proxy, Redis, Sentinel, wait_for};

const SILENCE: Duration = Duration::from_millis(150);
const AMPLE: Duration = Duration::from_secs(30);

fn connect(server: &Redis) -> RedisResult<Connection> {
    let connection = Client::open(server.url())?.get_connection_with_timeout(SILENCE)?;
    connection.set_read_timeout(Some(SILENCE))?;
    Ok(connection)
}

/// Number and parent of each process that is not a zombie.
fn processes() -> Vec<(u32, u32)> {
    let ps = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid=,stat="])
        .output();
    let output = ps.expect("ps is installed").stdout;
    let lines = String::from_utf8(output).expect("numbers and letters");
    lines
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (pid, parent) = (words.next()?, words.next()?);
            let is_zombie = words.next()?.starts_with('Z');
            (!is_zombie).then_some((pid.parse().ok()?, parent.parse().ok()?))
        })
        .collect()
}

fn with_children(parent: u32) -> HashSet<u32> {
    let all = processes().into_iter();
    all.filter(|(pid, its_parent)| *pid == parent || *its_parent == parent)
        .map(|(pid, _)| pid)
        .collect()
}

/// Those that are still there.
fn left_of(pids: &HashSet<u32>, folders: &[PathBuf]) -> Result<(), String> {
    let processes: Vec<_> = processes()
        .into_iter()
        .filter(|(pid, _)| pids.contains(pid))
        .collect();
    let folders: Vec<_> = folders.iter().filter(|folder| folder.exists()).collect();
    if processes.is_empty() && folders.is_empty() {
        Ok(())
    } else {
        Err(format!("{processes:?} {folders:?}"))
    }
}

#[tokio::test]
#[ignore = "needs server binaries"]
async fn servers_die_with_a_test_that_is_killed() {
    let mut victim = Command::new(env!("CARGO_BIN_EXE_testkit-victim"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was built");
    let stdout = BufReader::new(victim.stdout.take().expect("it is piped"));
    let (mut pids, mut folders) = (HashSet::new(), Vec::new());
    let lines = stdout.lines().map(|line| line.expect("it prints text"));
    for line in lines.take_while(|line| line != "ready") {
        let (pid, folder) = line.split_once(' ').expect("a process and a folder");
        pids.extend(with_children(pid.parse().expect("a number")));
        folders.push(PathBuf::from(folder));
    }
    assert!(
        folders.len() == 4 && folders.iter().all(|folder| folder.is_dir()),
        "{folders:?}"
    );
    assert!(pids.len() > 8, "Postgres has children: {pids:?}");

    victim.kill().expect("it still runs");
    let killed = Instant::now();
    wait_for(async || left_of(&pids, &folders), AMPLE).await;
    println!(
        "{} processes were gone {:.1?} after a SIGKILL",
        pids.len(),
        killed.elapsed()
    );
    victim.wait().expect("it was not waited for");
}

#[test]
#[ignore = "needs server binaries"]
fn a_dropped_server_is_gone_at_once_even_if_it_was_paused() {
    let redis = Redis::start(&[]).unwrap();
    let postgres = Postgres::start(&[]).unwrap();
    let own_pids = [redis.pid(), postgres.pid()].map(|pid| pid.expect("it runs"));
    let pids = own_pids.into_iter().flat_map(with_children).collect();
    let folders = [redis.folder(), postgres.folder()].map(Path::to_owned);
    redis.pause();
    postgres.pause();
    drop((redis, postgres));
    assert_eq!(left_of(&pids, &folders), Ok(()));
}

#[test]
#[ignore = "needs server binaries"]
fn a_dropped_server_is_gone_even_if_somebody_lets_it_continue() {
    let redis = Redis::start(&[]).unwrap();
    let pid = redis.pid().expect("it runs");
    let folders = [redis.folder().to_owned()];
    // As `timeout` does with all that it ends; and it ends only with the server.
    let mut others = Command::new("sh")
        .args([
            "-c",
            "while kill -CONT \"$0\"; do :; done",
            &pid.to_string(),
        ])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(redis);
    others.wait().unwrap();
    assert_eq!(left_of(&HashSet::from([pid]), &folders), Ok(()));
}

#[test]
#[ignore = "needs server binaries"]
fn a_killed_redis_comes_back_with_its_address_and_what_it_wrote() {
    let began = Instant::now();
    let mut server = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]).unwrap();
    println!("a Redis: ready after {:.1?}", began.elapsed());
    let addr = server.addr();
    let () = connect(&server)
        .and_then(|mut client| client.set("key", "kept"))
        .unwrap();
    server.kill9();
    assert_eq!(server.pid(), None);
    assert!(connect(&server).is_err());
    for _ in 0..2 {
        server.restart().unwrap();
        assert_eq!(server.addr(), addr);
        let value = connect(&server).and_then(|mut client| client.get("key"));
        assert_eq!(value, Ok("kept".to_owned()));
    }
}

#[test]
#[ignore = "needs server binaries"]
fn a_paused_redis_keeps_its_clients_waiting_and_then_answers() {
    let server = Redis::start(&[]).unwrap();
    let mut client = connect(&server).unwrap();
    server.pause();
    let error = redis::cmd("PING")
        .exec(&mut client)
        .expect_err("nobody answers");
    assert!(error.is_timeout(), "{error}");
    server.resume();
    assert!(
        redis::cmd("PING")
            .exec(&mut connect(&server).unwrap())
            .is_ok()
    );
}

#[test]
#[ignore = "needs server binaries"]
fn a_server_that_dies_at_start_shows_its_log() {
    let redis = Redis::start(&["--no-such-setting", "1"]).map(drop);
    let postgres = Postgres::start(&["-c", "no_such_setting=1"]).map(drop);
    for (server, words) in [(redis, "no-such-setting"), (postgres, "no_such_setting")] {
        let error = server.expect_err("there is no such setting");
        assert!(error.is_died(), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(
            format!("{error:?}"),
            error.to_string(),
            "`unwrap` shows it as it is"
        );
    }
}

async fn ask(url: &str) -> Result<i32, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar("SELECT count(*)::int4 FROM pet")
        .fetch_one(&mut connection)
        .await
}

#[tokio::test]
#[ignore = "needs server binaries"]
async fn a_killed_postgres_comes_back_with_what_it_acknowledged() {
    let began = Instant::now();
    let mut server = Postgres::start(&["-c", "max_connections=7"]).unwrap();
    println!("a Postgres: ready after {:.1?}", began.elapsed());
    let mut client = PgConnection::connect(&server.url()).await.unwrap();
    let limit: String = sqlx::query_scalar("SHOW max_connections")
        .fetch_one(&mut client)
        .await
        .unwrap();
    assert_eq!(limit, "7");
    sqlx::query("CREATE TABLE pet AS SELECT 'Rex' AS name")
        .execute(&mut client)
        .await
        .unwrap();

    server.kill9();
    assert!(ask(&server.url()).await.is_err());
    assert!(
        sqlx::query("SELECT 1").execute(&mut client).await.is_err(),
        "its backend died too"
    );
    for _ in 0..2 {
        server.restart().unwrap();
        assert_eq!(ask(&server.url()).await.unwrap(), 1);
    }
}

#[tokio::test]
#[ignore = "needs server binaries"]
async fn a_paused_postgres_keeps_open_connections_waiting_too() {
    let server = Postgres::start(&[]).unwrap();
    let mut client = PgConnection::connect(&server.url()).await.unwrap();
    server.pause();
    {
        let query = sqlx::query("SELECT 1").execute(&mut client);
        let mut query = std::pin::pin!(query);
        assert!(tokio::time::timeout(SILENCE, query.as_mut()).await.is_err());
        server.resume();
        assert!(query.await.is_ok(), "the same query is answered");
    }
}

#[test]
#[ignore = "needs server binaries"]
fn a_server_behind_a_proxy_can_be_killed_and_restarted() {
    let mut server = Redis::start(&[]).unwrap();
    let proxy = Proxy::to(server.addr()).unwrap();
    let url = format!("redis://{}", proxy.addr());
    let ping = || redis::cmd("PING").exec(&mut Client::open(&*url)?.get_connection()?);
    assert!(ping().is_ok());
    server.kill9();
    assert!(ping().is_err());
    server.restart().unwrap();
    assert!(ping().is_ok());
    proxy.set(Link::Reset);
    assert!(ping().is_err());
}

#[tokio::test]
#[ignore = "needs server binaries"]
async fn a_cluster_replaces_a_master_that_was_killed() {
    let began = Instant::now();
    let mut cluster = Cluster::start(&[]).unwrap();
    println!("a cluster: ready after {:.1?}", began.elapsed());
    let masters: HashSet<_> = ["a", "b", "c", "d", "e", "f", "g", "h"]
        .map(|key| cluster.master_of(key).unwrap())
        .into();
    assert_eq!(
        masters,
        HashSet::from([0, 1, 2]),
        "each serves some of the keys"
    );

    let killed = cluster.master_of("user:1").unwrap();
    cluster.nodes_mut()[killed].kill9();
    let began = Instant::now();
    let next = async || {
        cluster
            .master_of("user:1")
            .ok()
            .filter(|master| *master != killed)
    };
    let next = wait_for(next, AMPLE).await;
    println!("a killed master: replaced after {:.1?}", began.elapsed());
    let written = async || connect(&cluster.nodes()[next])?.set::<_, _, ()>("user:1", "Ann");
    wait_for(written, AMPLE).await;

    cluster.nodes_mut()[killed].restart().unwrap();
    let replica = async || {
        let mut client = connect(&cluster.nodes()[killed])?;
        let info: String = redis::cmd("INFO").arg("replication").query(&mut client)?;
        RedisResult::Ok(info.contains("role:slave").then_some(()).ok_or(info))
    };
    let replica = async || replica().await.is_ok_and(|role| role.is_ok());
    wait_for(replica, AMPLE).await;
}

#[test]
#[ignore = "needs server binaries"]
fn a_slot_that_is_moved_takes_its_keys_along() {
    let cluster = Cluster::start(&[]).unwrap();
    let [first, second] = ["{user:1}a", "{user:1}b"];
    let from = cluster.master_of(first).unwrap();
    let to = (from + 1) % 3;
    let run = |node: usize, asks: bool, key: &str| {
        let mut client = connect(&cluster.nodes()[node])?;
        if asks {
            redis::cmd("ASKING").exec(&mut client)?;
        }
        client.incr::<_, _, u32>(key, 1)
    };
    let code = |result: RedisResult<u32>| result.map_err(|error| error.code().map(str::to_owned));
    for key in [first, second] {
        assert_eq!(code(run(from, false, key)), Ok(1));
    }
    let moving = cluster.start_move(first, to).unwrap();
    let moved = moving.move_a_key().unwrap().expect("there are two");
    assert_eq!(code(run(from, false, &moved)), Err(Some("ASK".to_owned())));
    assert_eq!(code(run(to, false, &moved)), Err(Some("MOVED".to_owned())));
    assert_eq!(code(run(to, true, &moved)), Ok(2));
    moving.finish().unwrap();
    assert_eq!(cluster.master_of(first).unwrap(), to);
    for key in [first, second] {
        let count = if key == moved { 3 } else { 2 };
        assert_eq!(code(run(to, false, key)), Ok(count));
        assert_eq!(code(run(from, false, key)), Err(Some("MOVED".to_owned())));
    }
}

#[tokio::test]
#[ignore = "needs server binaries"]
async fn sentinels_replace_a_master_that_was_killed() {
    let began = Instant::now();
    let mut servers = Sentinel::start(&[]).unwrap();
    println!("sentinels: ready after {:.1?}", began.elapsed());
    let killed = servers.master().unwrap();
    assert_eq!(killed, servers.servers()[0].addr());
    assert_eq!(servers.urls().len(), 3);

    servers.servers_mut()[0].kill9();
    let began = Instant::now();
    let next = async || servers.master().ok().filter(|master| *master != killed);
    let next = wait_for(next, AMPLE).await;
    println!("a killed master: replaced after {:.1?}", began.elapsed());
    let server = servers
        .servers()
        .iter()
        .find(|server| server.addr() == next)
        .unwrap();
    let written = async || connect(server)?.set::<_, _, ()>("key", "value");
    wait_for(written, AMPLE).await;
}

#[test]
#[ignore = "needs server binaries"]
fn a_group_is_waited_for_on_a_machine_that_is_busy_for_seconds() {
    let mut servers = Sentinel::start(&[]).unwrap();
    let master = servers.master().unwrap();
    for other in &mut servers.sentinels_mut()[1..] {
        other.kill9();
    }
    let busy = &servers.sentinels()[0];
    busy.pause();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(3));
            busy.resume();
        });
        assert_eq!(servers.master().unwrap(), master);
    });
}
