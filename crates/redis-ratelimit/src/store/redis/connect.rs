//! Stores by where their servers are.

use std::sync::Arc;

#[cfg(any(feature = "cluster", feature = "sentinel"))]
use redis::ErrorKind;
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionInfo, IntoConnectionInfo, RedisError};

use super::RedisStore;
#[cfg(any(feature = "cluster", feature = "sentinel"))]
use super::address::Address;
#[cfg(feature = "cluster")]
use super::cluster::Cluster;
use super::guard::Guard;
use super::losses::Losses;
use super::origin::Origin;
#[cfg(feature = "sentinel")]
use super::sentinels::Sentinels;
use super::servers::Servers;
#[cfg(feature = "tls")]
use super::tls::{self, Credentials};
use crate::{Applied, Fault, FaultKind};

impl RedisStore {
    /// A store at `redis://[user:password@]host[:port][/db]`. It connects when it is first used.
    ///
    /// With the feature `tls` also at `rediss://`, which believes a certificate that the system's
    /// authorities have signed for the host, or see
    #[cfg_attr(
        feature = "tls",
        doc = "[`root_certificates`](Self::root_certificates)."
    )]
    #[cfg_attr(not(feature = "tls"), doc = "`root_certificates`.")]
    ///
    /// # Errors
    ///
    /// A [`Fault`] of kind [`InvalidUrl`](FaultKind::InvalidUrl).
    pub fn open(url: &str) -> Result<Self, Fault> {
        let info = checked(url)?;
        let address = info.addr().to_string();
        let losses = Arc::default();
        let guard = Guard::new(Origin::At(info), &losses);
        Ok(Self::new(Servers::One(guard), losses, &address))
    }

    /// A store in a cluster, which is found by any of its nodes: several, for the case that one is
    /// away. All nodes are connected to as the first URL says, with its user and with TLS if it is
    /// `rediss://`. It connects when it is first used.
    ///
    /// The keys of one user, address or whatever else a [`Check`](crate::Check) is for are on one
    /// node, whatever its policies. Limits of different keys are taken in a call each: see
    /// [`Verdict::is_atomic`](crate::Verdict::is_atomic).
    ///
    /// # Errors
    ///
    /// A [`Fault`] of kind [`InvalidUrl`](FaultKind::InvalidUrl), also if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_ratelimit::RedisStore;
    ///
    /// let store = RedisStore::cluster(["redis://10.0.0.1:6379", "redis://10.0.0.2:6379"])?;
    /// # drop(store);
    /// # Ok::<(), redis_ratelimit::Fault>(())
    /// ```
    #[cfg(feature = "cluster")]
    pub fn cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self, Fault> {
        let infos = all_checked(urls)?;
        let seeds: Option<Vec<_>> = infos.iter().map(Address::of).collect();
        let (Some(seeds), Some(example)) = (seeds, infos.first()) else {
            return Err(no_url());
        };
        if example.redis_settings().db() != 0 {
            let kind = ErrorKind::InvalidClientConfig;
            return Err(invalid((kind, "a cluster has no database but 0").into()));
        }
        let address = listed(&seeds);
        let losses = Arc::default();
        let cluster = Cluster::new(example.clone(), seeds, &losses);
        Ok(Self::new(
            Servers::Cluster(Arc::new(cluster)),
            losses,
            &address,
        ))
    }

    /// A store in the primary that sentinels call by a name: `redis://[user:password@]name[/db]`,
    /// or the name alone. The URLs are those of the sentinels, which may have other users and
    /// passwords. It connects when it is first used, and asks the sentinels again each time.
    ///
    /// # Errors
    ///
    /// A [`Fault`] of kind [`InvalidUrl`](FaultKind::InvalidUrl), also if there is no sentinel.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_ratelimit::RedisStore;
    ///
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"];
    /// let store = RedisStore::sentinel(sentinels, "redis://limits:secret@primary")?;
    /// # drop(store);
    /// # Ok::<(), redis_ratelimit::Fault>(())
    /// ```
    #[cfg(feature = "sentinel")]
    pub fn sentinel<U: AsRef<str>>(
        urls: impl IntoIterator<Item = U>,
        primary: &str,
    ) -> Result<Self, Fault> {
        let infos = all_checked(urls)?;
        let primary = if primary.contains("://") {
            checked(primary)?
        } else {
            checked(&format!("redis://{primary}"))?
        };
        let name = Address::of(&primary).ok_or_else(no_url)?.host().to_owned();
        if infos.is_empty() {
            return Err(no_url());
        }
        let address = format!("{name} of {}", infos.len());
        let losses = Arc::default();
        let origin = Origin::Sentinels(Sentinels::new(infos, name, primary));
        Ok(Self::new(
            Servers::One(Guard::new(origin, &losses)),
            losses,
            &address,
        ))
    }

    /// Believes certificates that these authorities have signed, in PEM, instead of the system's.
    /// It is for a private authority, and connects anew: call it before the store is used. In a
    /// cluster, or with sentinels, it holds for all servers.
    ///
    /// # Errors
    ///
    /// A [`Fault`] of kind [`InvalidUrl`](FaultKind::InvalidUrl) if a URL is not a `rediss://` one,
    /// or this is no certificate.
    #[cfg(feature = "tls")]
    pub fn root_certificates(self, pem: &[u8]) -> Result<Self, Fault> {
        let credentials = self.credentials.with_roots(pem).map_err(invalid)?;
        self.with_credentials(credentials)
    }

    /// Shows this certificate to servers that ask for one, in PEM with those that lead to its
    /// authority, and signs with its private key. It connects anew: call it before the store is
    /// used. In a cluster, or with sentinels, it holds for all servers.
    ///
    /// # Errors
    ///
    /// A [`Fault`] of kind [`InvalidUrl`](FaultKind::InvalidUrl) if a URL is not a `rediss://` one,
    /// this is no certificate or no key, or the key is that of another one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use redis_ratelimit::RedisStore;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let certificate = std::fs::read("limiter.pem")?;
    /// let key = std::fs::read("limiter.key")?;
    /// let store = RedisStore::open("rediss://redis.internal:6380")?
    ///     .client_certificate(&certificate, &key)?;
    /// # drop(store);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn client_certificate(self, certificate: &[u8], key: &[u8]) -> Result<Self, Fault> {
        let credentials = self.credentials.with_client(certificate, key);
        self.with_credentials(credentials.map_err(invalid)?)
    }

    #[cfg(feature = "tls")]
    fn with_credentials(self, credentials: Credentials) -> Result<Self, Fault> {
        let losses = Arc::default();
        let apply = |info: &ConnectionInfo| credentials.apply(info).map_err(invalid);
        let servers = self.servers.with_infos(apply, &losses)?;
        Ok(Self {
            servers,
            losses,
            credentials: Arc::new(credentials),
            ..self
        })
    }

    fn new(servers: Servers, losses: Arc<Losses>, address: &str) -> Self {
        Self {
            servers,
            losses,
            namespace: "rl".into(),
            address: address.into(),
            #[cfg(feature = "tls")]
            credentials: Arc::default(),
        }
    }
}

