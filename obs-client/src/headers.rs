//! The headers that a call adds to its request.

use http::{HeaderMap, HeaderName, HeaderValue};
use obs_core::adapter::CallObservation;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
static BAGGAGE: HeaderName = HeaderName::from_static("baggage");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Adds the headers that the host of a call gets.
pub(crate) fn inject(call: &CallObservation, headers: &mut HeaderMap) {
    call.inject(&mut |name, value| set(headers, name, value));
}

/// Adds the headers that any host may get: the client takes them along to the hosts of redirects.
#[cfg(any(feature = "reqwest", feature = "reqwest-0-12"))]
pub(crate) fn inject_trace_only(call: &CallObservation, headers: &mut HeaderMap) {
    call.inject_trace_only(&mut |name, value| set(headers, name, value));
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    let (Some(name), Ok(value)) = (header_name(name), HeaderValue::from_str(value)) else { return };
    if name == TRACEPARENT {
        headers.remove(&TRACESTATE); // of the parent that this one replaces
    }
    headers.insert(name, value);
}

/// Returns the name of a header. The usual ones need no allocation.
fn header_name(name: &str) -> Option<HeaderName> {
    match name {
        "traceparent" => Some(TRACEPARENT.clone()),
        "tracestate" => Some(TRACESTATE.clone()),
        "baggage" => Some(BAGGAGE.clone()),
        "x-request-id" => Some(X_REQUEST_ID.clone()),
        _ => HeaderName::from_bytes(name.as_bytes()).ok(),
    }
}
