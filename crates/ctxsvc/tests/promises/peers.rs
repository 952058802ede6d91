//! Bugs of other caches, each with the test here that would show it. The rest of a row is what its report
//! describes, seen from outside.
//!
//! | report | what went wrong | test |
//! |---|---|---|
//! | ZiggyCreatures/FusionCache#535, #560, #625; foyer (micromegas#1318) | a load that overlaps with a removal is remembered | `who_asks_after_an_invalidation_gets_what_is_read_after_it`, `an_invalidation_beats_a_batch_that_is_under_way` |
//! | FusionCache#628 | a refresh in the background undoes a removal | `a_refresh_that_overlaps_with_a_write_does_not_undo_it` |
//! | FusionCache#604, #632, #651 | a refresh does not look at what others have loaded | `a_refresh_adopts_what_another_process_has_loaded` |
//! | FusionCache#648 | what was removed stands in for a load that fails | `what_was_forgotten_does_not_stand_in_for_a_load_that_fails` |
//! | FusionCache#218 | a refresh whose caller is cancelled holds up all later ones | `a_refresh_whose_caller_has_gone_holds_nobody_up` |
//! | dotnet/extensions#7771 | a process that starts later finds what was removed before | `what_was_forgotten_is_not_found_by_a_process_that_starts_later` |
//! | dotnet/extensions#6759 | each process loads what expires | `processes_that_ask_at_the_same_time_cause_one_load`, `a_hot_key_that_expires_is_loaded_once_by_four_processes` |
//! | dotnet/AspNetCore.Docs#34224 | other processes remember what was removed | `an_update_is_seen_by_its_process_at_once_and_by_another_one_when_it_is_told` |
//! | moka-rs/moka#240 | a leader that nobody polls holds all others up, and impatient callers never fill | `a_leader_that_nobody_polls_holds_nobody_up`, `what_a_hundred_impatient_callers_gave_up_on_is_remembered` |
//! | arthurprs/quick-cache#40 | an insert beside a load makes those who wait for it panic | `those_who_wait_beside_writes_are_all_answered` |
//! | tailscale/tailscale#18919 | a flight that was cancelled fails who comes later | `a_leader_that_is_dropped_takes_no_load_with_it` |
//! | redis-rs 1.8, client-side caching; redis/redis#6867 | a read beside a write is remembered for good, if the message about the write overtakes it | `a_read_beside_a_write_is_not_remembered_beyond_it` |

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use ctxsvc::{Cached, Ctx};
use tokio::task::yield_now;
use tokio::time::{advance, sleep};

use crate::repository::{Broken, Repository};

const TTL: Duration = Duration::from_secs(10);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The row is read at once, and given 20 ms later.
fn rows(row: &Arc<AtomicU64>) -> Cached<Repository> {
    let row = Arc::clone(row);
    let repository = Repository::new(move |_key, _nth| {
        let row = row.load(SeqCst);
        async move {
            sleep(ms(20)).await;
            if row == 0 { Err(Broken) } else { Ok(Some(row)) }
        }
    });
    let builder = Cached::builder("rows", repository).ttl(TTL);
    builder.stale_for(TTL).build()
}

async fn get(cached: &Cached<Repository>) -> (u64, bool) {
    let found = cached.get(&Ctx::root(), &1).await.expect("it is loaded");
    let hit = found.expect("it exists");
    (*hit, hit.is_stale())
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_overlaps_with_a_write_does_not_undo_it() {
    let row = Arc::new(AtomicU64::new(1));
    let cached = rows(&row);
    get(&cached).await;
    advance(TTL).await;
    assert_eq!(get(&cached).await, (1, true), "and loads in the background");
    let write = async {
        row.store(2, SeqCst);
        Ok::<_, Infallible>(())
    };
    cached
        .update(&Ctx::root(), &1, write)
        .await
        .expect("written");
    assert_eq!(cached.close(TTL).await.left, 0);
    for _ in 0..2 {
        assert_eq!(get(&cached).await, (2, false));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_does_not_stand_in_for_a_load_that_fails() {
    let row = Arc::new(AtomicU64::new(1));
    let cached = rows(&row);
    get(&cached).await;
    row.store(0, SeqCst);
    advance(TTL).await;
    assert_eq!(get(&cached).await, (1, true), "it stands in");
    assert_eq!(cached.close(TTL).await.left, 0);
    cached.invalidate(&1).await;
    let found = cached.get(&Ctx::root(), &1).await;
    assert_eq!(found.expect_err("it fails").failed(), Some(&Broken));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_whose_caller_has_gone_holds_nobody_up() {
    let row = Arc::new(AtomicU64::new(1));
    let cached = rows(&row);
    get(&cached).await;
    for value in 2..5 {
        advance(TTL).await;
        row.store(value, SeqCst);
        let (ctx, guard) = Ctx::root().cancellable();
        let asked = cached.get(&ctx, &1);
        let mut asked = tokio_test::task::spawn(asked);
        let _stale = asked.poll();
        guard.cancel();
        drop(asked);
        sleep(ms(30)).await;
        assert_eq!(get(&cached).await, (value, false));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_wait_beside_writes_are_all_answered() {
    let row = Arc::new(AtomicU64::new(1));
    let read = Arc::clone(&row);
    let repository = Repository::new(move |_key, _nth| {
        let row = read.load(SeqCst);
        async move {
            yield_now().await;
            Ok(Some(row))
        }
    });
    let cached = Cached::builder("rows", repository).build();
    let task = |nth: u64| {
        let (cached, row) = (cached.clone(), Arc::clone(&row));
        tokio::spawn(async move {
            for _ in 0..2_000 {
                let before = row.load(SeqCst);
                if nth == 0 {
                    let write = async { Ok::<_, Infallible>(row.fetch_add(1, SeqCst)) };
                    cached
                        .update(&Ctx::root(), &1, write)
                        .await
                        .expect("written");
                }
                let (value, _) = get(&cached).await;
                assert!(nth > 0 || value > before, "{value} after {before}");
            }
        })
    };
    for task in [0, 1, 2, 3].map(task) {
        task.await.expect("nobody panics");
    }
}
