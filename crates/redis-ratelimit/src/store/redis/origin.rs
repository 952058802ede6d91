//! Where a server is.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisResult};

#[cfg(feature = "cluster")]
use super::address::Address;
#[cfg(feature = "sentinel")]
use super::sentinels::Sentinels;

/// Where a server is: at an address, or where sentinels say that it is.
#[derive(Debug)]
pub(super) enum Origin {
    At(ConnectionInfo),
    #[cfg(feature = "sentinel")]
    Sentinels(Sentinels),
}

impl Origin {
    /// `None` if that may change.
    #[cfg(feature = "cluster")]
    pub(super) fn address(&self) -> Option<Address> {
        match self {
            Self::At(info) => Address::of(info),
            #[cfg(feature = "sentinel")]
            Self::Sentinels(_) => None,
        }
    }

    /// Whether somebody says which server it is now.
    pub(super) fn has_sentinels(&self) -> bool {
        match self {
            Self::At(_) => false,
            #[cfg(feature = "sentinel")]
            Self::Sentinels(_) => true,
        }
    }

    /// The same place by other means.
    #[cfg(feature = "tls")]
    pub(super) fn with_infos<E>(
        &self,
        change: impl Fn(&ConnectionInfo) -> Result<ConnectionInfo, E>,
    ) -> Result<Self, E> {
        Ok(match self {
            Self::At(info) => Self::At(change(info)?),
            #[cfg(feature = "sentinel")]
            Self::Sentinels(sentinels) => Self::Sentinels(sentinels.with_infos(change)?),
        })
    }

    pub(super) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        match self {
            Self::At(info) => connect(info.clone(), config).await,
            #[cfg(feature = "sentinel")]
            Self::Sentinels(sentinels) => sentinels.connect(config).await,
        }
    }
}

pub(super) async fn connect(
    info: ConnectionInfo,
    config: &AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let client = Client::open(info)?;
    client
        .get_multiplexed_async_connection_with_config(config)
        .await
}
