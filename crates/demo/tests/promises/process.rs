//! The command as a process: how it starts, how it stops, and what a crash costs.

use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::{Raw, TempDir, bounded, ndjson};

struct Demo {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    addr: String,
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command
        .args(args)
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Demo {
    /// Its log goes to where the test's own output goes.
    async fn start(args: &[&str]) -> Self {
        let mut command = command(args);
        command.stderr(Stdio::inherit());
        Self::spawn(command).await
    }

    async fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary is built");
        let stdout = child.stdout.take().expect("piped");
        let mut demo = Self {
            child,
            lines: BufReader::new(stdout).lines(),
            addr: String::new(),
        };
        let line = demo.line_with("http://").await;
        let url = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http://"));
        url.expect("an address").clone_into(&mut demo.addr);
        demo
    }

    async fn line_with(&mut self, words: &str) -> String {
        let reading = async {
            while let Some(line) = self.lines.next_line().await.expect("UTF-8") {
                if line.contains(words) {
                    return line;
                }
            }
            panic!("the process ended without {words:?}");
        };
        bounded(words, reading).await
    }

    async fn connect(&self) -> Raw {
        let stream = TcpStream::connect(&self.addr).await.expect("listening");
        Raw { stream }
    }

    fn signal(&self, name: Signal) {
        signal(&self.child, name);
    }

    async fn end(&mut self) -> ExitStatus {
        bounded("the end of the process", self.child.wait())
            .await
            .expect("a child")
    }
}

fn signal(child: &Child, name: Signal) {
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    kill_process(pid.expect("running"), name).expect("ours");
}

/// Creates users one after the other until the connection breaks, and returns those that were
/// acknowledged.
async fn create_until_the_end(mut raw: Raw, client: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    loop {
        let email = format!("u{client}-{}@example.com", acknowledged.len());
        let body = format!("{{\"email\":\"{email}\",\"name\":\"U\"}}");
        let request = format!(
            "POST /users HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let Some(response) = raw.exchange(&request).await else {
            return acknowledged;
        };
        assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
        acknowledged.push(email);
    }
}

#[tokio::test]
async fn every_acknowledged_user_is_there_after_kill_9() {
    let dir = TempDir::new();
    let args = ["--port", "0", "--database-url", &dir.sqlite_url()];
    let mut demo = Demo::start(&args).await;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..4 {
        clients.spawn(create_until_the_end(demo.connect().await, client));
    }
    // The kill comes while the clients create. Each user is on disk before the answer, and a
    // busy disk takes its time for that, so a few of them have to do.
    let mut probe = demo.connect().await;
    let filled = async {
        loop {
            probe
                .send("GET /users?limit=20 HTTP/1.1\r\nhost: a\r\n\r\n")
                .await;
            if probe.response().await.contains("\"next\":\"/users") {
                return;
            }
        }
    };
    bounded("more than twenty users", filled).await;
    demo.child.kill().await.expect("running");
    let acknowledged = clients.join_all().await.concat();
    assert!(acknowledged.len() >= 20, "{}", acknowledged.len());

    let demo = Demo::start(&args).await;
    let mut raw = demo.connect().await;
    let (mut stored, mut next) = (Vec::new(), Some("/users?limit=100".to_owned()));
    while let Some(path) = next {
        raw.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        let response = raw.response().await;
        let (_, body) = response.split_once("\r\n\r\n").expect("a body");
        let page: Value = serde_json::from_str(body).expect("JSON");
        for user in page["users"].as_array().expect("a list") {
            stored.push(user["email"].as_str().expect("text").to_owned());
        }
        next = page["next"].as_str().map(str::to_owned);
    }
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|email| !stored.contains(email))
        .collect();
    assert!(lost.is_empty(), "{lost:?} of {}", acknowledged.len());
}

