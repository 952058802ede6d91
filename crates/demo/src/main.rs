//! The command: says where the service listens, and drains it when asked to stop.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use demo::{App, Args, telemetry};
use tokio_util::sync::CancellationToken;

/// What a shell reports for a process that Ctrl-C has ended.
const EXIT_INTERRUPTED: i32 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let _logs = telemetry::init_logs(args.log);
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let stop = CancellationToken::new();
    tokio::spawn(watch(Signals::install()?, stop.clone()));
    // A database that does not answer may take its time to say so.
    let Some(started) = stop.run_until_cancelled(App::start(args)).await else {
        return Ok(());
    };
    let app = started?;
    greet(args, &app);
    say(&app.run(stop).await.to_string());
    Ok(())
}

/// Tells the person at the terminal. If nobody is there any more, the service goes on without.
fn say(text: &str) {
    let _nobody_there = writeln!(io::stdout(), "{text}");
}

fn greet(args: &Args, app: &App) {
    let (addr, operator) = (app.addr(), app.operator_addr());
    if args.port != 0 && args.port != addr.port() {
        say(&format!(
            "Port {} is taken, so this is the next free one.",
            args.port
        ));
    }
    say(&format!(
        "
demo listens on http://{addr} ({})

  curl -i http://{addr}/users -H 'content-type: application/json' -d '{{\"email\": \"ada@example.com\", \"name\": \"Ada Lovelace\"}}'
  curl -i 'http://{addr}/users?limit=10'
  curl -i http://{addr}/health/ready

For this machine only, the last error: http://{operator}/last-error
and what each request passes: http://{operator}/debug/chain
Ctrl-C finishes the requests that are under way and stops; a second one stops at once.
",
        app.store_name(),
    ));
}

/// The first signal drains, the second one ends the process as it is.
async fn watch(mut signals: Signals, stop: CancellationToken) {
    signals.next().await;
    stop.cancel();
    say("Stopping: waiting for the requests that are under way.");
    signals.next().await;
    say("Stopped at once.");
    std::process::exit(EXIT_INTERRUPTED);
}

/// Ctrl-C, and what a service manager sends.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "it fails on other systems")]
    fn install() -> std::io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        // Without a handler Ctrl-C ends the process, which is all that is left to do.
        let _without_handler = tokio::signal::ctrl_c().await;
    }
}

/// An error and its causes on one line. A cause that the text before it repeats is left out.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match text.as_str() {
            "" => cause,
            text if text.contains(&cause) => text.to_owned(),
            text => format!("{text}: {cause}"),
        }
    })
}
