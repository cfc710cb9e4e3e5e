//! The data that axum's router has about a request: route, full path and peer address. Without the
//! feature `axum`, only the full path and the peer address are known.

use std::{borrow::Cow, net::SocketAddr};

use http::{Extensions, Uri};

/// The route with the prefix in front. Only a request with an original URI is in an axum router.
#[inline]
pub(crate) fn of<'a>(
    prefix: Option<&str>,
    extensions: &'a Extensions,
    original: Option<&Uri>,
) -> Option<Cow<'a, str>> {
    let template = template(extensions);
    match prefix {
        // axum joins `/in/` of a nested service and its inner `/` in this way.
        None => match template {
            None => original.and_then(|_| mount_point(extensions)).map(Cow::Owned),
            Some(template) => Some(match template.strip_suffix("//") {
                Some(outer) => Cow::Owned(format!("{outer}/")),
                None => Cow::Borrowed(template),
            }),
        },
        Some(prefix) => Some(Cow::Owned(route_with_prefix(prefix, template))),
    }
}

fn route_with_prefix(prefix: &str, template: Option<&str>) -> String {
    match template {
        None => format!("{prefix}/{{*path}}"),
        Some("/") => prefix.to_owned(),
        Some(template) => {
            let has_prefix = template.strip_prefix(prefix);
            if has_prefix.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                template.to_owned()
            } else {
                format!("{prefix}{template}")
            }
        }
    }
}

#[cfg(feature = "axum")]
fn template(extensions: &Extensions) -> Option<&str> {
    extensions.get::<axum::extract::MatchedPath>().map(axum::extract::MatchedPath::as_str)
}

#[cfg(not(feature = "axum"))]
const fn template(_: &Extensions) -> Option<&str> {
    None
}

/// The route of a nested service that has no routes itself, such as a file server.
#[cfg(feature = "axum")]
#[cold]
#[inline(never)]
fn mount_point(extensions: &Extensions) -> Option<String> {
    let nested = extensions.get::<axum::extract::NestedPath>()?;
    Some(route_with_prefix(nested.as_str().trim_end_matches('/'), None))
}

#[cfg(not(feature = "axum"))]
const fn mount_point(_: &Extensions) -> Option<String> {
    None
}

/// The URI as the client sent it. Inside a nested router, the request's URI has only the rest of
/// it.
#[cfg(feature = "axum")]
pub(crate) fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<axum::extract::OriginalUri>().map(|original| &original.0)
}

#[cfg(not(feature = "axum"))]
pub(crate) const fn original_uri(_: &Extensions) -> Option<&Uri> {
    None
}

/// The peer address: from axum's or tonic's connect info, or from a `SocketAddr` that another
/// server put into the extensions.
#[inline]
pub(crate) fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    if let Some(info) = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>() {
        return Some(info.0);
    }
    #[cfg(feature = "tonic")]
    if let Some(info) = extensions.get::<tonic::transport::server::TcpConnectInfo>() {
        return info.remote_addr();
    }
    extensions.get::<SocketAddr>().copied()
}

#[cfg(test)]
mod tests {
    use super::route_with_prefix;

    #[test]
    fn the_prefix_is_added_to_the_route_once() {
        assert_eq!(route_with_prefix("/api", Some("/items/{id}")), "/api/items/{id}");
        assert_eq!(route_with_prefix("/api", Some("/")), "/api");
        assert_eq!(route_with_prefix("/api", Some("/api/items")), "/api/items");
        assert_eq!(route_with_prefix("/api", Some("/api")), "/api");
        assert_eq!(route_with_prefix("/api", Some("/apis")), "/api/apis");
        assert_eq!(route_with_prefix("/files", None), "/files/{*path}");
    }
}
