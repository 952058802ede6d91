//! Stacks: capture, and the second time that one is printed.

use std::hint::black_box;
use std::thread;

use bench::{Fact, Row, batch, each};
use errchain::capture::{Policy, has_frame_pointers, set_policy};

/// Below `main` and the harness.
const DEPTH: u32 = 20;

pub(crate) fn rows() -> [Row; 3] {
    [leaf(), threads(), printed_again()]
}

#[inline(never)]
fn deep<R>(depth: u32, leaf: &impl Fn() -> R) -> R {
    if depth == 0 {
        return leaf();
    }
    let result = deep(depth - 1, leaf);
    // So that it is no tail call.
    black_box(depth);
    result
}

fn always() -> errchain::Error {
    errchain::err!("leaf")
}

fn leaf() -> Row {
    Row::new("a leaf with its stack, some 30 frames")
        .ours("errchain", |_| {
            set_policy(Policy::Always);
            each(|| deep(DEPTH, &always))
        })
        .peer("std, force_capture", |_| {
            each(|| deep(DEPTH, &std::backtrace::Backtrace::force_capture))
        })
        .peer("backtrace, new_unresolved", |_| {
            each(|| deep(DEPTH, &backtrace::Backtrace::new_unresolved))
        })
        .peer("nothing: the recursion alone", |_| {
            each(|| deep(DEPTH, &|| ()))
        })
}

/// So many threads, each of which makes one: the cost per stack halves if they do not wait for
/// each other.
fn threads() -> Row {
    fn on<R>(threads: u64, leaf: impl Fn() -> R + Copy + Send + Sync) -> impl bench::Operation {
        batch(move |count| {
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(move || {
                        for _ in 0..count {
                            black_box(deep(DEPTH, &leaf));
                        }
                    });
                }
            });
        })
    }
    Row::new("stacks by so many threads, each")
        .sizes([1, 2])
        .ours("errchain", |threads| {
            set_policy(Policy::Always);
            on(threads, always)
        })
        .peer("std, force_capture", |threads| {
            on(threads, std::backtrace::Backtrace::force_capture)
        })
        .peer("arithmetic, which needs no lock", |threads| {
            on(threads, || {
                (0..200).fold(black_box(1_u64), |word, _| {
                    (word ^ (word >> 29)).wrapping_mul(3)
                })
            })
        })
}

fn printed_again() -> Row {
    Row::new("a new error from a place whose stack was printed before, made and printed")
        .ours("errchain", |_| {
            set_policy(Policy::Always);
            each(|| format!("{:?}", deep(DEPTH, &always)))
        })
        .peer("std, force_capture", |_| {
            each(|| deep(DEPTH, &std::backtrace::Backtrace::force_capture).to_string())
        })
}

pub(crate) fn frame_pointers() -> Fact {
    Fact::new("frame pointers are kept and used (1) or not (0)").of("errchain", || {
        set_policy(Policy::Always);
        for _ in 0..10 {
            drop(black_box(deep(DEPTH, &always)));
        }
        f64::from(u8::from(has_frame_pointers()))
    })
}
