//! Starts servers as a test does, names their processes and folders, and waits to be killed.

use std::thread;

use testkit::{Postgres, Redis, StartError};

fn main() -> Result<(), StartError> {
    let running = Redis::start(&[])?;
    let paused = Redis::start(&[])?;
    paused.pause();
    let postgres = Postgres::start(&[])?;
    let paused_postgres = Postgres::start(&[])?;
    paused_postgres.pause();

    let folders = [&running, &paused].map(|server| (server.pid(), server.folder()));
    let postgres_folders =
        [&postgres, &paused_postgres].map(|server| (server.pid(), server.folder()));
    for (pid, folder) in folders.into_iter().chain(postgres_folders) {
        let pid = pid.expect("the server runs");
        println!("{pid} {}", folder.display());
    }
    println!("ready");
    loop {
        thread::park();
    }
}
