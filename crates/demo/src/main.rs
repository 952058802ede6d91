//! The command: says where the service listens, and drains it when asked to stop.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use demo::{App, Args, telemetry};
use tokio_util::sync::CancellationToken;

/// What a shell reports for a process that Ctrl-C has ended.
const EXIT_INTERRUPTED: i32 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    telemetry::init_logs(args.log);
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let signals = Signals::install()?;
    let app = App::start(args).await?;
    greet(args, &app);

    let stop = CancellationToken::new();
    tokio::spawn(watch(signals, stop.clone()));
    let summary = app.run(stop).await;
    println!("{summary}");
    Ok(())
}

fn greet(args: &Args, app: &App) {
    let addr = app.addr();
    if args.port != 0 && args.port != addr.port() {
        println!("Port {} is taken, so this is the next free one.", args.port);
    }
    println!(
        "
demo listens on http://{addr} ({})

  curl -i http://{addr}/users -H 'content-type: application/json' -d '{{\"email\": \"ada@example.com\", \"name\": \"Ada Lovelace\"}}'
  curl -i 'http://{addr}/users?limit=10'
  curl -i http://{addr}/health/ready

Ctrl-C finishes the requests that are under way and stops; a second one stops at once.
",
        app.store_name()
    );
}

/// The first signal drains, the second one ends the process as it is.
async fn watch(mut signals: Signals, stop: CancellationToken) {
    signals.next().await;
    println!("Stopping: waiting for the requests that are under way.");
    stop.cancel();
    signals.next().await;
    println!("Stopped at once.");
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

/// An error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
