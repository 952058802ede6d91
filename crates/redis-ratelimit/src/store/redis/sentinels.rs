//! A primary whose address is known to sentinels.
//!
//! The client's own module for it asks one sentinel after the other, each for as long as it takes:
//! one that the network has swallowed would use up the time that there is to connect. These are
//! asked all at once, and the first one that knows the primary is believed, once the primary says
//! that it is one.

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ConnectionInfo, ErrorKind, RedisError, RedisResult, ServerErrorKind,
    Value,
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

    pub(super) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let address = self.locate(config).await?;
        let mut connection = connect(address.info(&self.primary), config).await?;
        // A sentinel that has not heard of a failover yet still names the old one.
        let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
        let [Value::BulkString(role), ..] = role.as_slice() else {
            return Err(RedisError::from((
                ErrorKind::UnexpectedReturnType,
                "no role",
            )));
        };
        if role == b"master" {
            Ok(connection)
        } else {
            let kind = ErrorKind::Server(ServerErrorKind::MasterDown);
            Err((
                kind,
                "the sentinels name a replica: they wait for a failover",
            )
                .into())
        }
    }

    /// What the first sentinel says that knows it.
    async fn locate(&self, config: &AsyncConnectionConfig) -> RedisResult<Address> {
        let mut asked = JoinSet::new();
        for sentinel in &self.infos {
            asked.spawn(ask(sentinel.clone(), self.name.clone(), config.clone()));
        }
        let mut answer = Err((ErrorKind::EmptySentinelList, "there is no sentinel to ask").into());
        while let Some(asked) = asked.join_next().await {
            match asked {
                Ok(Ok(address)) => return Ok(address),
                Ok(Err(error)) => answer = Err(error),
                // Its runtime is shut down.
                Err(_) => {}
            }
        }
        answer
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
