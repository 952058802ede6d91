//! The parts of the service, wired together.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ctxsvc::Redis;
use metrics_exporter_prometheus::PrometheusHandle;
use middleware_chain::Chain;
use redis_ratelimit::{Fault, ProxyError, RateLimitLayer};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::server::{Limits, Server, Summary};
use crate::store::{CachedStore, PostgresStore, SqliteStore, UserStore};
use crate::telemetry;
use crate::{Args, LastError, Pools, api, operator, quotas};

/// The database that instances can share.
const POSTGRES: &str = "PostgreSQL";

/// How many ports are tried after the one that was asked for.
const PORTS_TRIED: u16 = 100;

/// The service, ready to run.
#[derive(Debug)]
pub struct App {
    listener: TcpListener,
    addr: SocketAddr,
    operator: TcpListener,
    operator_addr: SocketAddr,
    store: Arc<dyn UserStore>,
    store_name: &'static str,
    quotas: RateLimitLayer,
    pools: Pools,
    /// For both listeners: the service stands behind the chain besides.
    server: Server,
    chain: Chain,
    last_error: LastError,
    metrics: PrometheusHandle,
}

impl App {
    /// Opens the database and a port.
    ///
    /// # Errors
    ///
    /// A [`StartError`] that says what to change.
    pub async fn start(args: &Args) -> Result<Self, StartError> {
        // Before all who have figures for it.
        let metrics = telemetry::metrics();
        let (store, store_name) = open_store(args).await?;
        let quotas = quotas::layer(args).await?;
        let store = Arc::new(remembered(store, store_name, args)?);
        let last_error = LastError::default();
        let pools = Pools::start()?;
        let server = Server::new(Limits::default());
        let log = telemetry::access_log(args.log);
        let chain = api::chain(server.chain(), log, &last_error)?;
        let (listener, addr) = bind(SocketAddr::new(args.host, args.port)).await?;
        let (operator, operator_addr) = bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
        Ok(Self {
            listener,
            addr,
            operator,
            operator_addr,
            store,
            store_name,
            quotas,
            pools,
            server,
            chain,
            last_error,
            metrics,
        })
    }

    /// Where the service listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the operator's view is served: on the loopback interface, whatever the service
    /// listens on.
    #[must_use]
    pub const fn operator_addr(&self) -> SocketAddr {
        self.operator_addr
    }

    /// What keeps the users, for people.
    #[must_use]
    pub const fn store_name(&self) -> &'static str {
        self.store_name
    }

    /// Serves until `stop` is cancelled, then drains.
    pub async fn run(self, stop: CancellationToken) -> Summary {
        let metrics = self.metrics;
        let router = api::router(
            Arc::clone(&self.store),
            self.pools.clone(),
            self.quotas,
            metrics.clone(),
        );
        let operator = operator::router(self.last_error, &self.chain);
        let operator = self
            .server
            .clone()
            .serve(self.operator, operator, stop.clone());
        let serving = self
            .server
            .behind(self.chain)
            .serve(self.listener, router, stop);
        let (summary, _of_the_operator) = tokio::select! {
            both = async { tokio::join!(serving, operator) } => both,
            never = telemetry::upkeep(&metrics) => never,
        };
        self.pools.shut_down().await;
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
            Ok((Arc::new(store), POSTGRES))
        }
        _ => Err(StartError::UnknownDatabase {
            url: without_credentials(url),
        }),
    }
}

/// What instances share is kept in Redis for all of them: users, if their database is one that
/// several can have.
fn remembered(
    store: Arc<dyn UserStore>,
    store_name: &str,
    args: &Args,
) -> Result<CachedStore, StartError> {
    let redis_url = args.redis_url.as_deref();
    match redis_url.filter(|_| store_name == POSTGRES) {
        Some(url) => Ok(CachedStore::shared(store, Redis::open(url)?)),
        None => Ok(CachedStore::new(store)),
    }
}

/// A URL that may be shown. Where a password could begin or end is not always clear, as in
/// `postgres://me:pass?word@host`: then only the scheme is shown.
pub(crate) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "the URL given".to_owned();
    };
    let (place, parameters) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
    if parameters.contains('@') {
        return format!("{scheme}://...");
    }
    let place = place.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{place}")
}

/// Listens on the port asked for, or on the first free one after it.
async fn bind(asked: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let mut addr = asked;
    loop {
        let listening = TcpListener::bind(addr).await;
        let source = match listening.and_then(|it| Ok((it.local_addr()?, it))) {
            Ok((addr, listener)) => return Ok((listener, addr)),
            Err(error) => error,
        };
        let is_taken = source.kind() == io::ErrorKind::AddrInUse;
        match addr.port().checked_add(1) {
            Some(next) if is_taken && next - asked.port() <= PORTS_TRIED => addr.set_port(next),
            _ => return Err(StartError::Listen { addr, source }),
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
    #[error("can't open the database at {url} (`--memory` does without one)")]
    #[non_exhaustive]
    Database {
        /// What was given, without credentials.
        url: String,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The store of the limits does not answer.
    #[error(
        "can't count requests in Redis at {url} (without a URL each instance counts by itself)"
    )]
    #[non_exhaustive]
    Redis {
        /// What was given, without credentials.
        url: String,
        /// What is wrong with it.
        source: Fault,
    },
    /// The system refuses a thread.
    #[error("can't start the pools")]
    Pools(#[from] elastic_pool::BuildError),
    /// There is no Redis for users at the URL.
    #[error("can't share users in Redis")]
    RedisUrl(#[from] ctxsvc::RedisUrlError),
    /// The members do not fit together.
    #[error("can't put the chain together")]
    Chain(#[from] middleware_chain::BuildError),
    /// A proxy that is none.
    #[error("--trusted-proxy is wrong")]
    Proxy(#[from] ProxyError),
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
