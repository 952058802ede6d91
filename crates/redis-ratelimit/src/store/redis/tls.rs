//! Encrypted connections, by rustls.

use std::sync::Arc;

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    TlsCertificates,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// Sees to it that rustls has an implementation of cryptography, if this needs one: the client
/// takes that of the process. If the process has chosen one, that stays.
pub(super) fn prepare(info: &ConnectionInfo) {
    let is_encrypted = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    if is_encrypted && CryptoProvider::get_default().is_none() {
        // An error would say that another thread was faster.
        let _ = ring::default_provider().install_default();
    }
}

/// Who is believed, and as whom a server is greeted. The system's authorities are, and as nobody,
/// unless set.
#[derive(Debug, Clone, Default)]
pub(super) struct Credentials {
    roots: Option<Vec<u8>>,
    client: Option<ClientTlsConfig>,
}

impl Credentials {
    /// Believes these authorities instead.
    pub(super) fn with_roots(&self, pem: &[u8]) -> RedisResult<Self> {
        // The client takes none as nobody who is to be trusted.
        certificates(pem)?;
        Ok(Self {
            roots: Some(pem.to_vec()),
            client: self.client.clone(),
        })
    }

    /// Greets with this certificate and those that lead to its authority.
    pub(super) fn with_client(&self, certificate: &[u8], key: &[u8]) -> RedisResult<Self> {
        let chain = certificates(certificate)?;
        let private = PrivateKeyDer::from_pem_slice(key);
        let private = private.map_err(|_| invalid("it holds no private key in PEM"))?;
        let chosen = CryptoProvider::get_default().cloned();
        let provider = chosen.unwrap_or_else(|| Arc::new(ring::default_provider()));
        // The client would find out when it connects.
        CertifiedKey::from_der(chain, private, &provider)
            .map_err(|error| invalid(why_no_pair(&error)))?;
        Ok(Self {
            roots: self.roots.clone(),
            client: Some(ClientTlsConfig {
                client_cert: certificate.to_vec(),
                client_key: key.to_vec(),
            }),
        })
    }

    /// The same server, with these credentials.
    pub(super) fn apply(&self, info: &ConnectionInfo) -> RedisResult<ConnectionInfo> {
        let certificates = TlsCertificates {
            client_tls: self.client.clone(),
            root_cert: self.roots.clone(),
        };
        let client = Client::build_with_tls(info.clone(), certificates)?;
        Ok(client.get_connection_info().clone())
    }
}

fn certificates(pem: &[u8]) -> RedisResult<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| invalid("it holds no certificates in PEM"))
}

fn why_no_pair(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InconsistentKeys(_) => "the private key is not that of the certificate",
        rustls::Error::InvalidCertificate(_) => "the certificate can't be read",
        _ => "the private key is of no kind that the cryptography of this process knows",
    }
}

fn invalid(reason: &'static str) -> RedisError {
    (ErrorKind::InvalidClientConfig, reason).into()
}

#[cfg(test)]
mod tests {
    use rustls::crypto::KeyProvider;
    use rustls::sign::SigningKey;

    use super::*;

    #[derive(Debug)]
    struct KnowsNoKeys;

    impl KeyProvider for KnowsNoKeys {
        fn load_private_key(
            &self,
            _: PrivateKeyDer<'static>,
        ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
            Err(rustls::Error::General("it knows none".into()))
        }
    }

    #[test]
    fn a_key_is_judged_by_the_cryptography_that_the_process_has_chosen() {
        let certified = rcgen::generate_simple_self_signed(["limiter".to_owned()]);
        let certified = certified.expect("a certificate");
        let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
        let pair = || Credentials::default().with_client(certificate.as_bytes(), key.as_bytes());
        assert!(pair().is_ok());
        let chosen = CryptoProvider {
            key_provider: &KnowsNoKeys,
            ..ring::default_provider()
        };
        // No other test of this process opens an encrypted connection.
        chosen.install_default().expect("none is chosen");
        let error = pair().expect_err("it knows no keys");
        assert!(error.to_string().contains("no kind"), "{error}");
    }
}
