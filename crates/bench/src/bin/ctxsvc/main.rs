//! A context beside the token of tokio-util and others, and a cache beside others:
//! `cargo xtask bench ctxsvc`.

mod cache;
mod context;
mod growth;
mod levels;
mod probes;

use std::process::ExitCode;

use bench::Bench;

fn main() -> ExitCode {
    let rows = context::rows().into_iter().chain(cache::rows());
    let rows = rows.chain(levels::rows()).chain(growth::rows());
    let bench = rows.fold(Bench::new("ctxsvc"), Bench::row);
    let bench = bench.fact(cache::herd());
    let facts = probes::facts().into_iter().chain(levels::facts());
    facts.fold(bench, Bench::fact).run()
}
