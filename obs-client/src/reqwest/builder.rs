//! The builder of an observed client.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use http::HeaderMap;
use obs_core::Observer;

use super::{
    client::{ReqwestClient, Settings},
    limit,
    redirect::{self, DefaultHeaders},
    version::{Client, ClientBuilder, retry},
};

/// The observed reqwest clients of an observer.
pub trait ReqwestExt {
    /// Returns the builder of a client that observes each of its attempts.
    ///
    /// A request that is redirected twice is three calls: each has its own span, its own duration
    /// and its own parent id in the headers. Each host gets only the headers that the settings
    /// allow for it.
    fn reqwest(&self) -> ReqwestBuilder;
}

impl ReqwestExt for Observer {
    fn reqwest(&self) -> ReqwestBuilder {
        ReqwestBuilder {
            client: Client::builder(),
            settings: Settings {
                observer: self.clone(),
                name: None,
                headers: HeaderMap::new(),
                redirects: Some(10),
                retries: 2,
                referer: true,
                leaves_host: true,
                timeout: None,
            },
        }
    }
}

/// The builder of an observed client: see [`ReqwestExt::reqwest`].
///
/// These settings concern more than one attempt, so they are set here and not on the
/// [`ClientBuilder`]. Their defaults are those of reqwest.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ReqwestBuilder {
    client: ClientBuilder,
    settings: Settings,
}

impl ReqwestBuilder {
    /// Sets everything that concerns connections: TLS, proxies, pools, the connect timeout.
    ///
    /// The builder's redirect and retry policies are replaced. Its timeout applies to each attempt.
    pub fn client(mut self, client: ClientBuilder) -> Self {
        self.client = client;
        self
    }

    /// Sets the name of the dependency. Without it, the name is the host of each request.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Sets headers for every request that does not have them.
    ///
    /// Credentials among them do not go to another host after a redirect.
    pub fn default_headers(mut self, headers: HeaderMap) -> Self {
        self.settings.headers = headers;
        self
    }

    /// Sets the highest number of redirects. A further redirect is an error. The default is 10.
    pub fn redirects(mut self, highest: usize) -> Self {
        self.settings.redirects = Some(highest);
        self
    }

    /// Returns redirects to the caller instead of following them.
    pub fn no_redirects(mut self) -> Self {
        self.settings.redirects = None;
        self
    }

    /// Sets how often a request is sent again that the server has not processed: it refused the
    /// stream (`REFUSED_STREAM`), or it closed the connection gracefully (`GOAWAY`). The default
    /// is 2.
    pub fn retries(mut self, highest: u32) -> Self {
        self.settings.retries = highest;
        self
    }

    /// Sets if a redirected request has a `referer` header. The default is `true`.
    pub fn referer(mut self, enabled: bool) -> Self {
        self.settings.referer = enabled;
        self
    }

    /// Sets the longest time of a request with all its attempts, until the end of the body. The
    /// timeout of a request replaces it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    /// reqwest's error, such as a TLS backend that cannot be initialized. Also, if the
    /// [`ClientBuilder`] has default headers with credentials: reqwest would send them to every
    /// host.
    pub fn build(mut self) -> Result<ReqwestClient, ReqwestBuildError> {
        let client = self.client.redirect(limit::policy()).retry(retry::never()).build();
        let client = client.map_err(ReqwestBuildError::Client)?;
        match redirect::default_headers(&client) {
            Some(DefaultHeaders::Credentials(name)) => {
                return Err(ReqwestBuildError::DefaultCredentials(name));
            }
            Some(DefaultHeaders::Harmless) => {}
            None => self.settings.leaves_host = false,
        }
        Ok(ReqwestClient::new(client, self.settings))
    }
}

/// The reason why an observed client cannot be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReqwestBuildError {
    /// reqwest's own error.
    Client(super::version::Error),
    /// The [`ClientBuilder`] has this default header, which contains credentials.
    DefaultCredentials(&'static str),
}

impl fmt::Display for ReqwestBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(_) => f.write_str("reqwest cannot build the client"),
            Self::DefaultCredentials(name) => write!(
                f,
                "the client builder sets the default header `{name}`, which reqwest would send to \
                 every host. Set it with `ReqwestBuilder::default_headers`"
            ),
        }
    }
}

impl Error for ReqwestBuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Client(error) => Some(error),
            Self::DefaultCredentials(_) => None,
        }
    }
}
