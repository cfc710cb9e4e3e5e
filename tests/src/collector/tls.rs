//! A TLS acceptor with a certificate that only the test trusts.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer},
};

/// Returns the acceptor for loopback, and the authority that signed its certificate, in PEM.
pub fn acceptor() -> (TlsAcceptor, String) {
    acceptor_for(&["localhost", "127.0.0.1"])
}

/// Returns the acceptor for these names, and the authority that signed its certificate, in PEM.
pub fn acceptor_for(names: &[&str]) -> (TlsAcceptor, String) {
    let key = || KeyPair::generate().expect("a key");
    let params = |names: &[&str], common_name: &str| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("valid names");
        params.distinguished_name.push(DnType::CommonName, common_name);
        params
    };

    let mut authority = params(&[], "an authority of a test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("a certificate");

    let mut server = params(names, "a server of a test");
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_key = key();
    let server = server.signed_by(&server_key, &authority).expect("a certificate");

    let server_key = PrivatePkcs8KeyDer::from(server_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has what they need")
        .with_no_client_auth()
        .with_single_cert(vec![server.der().clone()], server_key.into())
        .expect("the key fits the certificate");
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}
