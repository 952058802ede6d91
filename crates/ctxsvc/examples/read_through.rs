//! A stampede on a key that has expired, and a database that goes away. Look at the number of
//! loads in each row.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ctxsvc::{Cached, Ctx, Load};
use tokio::time::sleep;

static LOADS: AtomicUsize = AtomicUsize::new(0);
static IS_DOWN: AtomicBool = AtomicBool::new(false);

struct Users;

impl Load for Users {
    type Key = u32;
    type Value = String;
    type Error = std::io::Error;

    async fn load(&self, _ctx: &Ctx, id: &u32) -> std::io::Result<Option<String>> {
        LOADS.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(20)).await;
        if IS_DOWN.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("the database is down"));
        }
        Ok(Some(format!("user {id}")))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let ttl = Duration::from_millis(100);
    let users = Cached::builder("users", Users)
        .ttl(ttl)
        .stale_for(ttl * 100)
        .build();

    thousand_ask("nothing is remembered", &users).await;
    thousand_ask("it is remembered", &users).await;
    sleep(ttl).await;
    thousand_ask("its time is over", &users).await;
    sleep(ttl * 2).await;
    IS_DOWN.store(true, Ordering::SeqCst);
    thousand_ask("the database is down", &users).await;
    sleep(ttl / 4).await;
    thousand_ask("and still down", &users).await;
    println!("closing: {}", users.close(Duration::from_secs(1)).await);
}

async fn thousand_ask(when: &str, users: &Cached<Users>) {
    let before = LOADS.load(Ordering::SeqCst);
    let asking: Vec<_> = (0..1_000)
        .map(|_| {
            let users = users.clone();
            tokio::spawn(async move { users.get(&Ctx::root(), &42).await })
        })
        .collect();
    let (mut fresh, mut stale, mut failed) = (0, 0, 0);
    for asking in asking {
        match asking.await {
            Ok(Ok(Some(hit))) if hit.is_stale() => stale += 1,
            Ok(Ok(_)) => fresh += 1,
            Ok(Err(_)) | Err(_) => failed += 1,
        }
    }
    let loads = LOADS.load(Ordering::SeqCst) - before;
    println!("{when:>22}: {fresh:4} fresh, {stale:4} stale, {failed:4} failed, {loads} loads");
}
