//! OTLP over HTTP with binary protobuf (OTLP specification, "OTLP/HTTP"), from a thread that needs
//! no runtime.

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

/// The bytes of an answer that are read at most.
const MAX_ANSWER: u64 = 64 * 1024;

/// A collector's address, and the way to talk to it.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    /// The whole URL.
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    pub(crate) gzip: bool,
    pub(crate) tls: Tls,
    /// A proxy that the environment names is used.
    pub(crate) proxy: bool,
}

/// A connection to a collector.
pub(crate) struct CollectorClient {
    target: Collector,
    /// Made for the first batch: reading the system's certificates takes its time.
    agent: Option<Agent>,
}

impl CollectorClient {
    pub(crate) const fn new(target: Collector) -> Self {
        Self { target, agent: None }
    }

    /// The URL as messages show it.
    pub(crate) fn url(&self) -> String {
        shown(&self.target.url)
    }

    /// Closes its connections: after an unforeseen failure another try may succeed with new ones.
    pub(crate) fn reset(&mut self) {
        self.agent = None;
    }

    /// Returns the body as it is sent.
    pub(crate) fn compressed(&self, body: Vec<u8>) -> Vec<u8> {
        if !self.target.gzip {
            return body;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Nothing fails that writes into memory.
        let _ = encoder.write_all(&body);
        encoder.finish().unwrap_or_default()
    }

    /// Sends a message once. `limit` limits the time that it may take.
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
        // It was taken; what the answer says of that is worth nothing if it cannot be read.
        let answer = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().unwrap_or_default();
        let Rejected { items, message } = Rejected::read(&answer);
        Ok(Delivered::all().rejected(items, message))
    }
}

/// The failure of a status (OTLP specification, "Retryable Response Codes").
fn refused(status: u16, retry_after: Option<Duration>) -> Failure {
    let reason = format!("it answers {status}");
    match (status, retry_after) {
        (429 | 502 | 503 | 504, Some(time)) => Failure::after(time, reason),
        (429 | 502 | 503 | 504, None) => Failure::now(reason),
        _ => Failure::never(reason),
    }
}

fn agent(target: &Collector) -> Agent {
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
