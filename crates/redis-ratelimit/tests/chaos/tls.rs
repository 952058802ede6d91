//! Encrypted connections, to a server whose certificate a private authority has signed.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use redis_ratelimit::{Applied, Decision, FailurePolicy, FaultKind, Limiter, RedisStore};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use testkit::Redis;
use tokio::net::TcpStream;
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
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    fn sign(&self, name: &str, has_expired: bool) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
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

/// Where a server speaks TLS: itself, or if it was built without by what stands in front of it.
fn encrypt(server: &Redis, identity: &Identity) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    let mut config = redis::cmd("CONFIG");
    config.arg("GET").arg("tls-port");
    let built_with: Vec<String> = config.query(&mut connection).expect("a plain command");
    if built_with.is_empty() {
        println!("the server was built without TLS");
        stand_in_front(server, identity, listener);
        return port;
    }
    drop(listener);
    let path = |file: &str, pem: &str| {
        let path = Path::join(server.folder(), file);
        fs::write(&path, pem).expect("the server's folder");
        path.display().to_string()
    };
    let certificate = path("certificate.pem", &identity.certificate);
    for (setting, value) in [
        ("tls-ca-cert-file", certificate.clone()),
        ("tls-cert-file", certificate),
        ("tls-key-file", path("key.pem", &identity.key)),
        ("tls-auth-clients", "no".to_owned()),
        ("tls-port", port.to_string()),
    ] {
        let mut config = redis::cmd("CONFIG");
        config.arg("SET").arg(setting).arg(value);
        config.exec(&mut connection).expect("a setting");
    }
    port
}

fn stand_in_front(server: &Redis, identity: &Identity, listener: TcpListener) {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("a certificate")],
            key.expect("a key"),
        )
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listener.set_nonblocking(true).expect("a socket");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    let addr = server.addr();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(addr).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
}

async fn ask(store: RedisStore) -> Decision {
    let settings = Limiter::builder().redis(store, FailurePolicy::Closed);
    let limiter = settings.budget(PATIENCE).build();
    limiter.check(check(&policy(10))).await
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
        let port = encrypt(&server, &ours.sign(name, has_expired));
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
        match ask(store).await {
            Decision::Allowed(_) => assert!(is_believed, "{case}"),
            Decision::Unknown(doubt) => {
                let told = (doubt.cause().kind(), doubt.cause().applied());
                assert_eq!(told, (FaultKind::Unreachable, Applied::No), "{case}");
                let reason = std::error::Error::source(doubt.cause()).expect("a cause");
                assert!(!is_believed, "{case}: {reason}");
                println!("{case}: {reason}");
            }
            decision => panic!("{case}: {decision:?}"),
        }
        let direct = redis::Client::open(server.url()).expect("a URL");
        let mut direct = direct.get_connection().expect("the server answers");
        let is_charged: bool = redis::cmd("EXISTS")
            .arg("rl:{key}:api")
            .query(&mut direct)
            .expect("a plain command");
        assert_eq!(is_charged, is_believed, "{case}");
    }
}

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
}
