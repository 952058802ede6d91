//! What an error costs, for regressions of our own. The peers are in `crates/bench`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use errchain::{Context, Error, err};

fn io() -> std::io::Result<()> {
    Err(std::io::Error::from_raw_os_error(2))
}

fn benches(criterion: &mut Criterion) {
    criterion.bench_function("a literal", |bencher| {
        bencher.iter(|| err!("user not found"));
    });
    criterion.bench_function("an I/O error and a context", |bencher| {
        bencher.iter(|| io().context("reading the file"));
    });
    criterion.bench_function("three fields", |bencher| {
        bencher.iter(|| {
            let id = black_box(7_u64);
            err!("no user")
                .with("id", id)
                .with("tenant", "acme")
                .with("ratio", 0.5)
        });
    });
    criterion.bench_function("ten contexts", |bencher| {
        bencher.iter(|| {
            let error = io().map_err(Error::from).err();
            (0..10).fold(error, |error, _| error.map(|error| error.context("above")))
        });
    });
    criterion.bench_function("JSON", |bencher| {
        let error = err!("root").context("above").with("id", 7).hop();
        bencher.iter(|| error.report().json().to_string());
    });
}

criterion_group!(all, benches);
criterion_main!(all);
