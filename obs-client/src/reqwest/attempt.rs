//! One observed attempt to get a response.

use obs_core::adapter::{CallHead, CallObservation};

use super::version::{Body, Error, Request, Response, ResponseBuilderExt};
use crate::{
    call_body::{self, CallBody},
    failure::report_error,
};

/// The properties of an attempt that its request does not have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempt<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) operation: Option<&'a str>,
    /// The number of attempts before this one.
    pub(super) resend: u32,
}

impl Attempt<'_> {
    /// Returns the head of the call of a request.
    pub(super) fn head<'a>(&'a self, request: &'a Request) -> CallHead<'a> {
        let url = request.url();
        CallHead::http(request.method().as_str(), url.scheme(), url.host_str().unwrap_or_default())
            .port(url.port())
            .path(url.path())
            .query(url.query())
            .dependency(self.name)
            .operation(self.operation)
            .resend(self.resend)
    }
}

/// Reports the head of a response, and moves the call into its body.
pub(super) fn respond(mut call: CallObservation, response: Response) -> Response {
    head(&mut call, &response);
    // The conversion of a response loses its URL.
    let url = http::Response::builder().url(response.url().clone()).body(());
    let mut response = http::Response::<Body>::from(response);
    if let Ok(url) = url {
        response.extensions_mut().extend(url.into_parts().0.extensions);
    }
    Response::from(CallBody::attach(call, response).map(Body::wrap))
}

/// Reports the head of a response.
pub(super) fn head(call: &mut CallObservation, response: &Response) {
    call.responded(response.status().as_u16(), response.headers());
    if let Some(version) = call_body::version(response.version()) {
        call.set_version(version);
    }
    if let Some(peer) = response.remote_addr() {
        call.set_peer(peer);
    }
}

/// Ends a call without a response. Returns the error unchanged.
pub(super) fn fail(mut call: CallObservation, error: Error) -> Error {
    // The text of an error has the URL, with its query.
    let url = error.url().cloned();
    let error = error.without_url();
    report_error(&mut call, &error);
    call.finish();
    match url {
        Some(url) => error.with_url(url),
        None => error,
    }
}
