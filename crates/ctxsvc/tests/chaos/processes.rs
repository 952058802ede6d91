//! Processes, which are killed.

use std::io::{BufRead, BufReader, Read, Write, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use ctxsvc::{Cached, Ctx, Json, Redis as Level};
use redis::{AsyncCommands, Commands, Connection};
use testkit::{Redis, wait_for};

use crate::repository::Repository;
use crate::{PATIENCE, SLACK};

/// Where the server is, for a process.
const SERVER: &str = "CTXSVC_PROCESS_SERVER";
const NAME: &str = "processes::a_hot_key_that_expires_is_loaded_once_by_four_processes";

const TTL: Duration = Duration::from_millis(300);
const LOAD: Duration = Duration::from_millis(100);
const LOAD_TIMEOUT: Duration = Duration::from_secs(1);

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(server: &Redis) -> Self {
        let program = std::env::current_exe().expect("it runs");
        let mut child = Command::new(program)
            .args([NAME, "--exact", "--ignored", "--nocapture"])
            .env(SERVER, server.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it has started once");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self {
            child,
            input,
            output,
        }
    }

    fn ask(&mut self) {
        writeln!(self.input, "get").expect("it listens");
    }

    fn answer(&mut self) -> String {
        for line in self.output.by_ref().lines() {
            if let Some(answer) = line.expect("text").strip_prefix('@') {
                return answer.to_owned();
            }
        }
        panic!("it has ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Counts its loads in Redis.
fn serve(url: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let client = redis::Client::open(url).expect("a URL");
    let connection = runtime.block_on(client.get_multiplexed_async_connection());
    let connection = connection.expect("the server answers");
    let repository = Repository::new(move |_key, _nth| {
        let mut connection = connection.clone();
        async move {
            let nth: u64 = connection.incr("loads", 1).await.expect("an answer");
            tokio::time::sleep(LOAD).await;
            Ok(Some(nth))
        }
    });
    let level = Level::open(url).expect("a URL").budget(PATIENCE);
    let hot = Cached::builder("hot", repository)
        .ttl(TTL)
        .load_timeout(LOAD_TIMEOUT)
        .redis(level, Json)
        .build();
    println!();
    for line in stdin().lock().lines() {
        assert_eq!(line.expect("text"), "get");
        let hit = runtime.block_on(hot.get(&Ctx::root(), &1));
        let value = *hit.expect("loaded").expect("it exists");
        writeln!(stdout().lock(), "@{value}").expect("somebody listens");
    }
}

fn connect(server: &Redis) -> Connection {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_connection().expect("the server answers")
}

fn loads(connection: &mut Connection) -> u64 {
    let loads: Option<u64> = connection.get("loads").expect("an answer");
    loads.unwrap_or(0)
}

/// Waits without a runtime of the test's own: a process has one for all that it is asked.
fn wait_until(mut holds: impl FnMut() -> bool) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(wait_for(async || holds(), PATIENCE));
}

#[test]
#[ignore = "needs redis-server"]
fn a_hot_key_that_expires_is_loaded_once_by_four_processes() {
    if let Ok(url) = std::env::var(SERVER) {
        return serve(&url);
    }
    let server = Redis::start(&[]).expect("a server");
    let mut redis = connect(&server);
    let mut processes: Vec<_> = (0..4).map(|_| Process::start(&server)).collect();
    for round in 1..=10 {
        processes.iter_mut().for_each(Process::ask);
        let answers: Vec<_> = processes.iter_mut().map(Process::answer).collect();
        assert_eq!(answers, vec![round.to_string(); 4]);
        assert_eq!(loads(&mut redis), round);
        // No process has it for longer than Redis.
        let mut is_kept = || -> bool { redis.exists("ctxsvc:hot:v0:1").expect("an answer") };
        wait_until(|| !is_kept());
    }
}

#[test]
#[ignore = "needs redis-server"]
fn a_process_that_is_killed_while_it_loads_holds_others_up_for_no_longer_than_said() {
    let server = Redis::start(&[]).expect("a server");
    let mut processes: Vec<_> = (0..2).map(|_| Process::start(&server)).collect();
    let mut redis = connect(&server);
    processes[0].ask();
    wait_until(|| loads(&mut redis) > 0);
    processes[0].child.kill().expect("it runs");
    let started = Instant::now();
    processes[1].ask();
    assert_eq!(processes[1].answer(), "2");
    let took = started.elapsed();
    println!("an answer after {took:?}");
    assert!(took < LOAD_TIMEOUT + LOAD + SLACK, "{took:?}");
}
