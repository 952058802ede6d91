//! The way an error came through async code, where a stack trace shows the executor.
//!
//! Run `cargo run --features macros --example traced`. What to look for: the three `?` it passed.

use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use errchain::{Audience, Result, traced};

#[traced]
async fn query(id: u64) -> Result<u64> {
    ready(()).await;
    Ok(format!("user-{id}").parse::<u64>()?)
}

#[traced]
async fn load(id: u64) -> Result<u64> {
    Ok(query(id).await? + 1)
}

#[traced]
async fn handle() -> Result<u64> {
    let id = load(7).await?;
    Ok(id)
}

fn main() {
    let mut task = Context::from_waker(Waker::noop());
    let Poll::Ready(Err(error)) = pin!(handle()).poll(&mut task) else {
        unreachable!("nothing waits, and user-7 is no number");
    };
    println!("{}", error.report().audience(Audience::Operator));
    assert_eq!(error.hops().count(), 2, "and the place where it came up");
}
