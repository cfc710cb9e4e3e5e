//! The request that follows a redirect, by the rules of browsers and reqwest.

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, REFERER, TRANSFER_ENCODING},
};

use super::{
    client::Settings,
    resend::SentRequest,
    version::{Client, Request, Response, Url},
};

/// Headers with credentials. They do not go to another host.
const CREDENTIALS: [&str; 5] =
    ["authorization", "cookie", "cookie2", "proxy-authorization", "www-authenticate"];

/// Headers of a body.
const PAYLOAD: [http::HeaderName; 4] = [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING];

/// Returns the request that follows a response, or `None` if the response is not to be followed.
pub(super) fn next(sent: SentRequest, response: &Response, settings: &Settings) -> Option<Request> {
    let drops_body = match response.status() {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => sent.method() == Method::POST,
        StatusCode::SEE_OTHER => true,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
        _ => return None,
    };
    let location = std::str::from_utf8(response.headers().get(LOCATION)?.as_bytes()).ok()?;
    let from = response.url().clone();
    let to = from.join(location).ok()?;
    let leaves_host = is_other_host(&from, &to);
    if leaves_host && !settings.leaves_host {
        return None;
    }

    let mut request = if drops_body { sent.without_body() } else { sent.whole()? };
    if drops_body {
        if request.method() != Method::HEAD {
            *request.method_mut() = Method::GET;
        }
        for name in &PAYLOAD {
            request.headers_mut().remove(name);
        }
    }
    let headers = request.headers_mut();
    if leaves_host {
        for name in CREDENTIALS {
            headers.remove(name);
        }
    }
    if settings.referer
        && let Some(value) = referer_of(&from, &to)
    {
        headers.insert(REFERER, value);
    }
    *request.url_mut() = to;
    Some(request)
}

fn is_other_host(from: &Url, to: &Url) -> bool {
    from.host_str() != to.host_str()
        || from.port_or_known_default() != to.port_or_known_default()
        || from.scheme() != to.scheme()
}

/// The URL without credentials and fragment. It does not go from HTTPS to HTTP.
fn referer_of(from: &Url, to: &Url) -> Option<HeaderValue> {
    if from.scheme() == "https" && to.scheme() == "http" {
        return None;
    }
    let mut referer = from.clone();
    let _ = referer.set_username("");
    let _ = referer.set_password(None);
    referer.set_fragment(None);
    HeaderValue::from_str(referer.as_str()).ok()
}

/// The headers that a client adds to every request, to any host.
pub(super) enum DefaultHeaders {
    Harmless,
    /// The name of a header with credentials.
    Credentials(&'static str),
}

/// Returns the kind of a client's default headers. `None` if they are unknown.
///
/// reqwest has no getter for them, but it prints their names.
pub(super) fn default_headers(client: &Client) -> Option<DefaultHeaders> {
    let text = format!("{client:?}");
    let (_, headers) = text.split_once("default_headers: {")?;
    let found = CREDENTIALS.into_iter().find(|name| headers.contains(&format!("\"{name}\": ")));
    Some(found.map_or(DefaultHeaders::Harmless, DefaultHeaders::Credentials))
}

/// Adds headers that a request does not have.
pub(super) fn add_defaults(headers: &mut HeaderMap, defaults: &HeaderMap) {
    for name in defaults.keys() {
        if !headers.contains_key(name) {
            for value in defaults.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
}
