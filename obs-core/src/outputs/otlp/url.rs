//! URLs of collectors: validation, completion, and a form for messages that contains no secrets.

use ureq::http::Uri;

use super::signal::Signal;

/// Returns true for an HTTP or HTTPS URL with a host.
pub(crate) fn is_url(url: &str) -> bool {
    let uri = url.parse::<Uri>().ok();
    uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

pub(crate) fn is_https(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("https"))
}

/// Appends the path of a signal to the URL for all signals (OTLP exporter specification, "Endpoint
/// URLs for OTLP/HTTP").
pub(crate) fn url_of_signal(url: &str, signal: &Signal) -> String {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{}{query}", path.trim_end_matches('/'), signal.path)
}

/// Converts a collector's address for gRPC, usually without a scheme and with port 4317, to its URL
/// for HTTP. Also returns true if the port was changed.
pub(crate) fn http_url_of_grpc(url: &str) -> (String, bool) {
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let Ok(uri) = with_scheme.parse::<Uri>() else { return (url.to_owned(), false) };
    let moved = uri.port_u16() == Some(4317);
    // The first `:4317` is the port, because a host contains no colon except in brackets.
    let url = if moved { with_scheme.replacen(":4317", ":4318", 1) } else { with_scheme };
    (url, moved)
}

/// Returns true if the URL has a path other than `/`.
pub(crate) fn has_path(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|uri| !matches!(uri.path(), "" | "/"))
}

/// Returns the URL for messages, without credentials and without the query, which may contain keys.
pub(crate) fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::otlp::signal::TRACES;

    #[test]
    fn the_path_of_the_signal_is_appended() {
        let url_of_signal = |url| url_of_signal(url, &TRACES);
        assert_eq!(url_of_signal("http://collector:4318"), "http://collector:4318/v1/traces");
        assert_eq!(url_of_signal("http://collector:4318/tenant/"), "http://collector:4318/tenant/v1/traces");
        assert_eq!(url_of_signal("http://collector:4318/?key=1"), "http://collector:4318/v1/traces?key=1");
        assert!(is_https("HTTPS://collector") && !is_https("http://https"));
        assert!(!is_url("collector:4318") && !is_url("ftp://collector") && !is_url("http://"));
    }

    #[test]
    fn the_http_port_replaces_the_grpc_port() {
        assert_eq!(http_url_of_grpc("collector:4317"), ("http://collector:4318".to_owned(), true));
        assert_eq!(http_url_of_grpc("https://[::1]:4317/a"), ("https://[::1]:4318/a".to_owned(), true));
        assert_eq!(http_url_of_grpc("http://collector:9999"), ("http://collector:9999".to_owned(), false));
    }

    #[test]
    fn urls_in_messages_contain_no_secrets() {
        for (url, expected) in [
            ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
            ("http://user:hunter2@collector/in?api_key=hunter2", "http://collector/in"),
            ("user:hunter2@collector:4318", "collector:4318"),
            ("ftp://user:hunter2@c", "ftp://c"),
            ("http://collector/@home#hunter2", "http://collector/@home"),
            ("", ""),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
