//! What the workspace does with itself; `cargo xtask` alone prints the list.

#[cfg(not(unix))]
compile_error!("xtask starts and signals Unix processes; on Windows it runs under WSL");

mod args;
mod bench;
mod check;
mod demo;
mod docs;
mod failure;
mod manifest;
mod run;
mod say;
#[cfg(test)]
mod scratch;
mod services;
mod test;
mod workspace;

use std::process::ExitCode;

use args::Command;
use failure::{Failure, Result};
use say::{print, say};
use workspace::Workspace;

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)).and_then(execute) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            say(format_args!(
                "error: {message}\n`cargo xtask help` lists what there is"
            ));
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            say(format_args!("error: {message}"));
            ExitCode::FAILURE
        }
        Err(Failure::Reported) => ExitCode::FAILURE,
    }
}

fn execute(command: Command) -> Result {
    match command {
        Command::Help => {
            let _ = print(args::USAGE.trim_end());
            Ok(())
        }
        Command::Test(options) => test::execute(&Workspace::find()?, &options),
        Command::Services(options) => services::command::execute(&Workspace::find()?, &options),
        Command::Demo(options) => demo::execute(&Workspace::find()?, &options),
        Command::Bench(options) => bench::execute(&Workspace::find()?, &options),
        Command::Check(options) => check::execute(&Workspace::find()?, &options),
        Command::Docs { open } => docs::execute(&Workspace::find()?, open),
        Command::Keeper(request) => services::keeper::execute(&request),
    }
}
