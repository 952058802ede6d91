//! Rows about the network between us and Redis.

use std::time::{Duration, Instant};

use ctxsvc::{Cached, Source};
use testkit::{Link, Proxy, Redis, wait_for};

use crate::{
    BUDGET, PATIENCE, Rows, SILENCE, SLACK, UNLINKED_TTL, fresh_key, get, is_shared, settled,
    through, timed,
};

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_redis_that_does_not_answer_costs_its_budget_once_and_nobody_an_error() {
    let server = Redis::start(&[]).expect("a server");
    for link in [
        Link::Blackhole,
        Link::LoseReplies,
        Link::Delay(Duration::from_millis(300)),
        Link::Dribble,
    ] {
        let (rows, proxy) = (Rows::new(), Proxy::to(server.addr()).expect("a port"));
        let process = settled(&rows, &through(&proxy)).await;
        proxy.set(link);
        let mut slow = 0;
        for _ in 0..200 {
            let (hit, took) = timed(get(&process, fresh_key())).await;
            assert_eq!(*hit, 1);
            assert!(took < BUDGET + SLACK, "{link:?}: {took:?}");
            slow += u32::from(took >= BUDGET);
        }
        // Once for a command, and once for the link over which changes are told.
        assert!(slow <= 2, "{link:?}: {slow} have waited");
        proxy.set(Link::Pass);
        wait_for(async || is_shared(&process, &rows, &server).await, PATIENCE).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn those_who_ask_at_the_same_time_wait_for_one_budget_together() {
    let server = Redis::start(&[]).expect("a server");
    let (rows, proxy) = (Rows::new(), Proxy::to(server.addr()).expect("a port"));
    let process = settled(&rows, &through(&proxy)).await;
    proxy.set(Link::Blackhole);
    let started = Instant::now();
    let asking: Vec<_> = (0..500)
        .map(|_| {
            let process = process.clone();
            tokio::spawn(async move { *get(&process, fresh_key()).await })
        })
        .collect();
    for asking in asking {
        assert_eq!(asking.await.expect("no panic"), 1);
    }
    let took = started.elapsed();
    assert!(took < 2 * BUDGET + SLACK, "{took:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_silently_dropped_connection_is_replaced_within_two_budgets() {
    let server = Redis::start(&[]).expect("a server");
    let (rows, proxy) = (Rows::new(), Proxy::to(server.addr()).expect("a port"));
    let process = settled(&rows, &through(&proxy)).await;
    let before = proxy.accepted();
    proxy.orphan();
    let started = Instant::now();
    wait_for(async || is_shared(&process, &rows, &server).await, PATIENCE).await;
    let took = started.elapsed();
    assert!(took < 2 * BUDGET + SLACK, "{took:?}");
    // One for commands and one for what is told, perhaps.
    assert!(proxy.accepted() <= before + 2);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn connections_that_are_cut_anywhere_are_nobodys_error_and_no_value_is_a_wrong_one() {
    let server = Redis::start(&[]).expect("a server");
    let rows = Rows::new();
    for bytes in 0..120 {
        let proxy = Proxy::to(server.addr()).expect("a port");
        let process = rows.process(&through(&proxy));
        proxy.set(Link::CutReplyAfter(bytes * 7));
        for _ in 0..4 {
            let (hit, took) = timed(get(&process, fresh_key())).await;
            assert_eq!(*hit, 1);
            assert!(took < BUDGET + SLACK, "{bytes}: {took:?}");
        }
    }
    for link in [Link::Reset, Link::Fin] {
        let proxy = Proxy::to(server.addr()).expect("a port");
        let process = settled(&rows, &through(&proxy)).await;
        proxy.set(link);
        for _ in 0..50 {
            assert_eq!(*get(&process, fresh_key()).await, 1);
        }
        proxy.set(Link::Pass);
        wait_for(async || is_shared(&process, &rows, &server).await, PATIENCE).await;
    }
}

/// Each answer takes longer than the load may.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_right_lasts_until_what_was_loaded_is_there_also_over_a_slow_link() {
    let server = Redis::start(&[]).expect("a server");
    let (rows, proxy) = (Rows::new(), Proxy::to(server.addr()).expect("a port"));
    let level = ctxsvc::Redis::open(&through(&proxy)).expect("a URL");
    let slow = Cached::builder("rows", rows.repository.clone())
        .load_timeout(Duration::from_millis(100))
        .redis(level.budget(PATIENCE), ctxsvc::Json)
        .build();
    // Connected, and its link is up.
    get(&slow, 1).await;
    wait_for(async || crate::is_linked(&slow), PATIENCE).await;
    proxy.set(Link::Delay(Duration::from_millis(600)));
    assert_eq!(get(&slow, 2).await.source(), Source::Origin);
    slow.close(PATIENCE).await;
    let other = rows.process(&server.url());
    assert_eq!(get(&other, 2).await.source(), Source::Redis);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_others_write_while_the_link_is_cut_is_seen_within_the_bound() {
    let server = Redis::start(&[]).expect("a server");
    for link in [Link::Blackhole, Link::Reset, Link::LoseReplies] {
        let (rows, proxy) = (Rows::new(), Proxy::to(server.addr()).expect("a port"));
        let (writer, reader) = (
            settled(&rows, &server.url()).await,
            settled(&rows, &through(&proxy)).await,
        );
        proxy.set(link);
        for _ in 0..3 {
            assert!(rows.update(&writer, 1).await);
            let written = Instant::now();
            let value = *get(&writer, 1).await;
            let is_seen = async || *get(&reader, 1).await == value;
            wait_for(is_seen, PATIENCE).await;
            let took = written.elapsed();
            println!("{link:?}: seen after {took:?}");
            assert!(
                took < SILENCE.max(UNLINKED_TTL) + BUDGET + SLACK,
                "{took:?}"
            );
        }
        proxy.set(Link::Pass);
        // Up again, and what was missed meanwhile is not believed.
        wait_for(async || crate::is_linked(&reader), PATIENCE).await;
        assert!(rows.update(&writer, 1).await);
        let value = *get(&writer, 1).await;
        wait_for(async || *get(&reader, 1).await == value, PATIENCE).await;
        let is_remembered = async || get(&reader, 1).await.source() == Source::Memory;
        wait_for(is_remembered, PATIENCE).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_was_missed_while_a_link_was_down_is_not_believed_when_it_is_up() {
    let server = Redis::start(&[]).expect("a server");
    let (rows, proxy) = (Rows::new(), Proxy::to(server.addr()).expect("a port"));
    let (writer, reader) = (
        settled(&rows, &server.url()).await,
        settled(&rows, &through(&proxy)).await,
    );
    for _ in 0..10 {
        proxy.set(Link::Reset);
        wait_for(async || !crate::is_linked(&reader), PATIENCE).await;
        assert!(rows.update(&writer, 1).await);
        proxy.set(Link::Pass);
        wait_for(async || crate::is_linked(&reader), PATIENCE).await;
        assert_eq!(*get(&reader, 1).await, *get(&writer, 1).await);
    }
}

#[test]
#[ignore = "needs redis-server"]
fn a_runtime_that_ends_is_no_obstacle_for_the_next_one() {
    let server = Redis::start(&[]).expect("a server");
    let rows = Rows::new();
    let process = rows.process(&server.url());
    for _ in 0..3 {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(async {
            wait_for(async || is_shared(&process, &rows, &server).await, PATIENCE).await;
            wait_for(
                async || {
                    get(&process, fresh_key()).await;
                    crate::is_linked(&process)
                },
                PATIENCE,
            )
            .await;
            // One is under way when the runtime ends.
            let (process, key) = (process.clone(), fresh_key());
            tokio::spawn(async move { get(&process, key).await });
            tokio::task::yield_now().await;
        });
    }
}
