//! The versions of HTTP and the schemes of URLs.

/// The protocol version of a request, with the names of OpenTelemetry's `network.protocol.version`.
///
/// ```
/// assert_eq!(obs_core::adapter::HttpVersion::Http2.as_str(), "2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // the names say it
pub enum HttpVersion {
    Http09,
    Http10,
    Http11,
    Http2,
    Http3,
}

impl HttpVersion {
    /// The name: `0.9`, `1.0`, `1.1`, `2` or `3`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http09 => "0.9",
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
            Self::Http3 => "3",
        }
    }
}

/// The scheme of a request's URL, as far as it is known. Behind a proxy that is not
/// [trusted](crate::ObserverBuilder::trusted_proxies), it is the scheme that the proxy uses.
///
/// ```
/// use obs_core::adapter::UrlScheme;
/// assert_eq!(UrlScheme::parse("HTTPS").as_str(), "https");
/// assert_eq!(UrlScheme::parse("gopher"), UrlScheme::Other);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlScheme {
    /// `http`, also if the scheme is unknown.
    #[default]
    Http,
    /// `https`
    Https,
    /// `_OTHER`: any other scheme that a client sent.
    Other,
}

impl UrlScheme {
    pub(crate) const ALL: [Self; 3] = [Self::Http, Self::Https, Self::Other];

    /// Returns the scheme with this text, which may be in upper or lower case.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("http") {
            Self::Http
        } else if text.eq_ignore_ascii_case("https") {
            Self::Https
        } else {
            Self::Other
        }
    }

    /// The text: `http`, `https` or `_OTHER`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Other => "_OTHER",
        }
    }
}