#[tokio::test]
async fn a_signal_drains_and_prints_a_summary() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut demo = Demo::start(&["--port", "0", "--memory"]).await;
        let mut raw = demo.connect().await;
        raw.send("GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        raw.response().await;
        demo.signal(signal);
        let summary = demo.line_with("drained in").await;
        assert!(
            summary.starts_with("1 requests on 1 connections (1 succeeded,"),
            "{summary}"
        );
        assert!(demo.end().await.success());
    }
}

#[tokio::test]
async fn the_operator_sees_of_an_error_what_the_client_does_not() {
    let mut demo = Demo::start(&["--port", "0", "--memory"]).await;
    let line = demo.line_with("/last-error").await;
    let (_, operator) = line.split_once("http://").expect("an address");
    let operator = operator.trim_end_matches("/last-error");
    assert!(operator.starts_with("127.0.0.1:"), "{line}");

    let unknown = "/users/00000000-0000-7000-8000-000000000000";
    let mut client = demo.connect().await;
    client
        .send(format!("GET {unknown} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .await;
    let seen = client.response().await;
    assert!(
        seen.starts_with("HTTP/1.1 404 ") && !seen.contains(".rs"),
        "{seen}"
    );

    let stream = TcpStream::connect(operator).await.expect("listening");
    let mut raw = Raw { stream };
    raw.send("GET /last-error HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let response = raw.response().await;
    let (_, body) = response.split_once("\r\n\r\n").expect("a body");
    let report: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(report["code"], "user/NOT_FOUND", "{report}");
    // The `?` that it passed in the handler.
    assert!(
        report["hops"].to_string().contains("src/api/users.rs"),
        "{report}"
    );

    raw.send("GET /debug/chain HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let onion = raw.response().await;
    for member in ["access_log", "problem_json", "catch_panic", "import_limit"] {
        assert!(onion.contains(&format!("┌ {member}")), "{onion}");
    }
    assert!(onion.ends_with("└ request_id\n"), "{onion}");

    // The service itself does not serve them.
    for path in ["/last-error", "/debug/chain"] {
        client
            .send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert!(client.response().await.starts_with("HTTP/1.1 404 "));
    }
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let mut demo = Demo::start(&["--port", "0", "--memory"]).await;
    let mut stuck = demo.connect().await;
    stuck
        .send(
            "POST /users/import HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-ndjson\r\n\
             expect: 100-continue\r\ncontent-length: 100\r\n\r\n",
        )
        .await;
    // The handler asks for the body, so the request is under way.
    assert!(stuck.response().await.starts_with("HTTP/1.1 100 "));
    demo.signal(Signal::INT);
    demo.line_with("Stopping").await;
    demo.signal(Signal::INT);
    demo.line_with("Stopped at once").await;
    assert_eq!(demo.end().await.code(), Some(130));
}

#[tokio::test]
async fn a_port_that_is_taken_is_replaced_by_the_next_free_one() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let mut command = command(&["--memory", "--port", &port.to_string()]);
    let mut child = command.spawn().expect("the binary is built");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let first = bounded("the first line", lines.next_line()).await;
    let first = first.expect("UTF-8").expect("a line");
    assert!(first.contains(&format!("Port {port} is taken")), "{first}");
}

#[tokio::test]
async fn a_database_that_is_away_is_named_without_its_password() {
    for (url, words) in [
        (
            "postgres://me:secret@127.0.0.1:1/users",
            "postgres://127.0.0.1:1/users",
        ),
        (
            "postgres://me:secret@127.0.0.1:1/users?password=secret",
            "--memory",
        ),
        (
            "mysql://me:secret@127.0.0.1/users",
            "use sqlite://FILE or postgres://",
        ),
        ("secret", "use sqlite://FILE"),
        ("", "use sqlite://FILE"),
        ("postgres:me:secret@127.0.0.1/users", "the URL given"),
        ("me:secret@127.0.0.1/users", "the URL given"),
        ("mysql:me:secret@127.0.0.1", "the URL given"),
        ("mysql://me:sec?ret@127.0.0.1/users", "mysql://..."),
        ("mysql://127.0.0.1/users?password=sec@ret", "mysql://..."),
        (
            "sqlite:///nowhere/at/all/users.sqlite3",
            "sqlite:///nowhere",
        ),
    ] {
        let mut child = command(&["--port", "0", "--database-url", url])
            .spawn()
            .expect("built");
        let mut stderr = String::new();
        let mut pipe = child.stderr.take().expect("piped");
        bounded(url, pipe.read_to_string(&mut stderr))
            .await
            .expect("UTF-8");
        let status = bounded(url, child.wait()).await.expect("a child");
        assert_eq!(status.code(), Some(1), "{url}: {stderr}");
        assert!(stderr.contains(words), "{url}: {stderr}");
        assert!(!stderr.contains("secret"), "{url}: {stderr}");
        assert!(!stderr.contains("ret@"), "{url}: {stderr}");
    }
}

#[tokio::test]
async fn a_log_in_json_is_one_object_a_line() {
    let mut command = command(&["--port", "0", "--memory", "--log", "json"]);
    command.env("RUST_LOG", "info");
    let mut child = command.spawn().expect("the binary is built");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped")).lines();
    let addr = loop {
        let line = bounded("the address", stdout.next_line())
            .await
            .expect("UTF-8");
        let line = line.expect("still running");
        if let Some((_, rest)) = line.split_once("http://") {
            break rest
                .split_whitespace()
                .next()
                .expect("an address")
                .to_owned();
        }
    };
    let stream = TcpStream::connect(addr).await.expect("listening");
    let mut raw = Raw { stream };
    raw.send("GET /health/live?token=secret HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    raw.response().await;
    let mut stderr = BufReader::new(child.stderr.take().expect("piped")).lines();
    let line = bounded("a log line", stderr.next_line())
        .await
        .expect("UTF-8");
    let line = line.expect("a line");
    let log: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(log["method"], "GET", "{log}");
    assert_eq!(log["route"], "/health/live", "{log}");
    assert_eq!(log["status"], 200, "{log}");
    assert_eq!(log["outcome"], "complete", "{log}");
    assert!(!line.contains("secret"), "{line}");
}

#[tokio::test]
async fn a_service_whose_terminal_is_gone_can_still_be_stopped() {
    let Demo {
        mut child, lines, ..
    } = Demo::start(&["--port", "0", "--memory"]).await;
    drop(lines);
    signal(&child, Signal::TERM);
    let ended = bounded("the end of the process", child.wait()).await;
    assert!(ended.expect("a child").success());
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_nobody_up() {
    let mut demo = Demo::spawn(command(&["--port", "0", "--memory"])).await;
    let mut raw = demo.connect().await;
    // Some 180 bytes each: several times what a pipe takes before its writer has to wait.
    for _ in 0..2_000 {
        raw.send("GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        raw.response().await;
    }
    demo.signal(Signal::TERM);
    demo.line_with("2000 requests").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_import_of_100_000_users_takes_bounded_memory() {
    const USERS: usize = 100_000;
    const GROWTH_MAX_KIB: u64 = 32 * 1_024;

    let dir = TempDir::new();
    let demo = Demo::start(&["--port", "0", "--database-url", &dir.sqlite_url()]).await;
    let before = peak_memory_kib(&demo);
    let body = ndjson(USERS);
    let mut raw = demo.connect().await;
    raw.send(format!(
        "POST /users/import HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-ndjson\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    ))
    .await;
    raw.send(body).await;
    let response = raw.response().await;
    assert!(response.contains("\"imported\":100000"), "{response}");
    let growth = peak_memory_kib(&demo) - before;
    assert!(growth < GROWTH_MAX_KIB, "{growth} KiB");
}

/// The most memory that the process has used so far.
#[cfg(target_os = "linux")]
fn peak_memory_kib(demo: &Demo) -> u64 {
    let pid = demo.child.id().expect("running");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.expect("a peak").trim().trim_end_matches(" kB");
    kib.parse().expect("a number")
}
