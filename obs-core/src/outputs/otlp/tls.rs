//! TLS certificates: those of the authorities that sign the collector's certificate, and that of
//! this service.

use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts};

/// The certificates of a connection.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    /// The authorities that sign the collector's certificate. `None` selects the system's roots.
    pub(crate) ca: Option<Vec<Certificate<'static>>>,
    pub(crate) client: Option<ClientCert>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("ca", &self.ca.is_some()).field("client", &self.client.is_some()).finish()
    }
}

impl Tls {
    /// Parses certificates in PEM. Returns `None` if there are none.
    pub(crate) fn certificates(pem: &[u8]) -> Option<Vec<Certificate<'static>>> {
        let certificate = |item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        };
        let all: Vec<_> = ureq::tls::parse_pem(pem).filter_map(certificate).collect();
        (!all.is_empty()).then_some(all)
    }

    /// Parses the certificate of the service and its key, in PEM. Returns `None` if they are
    /// invalid or do not match.
    pub(crate) fn identity(certificates: &[u8], key: &[u8]) -> Option<ClientCert> {
        let chain = Self::certificates(certificates)?;
        key_matches(&chain, key)?;
        Some(ClientCert::new_with_certs(&chain, PrivateKey::from_pem(key).ok()?))
    }
}

/// Checks that a key belongs to a certificate, because the HTTP client does not check it.
fn key_matches(chain: &[Certificate<'static>], key: &[u8]) -> Option<()> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    let key = PrivateKeyDer::from_pem_slice(key).ok()?;
    let chain = chain.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
    let provider = rustls::crypto::ring::default_provider();
    let key = provider.key_provider.load_private_key(key).ok()?;
    rustls::sign::CertifiedKey::new(chain, key).keys_match().ok()
}

/// Returns the root certificates of the operating system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
pub(super) fn system_roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<_> =
        found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    RootCerts::new_with_certs(&certificates)
}