fn checked(url: &str) -> Result<ConnectionInfo, Fault> {
    // Without the delay for small packets: an answer is awaited for each.
    let tcp = TcpSettings::default().set_nodelay(true);
    let info = url.into_connection_info().map_err(invalid)?;
    let info = info.set_tcp_settings(tcp);
    // It fails if this build can't connect to such an address.
    Client::open(info.clone()).map_err(invalid)?;
    #[cfg(feature = "tls")]
    tls::prepare(&info);
    Ok(info)
}

#[cfg(any(feature = "cluster", feature = "sentinel"))]
fn all_checked<U: AsRef<str>>(
    urls: impl IntoIterator<Item = U>,
) -> Result<Vec<ConnectionInfo>, Fault> {
    urls.into_iter().map(|url| checked(url.as_ref())).collect()
}

#[cfg(feature = "cluster")]
fn listed(addresses: &[Address]) -> String {
    let addresses: Vec<_> = addresses.iter().map(Address::to_string).collect();
    addresses.join(", ")
}

fn invalid(error: RedisError) -> Fault {
    Fault::new(FaultKind::InvalidUrl, Applied::No).caused_by(error)
}

#[cfg(any(feature = "cluster", feature = "sentinel"))]
fn no_url() -> Fault {
    let kind = ErrorKind::InvalidClientConfig;
    invalid((kind, "at least one URL is needed, and a host in each").into())
}
