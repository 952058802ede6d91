//! Encrypted connections, to a server whose certificate a private authority has signed.

#[cfg(feature = "cluster")]
use std::cell::RefCell;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use redis_ratelimit::{Applied, Decision, FailurePolicy, FaultKind, Limiter, RedisStore};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
#[cfg(feature = "cluster")]
use testkit::Cluster;
use testkit::Redis;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;

use crate::{PATIENCE, check, policy};

/// An authority, as it signs, and its certificate.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = named("an authority");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    fn sign(&self, name: &str, has_expired: bool) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        // OpenSSL takes a certificate for its own authority's if both have the same name.
        params.distinguished_name = named(name);
        if has_expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer);
        Identity {
            certificate: certificate.expect("a certificate").pem(),
            key: key.serialize_pem(),
        }
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

/// Who may come.
#[derive(Clone, Copy)]
enum Clients<'a> {
    All,
    /// Those whose certificate this authority has signed.
    SignedBy(&'a Authority),
}

/// Where a server speaks TLS: itself, or if it was built without by what stands in front of it.
fn encrypt(server: &Redis, identity: &Identity, clients: Clients<'_>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    if !knows(server, "tls-port") {
        println!("the server was built without TLS");
        stand_in_front(server.addr(), identity, clients, listener);
        return port;
    }
    drop(listener);
    let mut connection = connection(server);
    let mut set = |setting: &str, value: String| {
        let mut config = redis::cmd("CONFIG");
        config.arg("SET").arg(setting).arg(value);
        config.exec(&mut connection).expect("a setting");
    };
    for (setting, value) in settings(server.folder(), identity, clients) {
        set(setting, value);
    }
    set("tls-port", port.to_string());
    port
}

fn connection(server: &Redis) -> redis::Connection {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_connection().expect("the server answers")
}

fn knows(server: &Redis, setting: &str) -> bool {
    let mut config = redis::cmd("CONFIG");
    config.arg("GET").arg(setting);
    let known: Vec<String> = config
        .query(&mut connection(server))
        .expect("a plain command");
    !known.is_empty()
}

/// Writes an identity to a server's folder. What it is told of it, by names and values.
fn settings(
    folder: &Path,
    identity: &Identity,
    clients: Clients<'_>,
) -> [(&'static str, String); 4] {
    let path = |file: &str, pem: &str| {
        let path = folder.join(file);
        fs::write(&path, pem).expect("the server's folder");
        path.display().to_string()
    };
    // Redis wants an authority also if it asks nobody for a certificate.
    let (authority, asks) = match clients {
        Clients::All => (&identity.certificate, "no"),
        Clients::SignedBy(authority) => (&authority.pem, "yes"),
    };
    [
        ("tls-ca-cert-file", path("authority.pem", authority)),
        (
            "tls-cert-file",
            path("certificate.pem", &identity.certificate),
        ),
        ("tls-key-file", path("key.pem", &identity.key)),
        ("tls-auth-clients", asks.to_owned()),
    ]
}

fn server_config(identity: &Identity, clients: Clients<'_>) -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let config = match clients {
        Clients::All => config.with_no_client_auth(),
        Clients::SignedBy(Authority { pem, .. }) => {
            let authority = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
            let mut roots = RootCertStore::empty();
            roots.add(authority).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().expect("an authority"))
        }
    };
    let chain = vec![certificate.expect("a certificate")];
    let config = config.with_single_cert(chain, key.expect("a key"));
    config.expect("a pair")
}

/// Speaks TLS for a server that does not. Who does not speak it either, as the other nodes of a
/// cluster, is passed on as well. It ends with the test's process.
fn stand_in_front(
    server: SocketAddr,
    identity: &Identity,
    clients: Clients<'_>,
    listener: TcpListener,
) {
    const HANDSHAKE: u8 = 22;
    let acceptor = TlsAcceptor::from(Arc::new(server_config(identity, clients)));
    listener.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            while let Ok((mut client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut first = [0];
                    client.peek(&mut first).await?;
                    let mut server = TcpStream::connect(server).await?;
                    if first == [HANDSHAKE] {
                        let mut client = acceptor.accept(client).await?;
                        tokio::io::copy_bidirectional(&mut client, &mut server).await
                    } else {
                        tokio::io::copy_bidirectional(&mut client, &mut server).await
                    }
                });
            }
        });
    });
}

