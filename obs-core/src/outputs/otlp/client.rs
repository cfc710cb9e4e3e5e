//! The client for OTLP over HTTP with binary protobuf (OTLP specification, "OTLP/HTTP"). It blocks
//! its thread and needs no async runtime.

use std::{io::Write as _, sync::Arc, time::Duration};

use flate2::{Compression, write::GzEncoder};
use ureq::{
    Agent, Proxy,
    tls::{RootCerts, TlsConfig},
};

use super::{
    response::Rejected,
    tls::{self, Tls},
    url::{is_https, shown},
};
use crate::outputs::delivery::failure::{Delivered, Failure};

/// The limit of bytes that are read from a response.
const MAX_ANSWER: u64 = 64 * 1024;

/// The URL of a collector, and the settings of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    /// The complete URL.
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    pub(crate) gzip: bool,
    pub(crate) tls: Tls,
    /// True if the proxy of the environment is used.
    pub(crate) proxy: bool,
}

/// A client of one collector.
pub(crate) struct CollectorClient {
    target: Collector,
    /// The HTTP agent. It is created for the first batch, because reading the system's certificates
    /// is slow.
    agent: Option<Agent>,
}

impl CollectorClient {
    pub(crate) const fn new(target: Collector) -> Self {
        Self { target, agent: None }
    }

    /// Returns the URL for messages, without secrets.
    pub(crate) fn url(&self) -> String {
        shown(&self.target.url)
    }

    /// Closes the connections. After an unexpected failure, the next attempt uses new ones.
    pub(crate) fn reset(&mut self) {
        self.agent = None;
    }

    /// Returns the body in the form in which it is sent, compressed if the settings say so.
    pub(crate) fn compressed(&self, body: Vec<u8>) -> Vec<u8> {
        if !self.target.gzip {
            return body;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory cannot fail.
        let _ = encoder.write_all(&body);
        encoder.finish().unwrap_or_default()
    }

    /// Sends a message once. `limit` can shorten the timeout.
    pub(crate) fn send(
        &mut self,
        body: &[u8],
        limit: impl FnOnce(Duration) -> Duration,
    ) -> Result<Delivered, Failure> {
        let target = &self.target;
        let agent = self.agent.get_or_insert_with(|| agent(target));
        let mut request = agent
            .post(&target.url)
            .config()
            .timeout_global(Some(limit(target.timeout).max(Duration::from_millis(10))))
            .build()
            .header("content-type", "application/x-protobuf");
        if target.gzip {
            request = request.header("content-encoding", "gzip");
        }
        for (name, value) in &target.headers {
            request = request.header(name, value);
        }
        let mut response = request.send(body).map_err(|error| {
            let reason = error.to_string();
            match error {
                ureq::Error::BadUri(_) | ureq::Error::Http(_) => Failure::never(reason),
                _ => Failure::now(reason),
            }
        })?;
        let status = response.status().as_u16();
        if !(200..300).contains(&status) {
            let retry_after = response.headers().get("retry-after");
            let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            return Err(refused(status, seconds.map(Duration::from_secs)));
        }
        // The collector accepted the message. A response that cannot be read is ignored.
        let answer = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().unwrap_or_default();
        let Rejected { items, message } = Rejected::read(&answer);
        Ok(Delivered::all().rejected(items, message))
    }
}

/// Returns the failure for a status (OTLP specification, "Retryable Response Codes").
fn refused(status: u16, retry_after: Option<Duration>) -> Failure {
    let reason = format!("status {status}");
    match (status, retry_after) {
        (429 | 502 | 503 | 504, Some(time)) => Failure::after(time, reason),
        (429 | 502 | 503 | 504, None) => Failure::now(reason),
        _ => Failure::never(reason),
    }
}

fn agent(target: &Collector) -> Agent {
    let https = is_https(&target.url);
    // The name of obs precedes the text of the OTLP exporter specification ("User Agent").
    let user_agent =
        concat!("obs/", env!("CARGO_PKG_VERSION"), " OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(user_agent)
        // A collector without TLS is in the local network, so no proxy is used.
        .proxy((target.proxy && https).then(Proxy::try_from_env).flatten());
    if https {
        let roots = match &target.tls.ca {
            Some(certificates) => RootCerts::new_with_certs(certificates),
            None => tls::system_roots(),
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .client_cert(target.tls.client.clone())
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        config = config.tls_config(tls.build());
    }
    config.build().new_agent()
}
