//! What can be said on the command line.

#![expect(
    clippy::doc_markdown,
    reason = "the comments on fields are the text of `--help`"
)]

use std::net::IpAddr;

use clap::{Parser, ValueEnum, value_parser};

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

    /// Where requests are counted, so that instances share the limits, and users of a PostgreSQL
    /// are remembered: redis://HOST:PORT; without it each instance does both by itself
    #[arg(long, env, hide_env_values = true)]
    pub redis_url: Option<String>,

    /// Requests a minute that one client address may make, and as many at once
    #[arg(long, value_name = "REQUESTS", default_value_t = 60_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub per_address: u32,

    /// Requests a minute that one user may make, and as many at once; the header x-user names the
    /// user
    #[arg(long, value_name = "REQUESTS", default_value_t = 12_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub per_user: u32,

    /// A network, or an address, of proxies that append to X-Forwarded-For; may be repeated
    #[arg(long, value_name = "NET")]
    pub trusted_proxy: Vec<String>,

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
