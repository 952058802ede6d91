//! A primary whose address is known to sentinels.
//!
//! The client's own module for it asks one sentinel after the other, each for as long as it takes:
//! one that the network has swallowed would use up the time that there is to connect. These are
//! asked all at once, and every server that one of them names is tried at once too: the first that
//! says it is a primary is the one. So neither a sentinel that is dead nor one that still names a
//! server which is dead or a replica by now, however fast it is, stands in the way of one that knows
//! better. Of two servers that both say it, as long as one has not heard of a failover, nobody can tell
//! from here which is right.

use std::collections::HashSet;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ConnectionInfo, ErrorKind, RedisResult, ServerErrorKind, Value,
};
use tokio::task::JoinSet;

use super::address::Address;
use super::origin::connect;

#[derive(Debug)]
pub(super) struct Sentinels {
    infos: Vec<ConnectionInfo>,
    name: String,
    /// As which user, and over what kind of connection; its address is that of nobody.
    primary: ConnectionInfo,
}

impl Sentinels {
    pub(super) fn new(infos: Vec<ConnectionInfo>, name: String, primary: ConnectionInfo) -> Self {
        Self {
            infos,
            name,
            primary,
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn with_infos<E>(
        &self,
        change: impl Fn(&ConnectionInfo) -> Result<ConnectionInfo, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            infos: self.infos.iter().map(&change).collect::<Result<_, _>>()?,
            name: self.name.clone(),
            primary: change(&self.primary)?,
        })
    }

    /// To the first primary that says it is one, of all that are named.
    pub(super) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let mut steps = JoinSet::new();
        for sentinel in &self.infos {
            let asked = ask(sentinel.clone(), self.name.clone(), config.clone());
            steps.spawn(async move { asked.await.map(Step::Named) });
        }
        let mut tried = HashSet::new();
        let mut cause = (ErrorKind::EmptySentinelList, "there is no sentinel to ask").into();
        while let Some(step) = steps.join_next().await {
            match step {
                Ok(Ok(Step::Reached(connection))) => return Ok(connection),
                Ok(Ok(Step::Named(address))) => {
                    if tried.insert(address.clone()) {
                        let reached = reach(address.info(&self.primary), config.clone());
                        steps.spawn(async move { reached.await.map(Step::Reached) });
                    }
                }
                Ok(Err(error)) => cause = error,
                // Its runtime is shut down.
                Err(_) => {}
            }
        }
        Err(cause)
    }
}

/// What has been found out on the way to the primary.
enum Step {
    /// Where a sentinel says that it is.
    Named(Address),
    /// It was there.
    Reached(MultiplexedConnection),
}

/// The connection to a primary, if it is one: a sentinel that has not heard of a failover yet still
/// names the old one.
async fn reach(
    info: ConnectionInfo,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let mut connection = connect(info, &config).await?;
    let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
    match role.as_slice() {
        [Value::BulkString(role), ..] if role == b"master" => Ok(connection),
        [Value::BulkString(_), ..] => {
            let kind = ErrorKind::Server(ServerErrorKind::MasterDown);
            Err((
                kind,
                "the sentinels name a replica: they wait for a failover",
            )
                .into())
        }
        _ => Err((ErrorKind::UnexpectedReturnType, "no role").into()),
    }
}

async fn ask(
    sentinel: ConnectionInfo,
    name: String,
    config: AsyncConnectionConfig,
) -> RedisResult<Address> {
    let mut connection = connect(sentinel, &config).await?;
    let mut ask = redis::cmd("SENTINEL");
    ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let address: Option<(String, u16)> = ask.query_async(&mut connection).await?;
    let (host, port) = address.ok_or((
        ErrorKind::MasterNameNotFoundBySentinel,
        "the sentinels know no primary of this name",
    ))?;
    Ok(Address::new(&host, port))
}
