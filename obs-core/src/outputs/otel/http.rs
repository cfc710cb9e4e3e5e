//! OTLP over HTTP with binary protobuf (OTLP specification, "OTLP/HTTP"), from a thread that needs no runtime.

use std::{io::Write as _, sync::Arc, time::Duration};

use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;

use super::url::{is_https, shown};
use ureq::{
    Agent, Proxy,
    tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig},
};

/// How much of an answer is read, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// Where to, and how.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The whole URL.
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) timeout: Duration,
    pub(super) gzip: bool,
    pub(super) tls: Tls,
    /// A proxy that the environment names is used.
    pub(super) proxy: bool,
}

/// Certificates as PEM.
#[derive(Clone, Default)]
pub(super) struct Tls {
    /// Who signs the collector's; the system's roots if it is absent.
    pub(super) ca: Option<Vec<Certificate<'static>>>,
    pub(super) client: Option<ClientCert>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("ca", &self.ca.is_some()).field("client", &self.client.is_some()).finish()
    }
}

impl Tls {
    /// Certificates in PEM.
    pub(super) fn certificates(pem: &[u8]) -> Option<Vec<Certificate<'static>>> {
        let certificate = |item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        };
        let all: Vec<_> = ureq::tls::parse_pem(pem).filter_map(certificate).collect();
        (!all.is_empty()).then_some(all)
    }

    /// A certificate of our own and its key, in PEM.
    pub(super) fn identity(certificates: &[u8], key: &[u8]) -> Option<ClientCert> {
        let chain = Self::certificates(certificates)?;
        fit(&chain, key)?;
        Some(ClientCert::new_with_certs(&chain, PrivateKey::from_pem(key).ok()?))
    }
}

/// Whether a key is that of a certificate: the client takes both as they are.
fn fit(chain: &[Certificate<'static>], key: &[u8]) -> Option<()> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    let key = PrivateKeyDer::from_pem_slice(key).ok()?;
    let chain = chain.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
    let provider = rustls::crypto::ring::default_provider();
    let key = provider.key_provider.load_private_key(key).ok()?;
    rustls::sign::CertifiedKey::new(chain, key).keys_match().ok()
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: String,
    /// It may go better another time.
    pub(super) may_pass: bool,
    /// When the collector wants to be asked again.
    pub(super) retry_after: Option<Duration>,
}

/// What the collector did not want of a batch that it has taken.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    pub(super) spans: u64,
    pub(super) message: String,
}

pub(super) struct Client {
    target: Target,
    /// Made for the first batch: reading the system's certificates takes its time.
    agent: Option<Agent>,
}

impl Client {
    pub(super) const fn new(target: Target) -> Self {
        Self { target, agent: None }
    }

    /// The URL as messages show it.
    pub(super) fn url(&self) -> String {
        shown(&self.target.url)
    }

    /// Forgets its connections: what has failed in an unforeseen way may go better anew.
    pub(super) fn reset(&mut self) {
        self.agent = None;
    }

    /// The body as it is sent.
    pub(super) fn compressed(&self, body: Vec<u8>) -> Vec<u8> {
        if !self.target.gzip {
            return body;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Nothing fails that writes into memory.
        let _ = encoder.write_all(&body);
        encoder.finish().unwrap_or_default()
    }

    /// Sends a batch once; `patience` says how long it may take at most.
    pub(super) fn send(
        &mut self,
        body: &[u8],
        patience: impl FnOnce(Duration) -> Duration,
    ) -> Result<Rejected, Failure> {
        let target = &self.target;
        let agent = self.agent.get_or_insert_with(|| agent(target));
        let mut request = agent
            .post(&target.url)
            .config()
            .timeout_global(Some(patience(target.timeout).max(Duration::from_millis(10))))
            .build()
            .header("content-type", "application/x-protobuf");
        if target.gzip {
            request = request.header("content-encoding", "gzip");
        }
        for (name, value) in &target.headers {
            request = request.header(name, value);
        }
        let mut response = request.send(body).map_err(|error| Failure {
            may_pass: !matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_)),
            reason: error.to_string(),
            retry_after: None,
        })?;
        let status = response.status().as_u16();
        if !(200..300).contains(&status) {
            let retry_after = response.headers().get("retry-after");
            let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            return Err(Failure {
                reason: format!("it answers {status}"),
                // OTLP specification, "Retryable Response Codes".
                may_pass: matches!(status, 429 | 502 | 503 | 504),
                retry_after: seconds.map(Duration::from_secs),
            });
        }
        // It was taken; what it says of that is worth nothing if it cannot be read.
        let answer = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().unwrap_or_default();
        let answer = ExportTraceServiceResponse::decode(answer.as_slice()).unwrap_or_default();
        Ok(answer.partial_success.map_or_else(Rejected::default, |partial| Rejected {
            spans: u64::try_from(partial.rejected_spans).unwrap_or_default(),
            message: partial.error_message,
        }))
    }
}

fn agent(target: &Target) -> Agent {
    let https = is_https(&target.url);
    // OTLP exporter specification, "User Agent", with our own name before it.
    let user_agent =
        concat!("obs/", env!("CARGO_PKG_VERSION"), " OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(user_agent)
        // A collector without TLS is next door.
        .proxy((target.proxy && https).then(Proxy::try_from_env).flatten());
    if https {
        let roots = match &target.tls.ca {
            Some(certificates) => RootCerts::new_with_certs(certificates),
            None => system_roots(),
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .client_cert(target.tls.client.clone())
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        config = config.tls_config(tls.build());
    }
    config.build().new_agent()
}

/// Those of the operating system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
fn system_roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<_> =
        found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    RootCerts::new_with_certs(&certificates)
}
