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
#[cfg(test)]
mod scratch;
mod services;
mod test;
mod workspace;

use std::process::ExitCode;

use args::Command;
use failure::{Failure, Result};
use workspace::Workspace;

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)).and_then(execute) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("error: {message}\n`cargo xtask help` lists what there is");
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Reported) => ExitCode::FAILURE,
    }
}

fn execute(command: Command) -> Result {
    match command {
        Command::Help => {
            print!("{}", args::USAGE);
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
