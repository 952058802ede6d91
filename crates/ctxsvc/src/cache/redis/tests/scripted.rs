//! Servers that answer as a test says.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use std::{iter, thread};

use tokio::time::Instant;

use super::super::Redis;
use super::super::script::{ACQUIRE_ALL, FILL};
use super::{Digits, Rows, ms};
use crate::{Cached, Ctx};

/// One that answers each command by what `answer` says, and not at all where that is nothing.
fn server(answer: impl Fn(&[Vec<u8>]) -> &'static str + Copy + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    let serve = move |mut stream: TcpStream| {
        let mut commands = BufReader::new(stream.try_clone().expect("a stream"));
        let mut parser = redis::Parser::new();
        while let Ok(command) = parser.parse_value(&mut commands) {
            let words: Vec<Vec<u8>> = redis::from_redis_value(command).expect("a command");
            let answer = answer(&words);
            if stream.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    addr
}

/// Longer and greater than any that was asked for.
fn boastful(words: &[Vec<u8>]) -> &'static str {
    let is = |sha: &str| words.get(1).is_some_and(|it| it == sha.as_bytes());
    match &words[0][..] {
        b"EVALSHA" if is(FILL.sha) => "*3\r\n:1\r\n:1\r\n:1\r\n",
        b"EVALSHA" if is(ACQUIRE_ALL.sha) => "*2\r\n:9223372036854775807\r\n:0\r\n",
        b"EVALSHA" => "*3\r\n:9223372036854775807\r\n:0\r\n$0\r\n\r\n",
        b"MGET" => "*2\r\n$-1\r\n$-1\r\n",
        _ => "+OK\r\n",
    }
}

fn level(addr: SocketAddr) -> Redis {
    Redis::open(&format!("redis://{addr}")).expect("a URL")
}

#[tokio::test]
async fn a_server_that_says_more_than_it_was_asked_for_is_nobodys_error() {
    let rows = Rows::default();
    rows.write(1);
    rows.write(2);
    let redis = level(server(boastful)).budget(ms(5_000));
    let cached = Cached::builder("rows", rows).redis(redis, Digits).build();
    let one = cached.get(&Ctx::root(), &1).await.expect("it is loaded");
    let two = cached.get_many(&Ctx::root(), &[2]).await;
    assert!(one.is_some() && two.expect("it is loaded").len() == 1);
    assert_eq!(cached.close(ms(5_000)).await.left, 0);
}

/// Almost a budget.
const LATE: Duration = Duration::from_millis(1_500);

/// It is late to say that it does not know a script, and never answers to that.
fn forgetful(words: &[Vec<u8>]) -> &'static str {
    match &words[0][..] {
        b"EVALSHA" => {
            thread::sleep(LATE);
            "-NOSCRIPT it is unknown\r\n"
        }
        b"EVAL" => "",
        _ => "+OK\r\n",
    }
}

#[tokio::test]
async fn a_script_that_a_server_does_not_know_costs_no_second_budget() {
    let budget = ms(2_000);
    for keys in [1, 2] {
        let rows = Rows::default();
        let redis = level(server(forgetful)).budget(budget);
        let cached = Cached::builder("rows", rows).redis(redis, Digits).build();
        let keys: Vec<_> = iter::successors(Some(1), |key| Some(key + 1))
            .take(keys)
            .collect();
        let started = Instant::now();
        if let [key] = keys[..] {
            cached
                .get(&Ctx::root(), &key)
                .await
                .map(drop)
                .expect("an answer");
        } else {
            cached
                .get_many(&Ctx::root(), &keys)
                .await
                .map(drop)
                .expect("an answer");
        }
        let took = started.elapsed();
        assert!(took < LATE + budget, "{took:?} for {keys:?}");
    }
}
