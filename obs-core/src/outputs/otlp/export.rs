//! Settings of an export over OTLP, from code and from the environment.

use std::{io, path::PathBuf, time::Duration};

use super::{
    client::Collector,
    signal::Signal,
    tls::Tls,
    url::{is_url, shown, url_of_signal},
};
use crate::base::{build_error::BuildError, text::percent_decoded};

/// The default URL of the collector.
pub(crate) const DEFAULT_URL: &str = "http://localhost:4318";

/// The default time limit of one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The settings for the export of one signal: its collector and the connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Export {
    /// The URL for all signals.
    pub(crate) url: Option<String>,
    /// The URL of this signal, which is used unchanged.
    pub(crate) signal_url: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) gzip: bool,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
    /// True if the proxy of the environment is used.
    pub(crate) proxy: bool,
}

impl Export {
    /// Checks the settings and reads the files of certificates.
    pub(crate) fn target(self, signal: &Signal) -> Result<Collector, BuildError> {
        let url = match (&self.signal_url, &self.url) {
            (Some(url), _) => checked_url(signal.endpoint_setting, url)?,
            (None, Some(url)) => url_of_signal(&checked_url("endpoint", url)?, signal),
            (None, None) => url_of_signal(DEFAULT_URL, signal),
        };
        for (name, value) in &self.headers {
            if !is_header(name, value) {
                return Err(BuildError::new("header", name.clone(), "the name and the value of a header"));
            }
        }
        let tls = self.tls()?;
        Ok(Collector {
            url,
            headers: self.headers,
            timeout: self.timeout.unwrap_or(TIMEOUT),
            gzip: self.gzip,
            tls,
            proxy: self.proxy,
        })
    }

    fn tls(&self) -> Result<Tls, BuildError> {
        let read = |setting, path: &PathBuf| {
            std::fs::read(path).map_err(|error| {
                let message = format!("cannot read {}: {error}", path.display());
                BuildError::failed(setting, io::Error::new(error.kind(), message))
            })
        };
        let mut tls = Tls::default();
        if let Some(path) = &self.ca_file {
            let certificates = Tls::certificates(&read("ca_file", path)?);
            let missing =
                || BuildError::new("ca_file", path.display().to_string(), "a file with certificates in PEM");
            tls.ca = Some(certificates.ok_or_else(missing)?);
        }
        if let Some((certificate, key)) = self.client_certificate.as_ref().zip(self.client_key.as_ref()) {
            let identity =
                Tls::identity(&read("client_certificate", certificate)?, &read("client_certificate", key)?);
            let missing = || {
                let value = format!("{}, {}", certificate.display(), key.display());
                let expected = "a file with certificates and one with their key, both in PEM";
                BuildError::new("client_certificate", value, expected)
            };
            tls.client = Some(identity.ok_or_else(missing)?);
        }
        Ok(tls)
    }
}

/// Returns true if the name and the value are valid for a header.
pub(super) fn is_header(name: &str, value: &str) -> bool {
    ureq::http::HeaderName::try_from(name).is_ok() && ureq::http::HeaderValue::try_from(value).is_ok()
}

fn checked_url(setting: &'static str, url: &str) -> Result<String, BuildError> {
    let url = url.trim();
    if is_url(url) {
        return Ok(url.to_owned());
    }
    Err(BuildError::new(setting, shown(url), "a URL such as `http://collector:4318`"))
}

/// Parses a list of `key=value` pairs, separated by commas and percent-encoded. An invalid member
/// is `None`.
pub(super) fn pairs(list: &str) -> impl Iterator<Item = Option<(String, String)>> {
    let members = list.split(',').map(str::trim).filter(|member| !member.is_empty());
    members.map(|member| {
        let (name, value) = member.split_once('=')?;
        Some((name.trim().to_owned(), percent_decoded(value.trim()).into_owned()))
    })
}
