//! Rows about Redis itself.

use redis::{Client, Connection, cmd};
use testkit::{Link, Proxy, Redis, wait_for};

use crate::{BUDGET, PATIENCE, Rows, SLACK, fresh_key, get, is_linked, is_shared, settled, timed};

fn connect(server: &Redis) -> Connection {
    let client = Client::open(server.url()).expect("a URL");
    client.get_connection().expect("the server answers")
}

fn run(connection: &mut Connection, command: &str) {
    let mut words = command.split(' ');
    let mut command = cmd(words.next().expect("a command"));
    for word in words {
        command.arg(word);
    }
    command.exec(connection).expect("a plain command");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_redis_that_refuses_is_nobodys_error_and_used_again_when_it_works() {
    // What breaks it, and what heals it.
    for (breaks, heals) in [
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        (
            "ACL SETUSER default -evalsha -eval",
            "ACL SETUSER default +@all",
        ),
        (
            "ACL SETUSER default resetkeys",
            "ACL SETUSER default allkeys",
        ),
        ("SCRIPT FLUSH", "PING"),
        ("FLUSHALL", "PING"),
        ("CLIENT KILL TYPE normal SKIPME yes", "PING"),
    ] {
        let server = Redis::start(&[]).expect("a server");
        let (rows, mut connection) = (Rows::new(), connect(&server));
        let process = settled(&rows, &server.url()).await;
        run(&mut connection, breaks);
        for _ in 0..20 {
            let (hit, took) = timed(get(&process, fresh_key())).await;
            assert_eq!(*hit, 1, "{breaks}");
            assert!(took < BUDGET + SLACK, "{breaks}: {took:?}");
        }
        run(&mut connection, heals);
        wait_for(async || is_shared(&process, &rows, &server).await, PATIENCE).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_redis_that_stands_still_or_loops_costs_its_budget_once() {
    let server = Redis::start(&["--lua-time-limit", "1"]).expect("a server");
    let rows = Rows::new();
    let process = settled(&rows, &server.url()).await;
    server.pause();
    let mut slow = 0;
    for _ in 0..50 {
        let (hit, took) = timed(get(&process, fresh_key())).await;
        assert_eq!(*hit, 1);
        slow += u32::from(took >= BUDGET);
    }
    assert!(slow <= 2, "{slow} have waited");
    server.resume();
    wait_for(async || is_shared(&process, &rows, &server).await, PATIENCE).await;

    let mut busy = connect(&server);
    let looping = std::thread::spawn(move || {
        let looping = cmd("EVAL").arg("while true do end").arg(0).exec(&mut busy);
        looping.expect_err("it is killed");
    });
    let mut other = connect(&server);
    let is_busy = async || cmd("PING").exec(&mut other).is_err();
    wait_for(is_busy, PATIENCE).await;
    for _ in 0..50 {
        assert_eq!(*get(&process, fresh_key()).await, 1);
    }
    run(&mut other, "SCRIPT KILL");
    looping.join().expect("it was killed");
    wait_for(async || is_shared(&process, &rows, &server).await, PATIENCE).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_redis_that_is_away_and_comes_back_empty_is_filled_again() {
    let mut server = Redis::start(&[]).expect("a server");
    let rows = Rows::new();
    let processes = [
        settled(&rows, &server.url()).await,
        settled(&rows, &server.url()).await,
    ];
    for _ in 0..2 {
        server.kill9();
        for process in &processes {
            for _ in 0..50 {
                let (hit, took) = timed(get(process, fresh_key())).await;
                assert_eq!(*hit, *get(process, 1).await);
                assert!(took < BUDGET + SLACK, "{took:?}");
            }
        }
        server.restart().expect("the same port");
        for process in &processes {
            wait_for(async || is_shared(process, &rows, &server).await, PATIENCE).await;
            wait_for(async || is_linked(process), PATIENCE).await;
        }
        let [one, two] = &processes;
        assert!(rows.update(one, 1).await);
        let value = *get(one, 1).await;
        wait_for(async || *get(two, 1).await == value, PATIENCE).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_redis_that_is_not_there_from_the_start_is_used_once_it_is() {
    let mut server = Redis::start(&[]).expect("a server");
    server.kill9();
    let rows = Rows::new();
    let process = rows.process(&server.url());
    let (hit, took) = timed(get(&process, fresh_key())).await;
    assert_eq!(*hit, 1);
    assert!(took < BUDGET + SLACK, "{took:?}");
    assert!(!rows.update(&process, 1).await, "nobody was told");
    server.restart().expect("the same port");
    wait_for(async || is_shared(&process, &rows, &server).await, PATIENCE).await;
    assert!(rows.update(&process, 1).await);
}

/// The command by which the book makes a user.
fn acl() -> String {
    let book = include_str!("../../../../docs/src/ctxsvc/failure.md");
    let (_, command) = book.split_once("ACL SETUSER").expect("the book has it");
    let (rules, _) = command.split_once("```").expect("it ends");
    let rules: Vec<_> = rules.split_ascii_whitespace().collect();
    format!("ACL SETUSER {}", rules.join(" "))
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_permissions_that_the_book_lists_are_enough() {
    let server = Redis::start(&[]).expect("a server");
    run(&mut connect(&server), &acl());
    let proxy = Proxy::to(server.addr()).expect("a port");
    let url = format!("redis://cache:secret@{}", proxy.addr());
    let rows = Rows::new();
    let process = settled(&rows, &url).await;
    wait_for(async || is_shared(&process, &rows, &server).await, PATIENCE).await;
    let found = process.get_many(&ctxsvc::Ctx::root(), &[71, 72]).await;
    assert_eq!(found.expect("loaded").len(), 2);
    assert!(rows.update(&process, 1).await);
    let shown = format!("{process:?}");
    assert!(shown.contains("unanswered: 0"), "{shown}");

    // More than are remembered: all that there is has to be found.
    proxy.set(Link::Reset);
    for key in 0..1_100 {
        assert!(!rows.update(&process, key).await);
    }
    proxy.set(Link::Pass);
    assert_eq!(process.close(PATIENCE).await.untold, 0);
    let refused: Vec<String> = cmd("ACL")
        .arg("LOG")
        .query(&mut connect(&server))
        .map_or_else(
            |error| vec![error.to_string()],
            |log: Vec<redis::Value>| log.iter().map(|it| format!("{it:?}")).collect(),
        );
    assert!(refused.is_empty(), "{refused:?}");
}
