//! What can be said on the command line.

#![expect(
    clippy::doc_markdown,
    reason = "the comments on fields are the text of `--help`"
)]

use std::net::IpAddr;

use clap::{Parser, ValueEnum};

/// An HTTP user service on SQLite or PostgreSQL.
#[derive(Debug, Clone, Parser)]
#[command(name = "demo", version)]
pub struct Args {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,

    /// The port to listen on; if it is taken, the next free one is used; 0 leaves the choice to the
    /// system
    #[arg(long, default_value_t = 3000)]
    pub port: u16,

    /// Where the users are: sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite://demo.sqlite3"
    )]
    pub database_url: String,

    /// Keep the users in memory, and forget them at the end
    #[arg(long)]
    pub memory: bool,

    /// How logs look; the variable RUST_LOG says how much of them there is
    #[arg(long, value_enum, default_value_t = LogFormat::Pretty)]
    pub log: LogFormat,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Pretty,
    /// Lines of JSON.
    Json,
}
