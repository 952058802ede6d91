//! A stack of a stripped program, given its names later from the copy that was kept.
//!
//! Run `cargo run --features backtrace --example offline`. What to look for: the stripped program
//! knows modules, build ids and offsets only; the build with debug information, recognised by its
//! build id, turns an offset into a line.

use std::path::{Path, PathBuf};
use std::process::Command;

use errchain::capture::{Policy, scoped};
use errchain::{Context, Result, bail, err};

/// Set for the stripped copy of this program.
const STRIPPED: &str = "ERRCHAIN_EXAMPLE_STRIPPED";

fn main() -> Result<()> {
    if std::env::var_os(STRIPPED).is_some() {
        return fail_in_production();
    }
    let kept = std::env::current_exe()?;
    let Some(stripped) = strip(&kept)? else {
        println!("there is no `strip` on this machine: nothing to show");
        return Ok(());
    };
    let output = Command::new(&stripped).env(STRIPPED, "1").output()?;
    std::fs::remove_file(&stripped)?;
    let output = String::from_utf8(output.stdout)?;
    println!("the stripped program says:\n{output}");

    let build_id = own_build_id()?;
    for line in output.lines() {
        let mut parts = line.split(' ');
        let (Some(id), Some(offset)) = (parts.next(), parts.next()) else {
            continue;
        };
        if id == build_id {
            let offset = u64::from_str_radix(offset, 16)?;
            println!("{offset:#x} is {}", resolve(&kept, offset)?);
        }
    }
    Ok(())
}

/// What would go into the log: a build id and an offset for each frame.
fn fail_in_production() -> Result<()> {
    let _always = scoped(Policy::Always);
    let error = err!("out of ink");
    let stack = error.backtrace().context("the policy is always")?;
    for frame in stack.frames().iter() {
        println!(
            "{} {:x}",
            frame.build_id().unwrap_or_default(),
            frame.offset()
        );
    }
    Ok(())
}

fn own_build_id() -> Result<String> {
    let _always = scoped(Policy::Always);
    let error = err!("never shown");
    let frames = error.backtrace().context("the policy is always")?.frames();
    let id = frames.first().and_then(|frame| frame.build_id());
    Ok(id.context("the linker gave no build id")?.to_owned())
}

fn strip(program: &Path) -> Result<Option<PathBuf>> {
    let stripped = program.with_extension("stripped");
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(program)
        .status();
    match strip {
        Ok(status) if status.success() => Ok(Some(stripped)),
        Ok(status) => bail!("strip has failed: {status}"),
        Err(_) => Ok(None),
    }
}

/// The function and the line of a return address, out of the copy with debug information.
fn resolve(program: &Path, offset: u64) -> Result<String> {
    let loader = match addr2line::Loader::new(program) {
        Ok(loader) => loader,
        Err(error) => bail!("no debug information: {error}"),
    };
    // A return address is behind the call, which may end the line and even the function.
    let Ok(Some(place)) = loader.find_location(offset - 1) else {
        return Ok("code without debug information".to_owned());
    };
    let file = place
        .file
        .unwrap_or("?")
        .rsplit('/')
        .next()
        .unwrap_or_default();
    Ok(format!("{file}:{}", place.line.unwrap_or_default()))
}
