//! The memory of frames, which threads keep for each other's next ones.

#![allow(
    unsafe_code,
    reason = "an allocator that counts is not to be had without"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use middleware_chain::{Chain, Exchange, Member, Next, ResponseBody, Result};
use tower::{Layer, ServiceExt};

use support::{Ends, get, ok};

/// The system's allocator, which counts what is there.
struct Counting;

static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);

fn size(layout: Layout) -> isize {
    isize::try_from(layout.size()).expect("a layout fits")
}

// SAFETY: the system's allocator does it all, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(size(layout), Ordering::SeqCst);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(size(layout), Ordering::SeqCst);
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// So large that chains of different lengths have frames of different sizes, some of which are not kept.
async fn large(cx: &mut Exchange, next: Next<'_>) -> Result {
    let held = [1_u8; 700];
    let done = next.run(cx).await;
    std::hint::black_box(&held);
    done
}

type Answer = Response<ResponseBody<Full<Bytes>>>;

/// An answer, which holds the frame of its request.
fn answer(members: usize) -> Answer {
    let chain = (0..members).fold(Chain::builder().hook(Ends::default().hook()), |it, nth| {
        it.member(Member::with(large).named(nth.to_string()))
    });
    let service = chain.build().expect("a chain").layer(ok("x"));
    let answered = pin!(service.oneshot(get("/"))).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(answer)) = answered else {
        unreachable!("the service is ready");
    };
    answer
}

thread_local! {
    /// Dropped with the thread, before or after what it keeps.
    static HELD: RefCell<Vec<Answer>> = const { RefCell::new(Vec::new()) };
}

fn hold(answers: impl Iterator<Item = Answer>) {
    HELD.with(|held| held.borrow_mut().extend(answers));
}

fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(work).join().expect("no panic")
}

fn round() {
    let made: Vec<_> = on_a_thread(|| (0..40).map(|nth| answer(nth % 8)).collect());
    on_a_thread(move || {
        hold((0..20).map(|nth| answer(nth % 4)));
        // More than are kept, from another thread.
        drop(made);
    });
    on_a_thread(|| {
        drop(answer(0));
        hold([answer(0), answer(2)].into_iter());
    });
}

#[test]
fn nothing_is_left_where_threads_end() {
    const ROUNDS: isize = 20;
    // What the program needs once.
    round();
    let before = LIVE_BYTES.load(Ordering::SeqCst);
    for _ in 0..ROUNDS {
        round();
    }
    let grown = LIVE_BYTES.load(Ordering::SeqCst) - before;
    // Less than a byte for each of the sixty frames of a round; the test's own machinery takes some.
    assert!(grown.abs() < 60 * ROUNDS, "{grown} bytes");
}
