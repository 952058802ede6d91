//! What a decision costs in this process: the one that is admitted, the one that is denied, and
//! two at once.

use criterion::{Criterion, criterion_group, criterion_main};
use redis_ratelimit::{Check, Limiter, Policy, Quota};
use tokio::runtime::Builder;

fn memory(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let limiter = Limiter::memory();
    let wide = Policy::gcra("wide", Quota::per_second(1_000_000)).expect("a quota");
    let narrow = Policy::gcra("narrow", Quota::per_day(1)).expect("a quota");
    let admitted = Check::new(&wide, "key").expect("a short key");
    let denied = Check::new(&narrow, "key").expect("a short key");

    c.bench_function("admitted", |b| {
        b.iter(|| runtime.block_on(limiter.check(admitted)));
    });
    c.bench_function("denied", |b| {
        b.iter(|| runtime.block_on(limiter.check(denied)));
    });
    let other = Check::new(&wide, "another key").expect("a short key");
    c.bench_function("two_at_once", |b| {
        b.iter(|| runtime.block_on(limiter.check_all(&[admitted, other])));
    });
}

criterion_group!(benches, memory);
criterion_main!(benches);
