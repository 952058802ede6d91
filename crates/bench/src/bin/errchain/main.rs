//! What an error costs: ours beside anyhow, eyre, error-stack, snafu, rootcause, exn and ohno, each
//! used as its own documentation shows.
//!
//! Peers are not asked for what they do not have: fields are text where there are no typed ones,
//! and a plain `?` records nothing. The rows about stacks want to be run twice, the second time with
//! `RUSTFLAGS=-Cforce-frame-pointers=yes`.

mod capture;
mod depth;
mod leaf;

use std::process::ExitCode;

use bench::Bench;

fn main() -> ExitCode {
    let bench = Bench::new("errchain");
    let bench = leaf::rows().into_iter().fold(bench, Bench::row);
    let bench = depth::rows().into_iter().fold(bench, Bench::row);
    let bench = capture::rows().into_iter().fold(bench, Bench::row);
    bench.fact(capture::frame_pointers()).run()
}

/// What most rows begin with: an error of the operating system, which allocates nothing.
#[inline(never)]
fn io() -> std::io::Result<()> {
    Err(std::io::Error::from_raw_os_error(2))
}
