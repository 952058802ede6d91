//! Contenders whose costs are known: what the harness says of them is checked by its tests.

use std::hint::black_box;
use std::process::ExitCode;

use bench::{Bench, Fact, Row, batch, each, on_tokio};

/// Some 300 ns for each unit of work.
fn work(units: u64) -> u64 {
    (0..units * 256).fold(black_box(1), |word, _| {
        (word ^ (word >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    })
}

fn main() -> ExitCode {
    Bench::new("known-costs")
        .row(
            Row::new("a hundred times the work")
                .ours("hundred", |_size| each(|| work(100)))
                .peer("one", |_size| each(|| work(1)))
                .peer("thousand", |_size| each(|| work(1_000))),
        )
        .row(
            Row::new("three allocations of 1000 bytes").ours("vectors", |_size| {
                each(|| [0_u8; 3].map(|byte| vec![byte; 1_000]))
            }),
        )
        .row(Row::new("new between two slices").ours("cold", |_size| {
            // Allocates once a run, and is so slow at the very first time that a slice seems full.
            let mut is_cold = true;
            batch(move |count| {
                black_box(vec![0_u8; 1_000]);
                let units = if std::mem::take(&mut is_cold) {
                    1_000_000
                } else {
                    count
                };
                black_box(work(units));
            })
        }))
        .row(
            Row::new("growth")
                .sizes([1, 10, 100])
                .ours("linear", |size| each(move || work(size)))
                .peer("quadratic", |size| each(move || work(size * size))),
        )
        .row(
            Row::new("one unit at each level")
                .levels([1, 10, 100])
                .ours("level", |_level| each(|| work(10)))
                .peer("rising", |level| each(move || work(10 * level))),
        )
        .row(Row::new("asynchronous").ours("yield", |_size| {
            on_tokio(async || async || tokio::task::yield_now().await)
        }))
        .row(Row::new("a contender that dies").ours("dies", |_size| each(|| std::process::exit(7))))
        .fact(
            Fact::new("the answer")
                .of("ours", || 42.0)
                .of("another", || 0.5),
        )
        .run()
}
