//! Encrypted connections, by rustls.

use redis::{Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisResult, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Sees to it that rustls has an implementation of cryptography, if this needs one: the client
/// takes that of the process. If the process has chosen one, that stays.
pub(super) fn prepare(info: &ConnectionInfo) {
    let is_encrypted = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    if is_encrypted && CryptoProvider::get_default().is_none() {
        // An error would say that another thread was faster.
        let _ = ring::default_provider().install_default();
    }
}

/// As `info`, with these authorities instead of the system's.
pub(super) fn trusting(info: &ConnectionInfo, pem: &[u8]) -> RedisResult<ConnectionInfo> {
    let mut found = CertificateDer::pem_slice_iter(pem).peekable();
    // The client takes none as nobody who is to be trusted.
    if found.peek().is_none() || found.any(|certificate| certificate.is_err()) {
        return Err((
            ErrorKind::InvalidClientConfig,
            "it holds no certificates in PEM",
        )
            .into());
    }
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(pem.to_vec()),
    };
    let client = Client::build_with_tls(info.clone(), certificates)?;
    Ok(client.get_connection_info().clone())
}
