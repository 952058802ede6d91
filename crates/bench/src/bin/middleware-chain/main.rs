//! Middleware beside tower, tower-http and axum: `cargo xtask bench middleware-chain`.

mod compose;
mod end_to_end;
mod growth;
mod safe;
mod service;
mod shipped;

use std::process::ExitCode;

use bench::Bench;

fn main() -> ExitCode {
    let rows = compose::rows().into_iter().chain(shipped::rows());
    let rows = rows.chain([end_to_end::row()]).chain(growth::rows());
    let bench = rows.fold(Bench::new("middleware-chain"), Bench::row);
    bench.fact(compose::frame()).run()
}
