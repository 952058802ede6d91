//! The probes that caches are told apart by: who loads, who waits, and for whom.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use ctxsvc::{CacheError, Cached, Ctx, Source};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep};

use crate::repository::{Broken, Repository};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_who_ask_for_one_key_cause_one_load_and_are_answered_with_it() {
    let repository = Repository::taking(100);
    let users = Cached::builder("users", repository.clone()).build();
    let started = Instant::now();
    let asking: Vec<_> = (0..10_000)
        .map(|_| {
            let users = users.clone();
            tokio::spawn(async move { users.get(&Ctx::root(), &1).await })
        })
        .collect();
    for asking in asking {
        let hit = asking
            .await
            .expect("no panic")
            .expect("loaded")
            .expect("it exists");
        assert_eq!((*hit, hit.source()), (0, Source::Origin));
    }
    assert_eq!(started.elapsed(), ms(100));
    assert_eq!(repository.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_dropped_takes_no_load_with_it() {
    let repository = Repository::taking(20);
    let users = Cached::builder("users", repository.clone()).build();
    let root = Ctx::root();
    let started = Instant::now();
    let leader = tokio::time::timeout(ms(15), users.get(&root, &1));
    let follower = users.get(&root, &1);
    let (first, second) = tokio::join!(leader, follower);
    assert!(first.is_err());
    assert!(second.expect("loaded").is_some());
    assert_eq!(started.elapsed(), ms(20));
    assert_eq!(repository.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_hundred_impatient_callers_gave_up_on_is_remembered() {
    let repository = Repository::taking(20);
    let users = Cached::builder("users", repository.clone()).build();
    for _ in 0..3 {
        let ctx = Ctx::root().with_timeout(ms(5));
        let error = users.get(&ctx, &1).await.expect_err("it takes 20 ms");
        assert!(error.is_timeout() && error.done().is_some(), "{error}");
    }
    sleep(ms(5)).await;
    yield_now().await;
    let ctx = Ctx::root().with_timeout(ms(5));
    let hit = users
        .get(&ctx, &1)
        .await
        .expect("in time")
        .expect("it exists");
    assert_eq!(hit.source(), Source::Memory);
    assert_eq!(repository.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_nobody_polls_holds_nobody_up() {
    let repository = Repository::taking(20);
    let users = Cached::builder("users", repository.clone()).build();
    let root = Ctx::root();
    let mut leader = tokio_test::task::spawn(users.get(&root, &1));
    tokio_test::assert_pending!(leader.poll());
    assert!(users.get(&root, &1).await.expect("loaded").is_some());
    assert_eq!(repository.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_for_all_who_wait_and_the_next_load_works() {
    let repository = Repository::new(async |_key, nth| {
        sleep(ms(20)).await;
        assert!(nth > 0, "the first load panics");
        Ok(Some(1))
    });
    let users = Cached::builder("users", repository.clone()).build();
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let users = users.clone();
            tokio::spawn(async move { users.get(&Ctx::root(), &1).await })
        })
        .collect();
    for asking in asking {
        let error = asking
            .await
            .expect("the panic is not theirs")
            .expect_err("it panicked");
        assert!(matches!(error, CacheError::Panicked));
    }
    assert_eq!(repository.loads(), 1);
    advance(ms(50)).await;
    assert!(users.get(&Ctx::root(), &1).await.expect("loaded").is_some());
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_an_invalidation_gets_what_is_read_after_it() {
    let repository = Repository::taking(20);
    let users = Cached::builder("users", repository.clone()).build();
    let root = Ctx::root();
    let before = tokio::spawn({
        let users = users.clone();
        async move { users.get(&Ctx::root(), &1).await }
    });
    yield_now().await;
    assert!(users.invalidate(&1).await);
    let during = users
        .get(&root, &1)
        .await
        .expect("loaded")
        .expect("it exists");
    assert_eq!(*during, 1, "not the load that began before");
    assert_eq!(
        *users
            .get(&root, &1)
            .await
            .expect("loaded")
            .expect("it exists"),
        1
    );
    let before = before
        .await
        .expect("no panic")
        .expect("loaded")
        .expect("it exists");
    assert_eq!(*before, 0, "it has asked before");
    assert_eq!(repository.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_update_is_seen_by_all_who_ask_later_however_it_ends() {
    let rows = Arc::new(std::sync::Mutex::new(1_u64));
    let read = Arc::clone(&rows);
    let repository = Repository::new(move |_key, _nth| {
        let row = *read.lock().expect("no panic");
        async move {
            sleep(ms(20)).await;
            Ok(Some(row))
        }
    });
    let users = Cached::builder("users", repository).build();
    let root = Ctx::root();
    let get = async || {
        *users
            .get(&root, &1)
            .await
            .expect("loaded")
            .expect("it exists")
    };
    assert_eq!(get().await, 1);

    let write = async |value: u64| {
        *rows.lock().expect("no panic") = value;
        Ok::<_, Broken>(value)
    };
    let committed = users.update(&root, &1, write(2)).await.expect("written");
    assert_eq!((committed.value, committed.invalidated), (2, true));
    assert_eq!(get().await, 2);

    let fails = async { write(3).await.and(Err::<(), _>(Broken)) };
    let error = users
        .update(&root, &1, fails)
        .await
        .expect_err("it says so");
    assert_eq!(error.failed(), Some(&Broken));
    assert_eq!(get().await, 3, "it was written nevertheless");

    let hangs = async {
        write(4).await?;
        pending::<Result<(), Broken>>().await
    };
    let ctx = root.with_timeout(ms(5));
    assert!(
        users
            .update(&ctx, &1, hangs)
            .await
            .expect_err("too slow")
            .is_timeout()
    );
    assert_eq!(get().await, 4, "the caller has gone in between");

    let never = async { panic!("polled") };
    let error = users
        .update::<(), Broken>(&ctx, &1, never)
        .await
        .expect_err("it is over");
    assert!(error.done().is_some());
}

#[tokio::test(start_paused = true)]
async fn no_more_loads_run_at_a_time_than_allowed() {
    let gate = Arc::new(Semaphore::new(0));
    let of_repository = Arc::clone(&gate);
    let repository = Repository::new(move |_key, _nth| {
        let gate = Arc::clone(&of_repository);
        async move {
            let _permit = gate.acquire().await;
            Ok(Some(1))
        }
    });
    let users = Cached::builder("users", repository.clone())
        .max_loads(2)
        .build();
    let asking: Vec<_> = (0..5)
        .map(|key| {
            let users = users.clone();
            tokio::spawn(async move { users.get(&Ctx::root(), &key).await })
        })
        .collect();
    yield_now().await;
    assert_eq!(repository.loads(), 2);
    gate.add_permits(5);
    for asking in asking {
        assert!(asking.await.expect("no panic").expect("loaded").is_some());
    }
    assert_eq!(repository.loads(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_load_has_the_values_of_who_came_first_and_its_own_deadline() {
    let repository = Repository::with_ctx(async |ctx, _key, _nth| {
        assert_eq!(ctx.remaining(), Some(ms(2_000)));
        assert_eq!(Ctx::current().value(), Some(&"tenant"));
        Ok(ctx.value::<&str>().map(|_| 1))
    });
    let users = Cached::builder("users", repository).build();
    let ctx = Ctx::root().with_value("tenant").with_timeout(ms(10));
    assert!(users.get(&ctx, &1).await.expect("loaded").is_some());
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_what_is_running_and_tells_what_was_left() {
    let repository = Repository::new(async |key, _nth| {
        sleep(ms(u64::from(key))).await;
        Ok(Some(1))
    });
    let users = Cached::builder("users", repository).build();
    for key in [20, 50, 900] {
        let ctx = Ctx::root().with_timeout(ms(1));
        assert!(users.get(&ctx, &key).await.is_err());
    }
    let started = Instant::now();
    let report = users.close(ms(100)).await;
    assert_eq!((report.finished, report.left), (2, 1));
    assert_eq!(started.elapsed(), ms(100));
    assert_eq!(
        report.to_string(),
        "2 loads finished, 1 left behind, 0 writes untold"
    );
    assert_eq!(users.close(ms(5_000)).await.left, 0);
}

#[test]
fn a_load_whose_runtime_has_gone_is_told_to_who_waits_on_another() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().expect("a runtime")
    };
    let users = Cached::builder("users", Repository::taking(100_000)).build();
    let (first, second) = (runtime(), runtime());
    let leader = users.clone();
    first.spawn(async move { leader.get(&Ctx::root(), &1).await.map(|_| ()) });
    first.block_on(yield_now());
    let root = Ctx::root();
    let error = second.block_on(async {
        let mut follower = tokio_test::task::spawn(users.get(&root, &1));
        tokio_test::assert_pending!(follower.poll());
        std::thread::spawn(move || drop(first))
            .join()
            .expect("no panic");
        follower.await.map(|_| ())
    });
    let error = error.expect_err("nobody loads it");
    assert!(matches!(error, CacheError::Abandoned), "{error}");
}
