//! The parts of the service, wired together.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Args;
use crate::api::router;
use crate::server::{Limits, Server, Summary};
use crate::store::{PostgresStore, SqliteStore, UserStore};
use crate::telemetry;

/// How many ports are tried after the one that was asked for.
const PORTS_TRIED: u16 = 100;

/// The service, ready to run.
#[derive(Debug)]
pub struct App {
    listener: TcpListener,
    addr: SocketAddr,
    store: Arc<dyn UserStore>,
    store_name: &'static str,
    limits: Limits,
}

impl App {
    /// Opens the database and a port.
    ///
    /// # Errors
    ///
    /// A [`StartError`] that says what to change.
    pub async fn start(args: &Args) -> Result<Self, StartError> {
        let (store, store_name) = open_store(args).await?;
        let listener = bind(args).await?;
        let addr = listener.local_addr().map_err(|source| StartError::Listen {
            addr: SocketAddr::new(args.host, args.port),
            source,
        })?;
        Ok(Self {
            listener,
            addr,
            store,
            store_name,
            limits: Limits::default(),
        })
    }

    /// Sets other limits than the default ones.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where the service listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What keeps the users, for people.
    #[must_use]
    pub const fn store_name(&self) -> &'static str {
        self.store_name
    }

    /// Serves until `stop` is cancelled, then drains.
    pub async fn run(self, stop: CancellationToken) -> Summary {
        let metrics = telemetry::metrics();
        let router = router(Arc::clone(&self.store), metrics.clone());
        let serving = Server::new(self.limits).serve(self.listener, router, stop);
        let summary = tokio::select! {
            summary = serving => summary,
            never = telemetry::upkeep(&metrics) => never,
        };
        self.store.close().await;
        summary
    }
}

async fn open_store(args: &Args) -> Result<(Arc<dyn UserStore>, &'static str), StartError> {
    let url = args.database_url.as_str();
    let cant_open = |source| StartError::Database {
        url: without_credentials(url),
        source,
    };
    if args.memory {
        let store = SqliteStore::in_memory().await.map_err(cant_open)?;
        return Ok((Arc::new(store), "SQLite in memory"));
    }
    match url.split(':').next() {
        Some("sqlite") => {
            let store = SqliteStore::open(url).await.map_err(cant_open)?;
            Ok((Arc::new(store), "SQLite"))
        }
        Some("postgres" | "postgresql") => {
            let store = PostgresStore::connect(url).await.map_err(cant_open)?;
            Ok((Arc::new(store), "PostgreSQL"))
        }
        _ => Err(StartError::UnknownDatabase {
            url: without_credentials(url),
        }),
    }
}

/// A URL that may be shown: neither a password nor a parameter, which may hold one too.
fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    let place = rest.rsplit('@').next().unwrap_or_default();
    let place = place.split('?').next().unwrap_or_default();
    format!("{scheme}://{place}")
}

/// Listens on the port asked for, or on the first free one after it.
async fn bind(args: &Args) -> Result<TcpListener, StartError> {
    let asked = SocketAddr::new(args.host, args.port);
    let mut addr = asked;
    loop {
        let error = match TcpListener::bind(addr).await {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        let next = addr.port().checked_add(1);
        match next {
            Some(next)
                if error.kind() == io::ErrorKind::AddrInUse
                    && next - asked.port() <= PORTS_TRIED =>
            {
                addr.set_port(next);
            }
            _ => {
                return Err(StartError::Listen {
                    addr,
                    source: error,
                });
            }
        }
    }
}

/// Why the service did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The URL's scheme is not one that we know.
    #[error(
        "{url} is not a database that this service knows: use sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE"
    )]
    #[non_exhaustive]
    UnknownDatabase {
        /// What was given, without credentials.
        url: String,
    },
    /// The database could not be opened.
    #[error("can't open the database at {url}: is it there and running? `--memory` does without")]
    #[non_exhaustive]
    Database {
        /// What was given, without credentials.
        url: String,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The port could not be opened.
    #[error("can't listen on {addr}: choose another address with --host and --port")]
    #[non_exhaustive]
    Listen {
        /// The last address that was tried.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}