/// Whether a store can ask. If not, nothing was done.
async fn is_let_in(store: RedisStore, case: &str) -> bool {
    let settings = Limiter::builder().redis(store, FailurePolicy::Closed);
    let limiter = settings.budget(PATIENCE).build();
    match limiter.check(check(&policy(10))).await {
        Decision::Allowed(_) => true,
        Decision::Unknown(doubt) => {
            let told = (doubt.cause().kind(), doubt.cause().applied());
            assert_eq!(told, (FaultKind::Unreachable, Applied::No), "{case}");
            let reason = std::error::Error::source(doubt.cause()).expect("a cause");
            println!("{case}: {reason}");
            false
        }
        decision => panic!("{case}: {decision:?}"),
    }
}

fn is_charged(server: &Redis) -> bool {
    redis::cmd("EXISTS")
        .arg("rl:{key}:api")
        .query(&mut connection(server))
        .expect("a plain command")
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_is_believed_if_an_authority_that_is_trusted_has_signed_for_its_name_and_time() {
    let (ours, another) = (Authority::new(), Authority::new());
    // For which name, until the past, whom we trust: believed.
    for (name, has_expired, trusted, is_believed) in [
        ("127.0.0.1", false, Some(&ours), true),
        ("127.0.0.1", false, Some(&another), false),
        ("127.0.0.1", false, None, false),
        ("example.org", false, Some(&ours), false),
        ("127.0.0.1", true, Some(&ours), false),
    ] {
        let server = Redis::start(&[]).expect("a server");
        let port = encrypt(&server, &ours.sign(name, has_expired), Clients::All);
        let mut store = RedisStore::open(&format!("rediss://127.0.0.1:{port}")).expect("a URL");
        if let Some(Authority { pem, .. }) = trusted {
            store = store
                .root_certificates(pem.as_bytes())
                .expect("a certificate");
        }
        let case = format!(
            "{name}, expired {has_expired}, trusted {}",
            trusted.is_some()
        );
        assert_eq!(is_let_in(store, &case).await, is_believed, "{case}");
        assert_eq!(is_charged(&server), is_believed, "{case}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_asks_for_a_certificate_lets_those_in_whom_its_authority_has_signed_for() {
    let (ours, another) = (Authority::new(), Authority::new());
    let client = |authority: &Authority, has_expired| Some(authority.sign("limiter", has_expired));
    for (case, certificate, is_welcome) in [
        ("its own", client(&ours, false), true),
        ("none", None, false),
        ("one of another authority", client(&another, false), false),
        ("one that has expired", client(&ours, true), false),
    ] {
        let server = Redis::start(&[]).expect("a server");
        let identity = ours.sign("127.0.0.1", false);
        let port = encrypt(&server, &identity, Clients::SignedBy(&ours));
        let store = RedisStore::open(&format!("rediss://127.0.0.1:{port}")).expect("a URL");
        let store = with_credentials(store, &ours, certificate.as_ref());
        assert_eq!(is_let_in(store, case).await, is_welcome, "{case}");
        assert_eq!(is_charged(&server), is_welcome, "{case}");
    }
}

/// In either order: neither forgets the other.
fn with_credentials(store: RedisStore, roots: &Authority, client: Option<&Identity>) -> RedisStore {
    let roots = roots.pem.as_bytes();
    let store = match client {
        Some(Identity { certificate, key }) => store
            .client_certificate(certificate.as_bytes(), key.as_bytes())
            .expect("a pair"),
        None => store,
    };
    store.root_certificates(roots).expect("a certificate")
}

#[cfg(feature = "cluster")]
fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// A cluster whose nodes are known by the ports on which they speak TLS, and their URLs. The nodes
/// also trust each other by it, if they were built with it.
#[cfg(feature = "cluster")]
fn encrypted_cluster(authority: &Authority) -> (Cluster, Vec<String>) {
    let probe = Redis::start(&[]).expect("a server");
    // Without the second one its nodes would not find each other.
    let speaks_tls = knows(&probe, "tls-port") && knows(&probe, "cluster-port");
    let identity = authority.sign("127.0.0.1", false);
    // The probe's folder outlives the start of the nodes, which read it then.
    let clients = Clients::SignedBy(authority);
    let settings = settings(probe.folder(), &identity, clients);
    let urls = RefCell::new(Vec::new());
    let cluster = Cluster::start_with(|addr| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        urls.borrow_mut().push(format!("rediss://127.0.0.1:{port}"));
        let bus_port = addr.port() + 10_000;
        if speaks_tls {
            drop(listener);
            let own = format!(
                "--tls-port {port} --tls-cluster yes --tls-replication yes --cluster-port {bus_port}"
            );
            let all = settings
                .iter()
                .map(|(name, value)| format!("--{name} {value}"));
            words(&[own, all.collect::<Vec<_>>().join(" ")].join(" "))
        } else {
            stand_in_front(addr, &identity, clients, listener);
            words(&format!(
                "--cluster-announce-port {port} --cluster-announce-bus-port {bus_port}"
            ))
        }
    });
    println!("the nodes speak TLS themselves: {speaks_tls}");
    (cluster.expect("a cluster"), urls.into_inner())
}

#[cfg(feature = "cluster")]
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cluster_that_asks_for_certificates_is_one_store_for_those_who_have_one() {
    let (ours, another) = (Authority::new(), Authority::new());
    let (cluster, urls) = encrypted_cluster(&ours);
    let store = || RedisStore::cluster(&urls).expect("URLs");
    let identity = ours.sign("limiter", false);
    for (case, roots, client) in [
        ("no certificate", &ours, None),
        (
            "another authority's",
            &ours,
            Some(another.sign("limiter", false)),
        ),
        ("not believed", &another, Some(ours.sign("limiter", false))),
    ] {
        let store = with_credentials(store(), roots, client.as_ref());
        assert!(!is_let_in(store, case).await, "{case}");
    }
    let keys = |node: &Redis| -> u64 {
        let size = redis::cmd("DBSIZE").query(&mut connection(node));
        size.expect("a plain command")
    };
    let masters = &cluster.nodes()[..3];
    assert_eq!(masters.iter().map(keys).sum::<u64>(), 0);

    let store = with_credentials(store(), &ours, Some(&identity));
    let settings = Limiter::builder().redis(store, FailurePolicy::Closed);
    let (limiter, policy) = (settings.budget(PATIENCE).build(), policy(10));
    for number in 0..60 {
        let key = number.to_string();
        let check = redis_ratelimit::Check::new(&policy, &key).expect("a short key");
        let decision = limiter.check(check).await;
        assert!(
            matches!(decision, Decision::Allowed(_)),
            "{key}: {decision:?}"
        );
    }
    let found: Vec<_> = masters.iter().map(keys).collect();
    assert_eq!(found.iter().sum::<u64>(), 60, "{found:?}");
    assert!(found.iter().all(|keys| *keys > 0), "{found:?}");
}

const UNREADABLE: &[u8] = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const OF_NO_KIND: &[u8] = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

#[test]
fn what_is_no_certificate_or_no_encrypted_url_is_told_at_once() {
    let pem = Authority::new().pem;
    for (url, pem) in [
        ("redis://127.0.0.1", pem.as_bytes()),
        ("rediss://127.0.0.1", b"-----BEGIN CERTIFICATE-----\nnone\n"),
        ("rediss://127.0.0.1", b""),
    ] {
        let store = RedisStore::open(url).expect("a URL");
        let fault = store.root_certificates(pem).expect_err(url);
        assert_eq!(fault.kind(), FaultKind::InvalidUrl, "{url}");
    }
    let [one, other] = [(); 2].map(|()| Authority::new().sign("limiter", false));
    let (certificate, key) = (one.certificate.as_bytes(), one.key.as_bytes());
    for (url, certificate, key, reason) in [
        ("redis://127.0.0.1", certificate, key, "rediss://"),
        ("rediss://127.0.0.1", key, key, "no certificates"),
        ("rediss://127.0.0.1", &b""[..], key, "no certificates"),
        (
            "rediss://127.0.0.1",
            certificate,
            certificate,
            "no private key",
        ),
        ("rediss://127.0.0.1", certificate, b"", "no private key"),
        (
            "rediss://127.0.0.1",
            UNREADABLE,
            key,
            "certificate can't be read",
        ),
        ("rediss://127.0.0.1", certificate, OF_NO_KIND, "no kind"),
        (
            "rediss://127.0.0.1",
            certificate,
            other.key.as_bytes(),
            "not that of",
        ),
    ] {
        let store = RedisStore::open(url).expect("a URL");
        let fault = store
            .client_certificate(certificate, key)
            .expect_err(reason);
        assert_eq!(fault.kind(), FaultKind::InvalidUrl, "{reason}");
        let told = std::error::Error::source(&fault)
            .expect("a cause")
            .to_string();
        assert!(told.contains(reason), "{told}");
        assert!(!format!("{fault:?}").contains("PRIVATE KEY"), "{fault:?}");
    }
    let store = RedisStore::open("rediss://127.0.0.1").expect("a URL");
    let store = store.client_certificate(certificate, key).expect("a pair");
    assert!(!format!("{store:?}").contains("PRIVATE KEY"), "{store:?}");
}
