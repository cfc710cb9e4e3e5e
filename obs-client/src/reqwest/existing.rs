//! Requests of a client that exists.

use std::{borrow::Cow, fmt};

use obs_core::{Observer, current};

use super::{
    attempt::{self, Attempt},
    version::{Error, RequestBuilder, Response},
};
use crate::{calling::Calling, headers};

/// Observes a request of any reqwest client.
pub trait RequestBuilderExt {
    /// Observes this request as a call to the dependency with this name.
    ///
    /// The observer is that of the work that is current when the request is sent. Outside of work,
    /// set it with [`observer`](ObservedRequest::observer). Without an observer, the request is
    /// sent without a call.
    fn observed(self, name: impl Into<Cow<'static, str>>) -> ObservedRequest;
}

impl RequestBuilderExt for RequestBuilder {
    fn observed(self, name: impl Into<Cow<'static, str>>) -> ObservedRequest {
        ObservedRequest {
            request: self,
            observer: None,
            name: name.into(),
            operation: None,
            is_internal: false,
        }
    }
}

/// An observed request of a reqwest client that exists: see [`RequestBuilderExt::observed`].
///
/// The client follows redirects and retries by itself. So one call has all attempts, and its status
/// is the status of the last one. The client would take each header to the host of a redirect.
/// Therefore the request has only the headers of the trace, without baggage and request id, unless
/// [`internal`](Self::internal) is called.
#[must_use = "a request does nothing until `send`"]
pub struct ObservedRequest {
    request: RequestBuilder,
    observer: Option<Observer>,
    name: Cow<'static, str>,
    operation: Option<Cow<'static, str>>,
    is_internal: bool,
}

impl ObservedRequest {
    /// Sets the observer, for a request that is sent outside of work.
    pub fn observer(mut self, observer: &Observer) -> Self {
        self.observer = Some(observer.clone());
        self
    }

    /// Sets the operation of the call, such as `GET /items/{id}`. It must not contain values.
    pub fn operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// States that the peer redirects to no other host. Then a host of the setting also gets the
    /// baggage and the request id.
    pub const fn internal(mut self) -> Self {
        self.is_internal = true;
        self
    }

    /// Sends the request. The call ends with the body of the response.
    ///
    /// # Errors
    /// reqwest's errors, unchanged. An invalid URL, header or body is an error without a call.
    ///
    /// # Cancellation
    /// If the future is dropped, the call ends as cancelled.
    pub async fn send(self) -> Result<Response, Error> {
        let (client, request) = self.request.build_split();
        let mut request = request?;
        let attempt = Attempt { name: Some(&self.name), operation: self.operation.as_deref(), resend: 0 };
        let head = attempt.head(&request);
        let call = match &self.observer {
            Some(observer) => Some(observer.start_call(&head)),
            None => current().start_call(&head),
        };
        let Some(call) = call else { return client.execute(request).await };
        if self.is_internal {
            headers::inject(&call, request.headers_mut());
        } else {
            headers::inject_trace_only(&call, request.headers_mut());
        }
        let (call, result) = Calling::new(call, || client.execute(request)).await;
        match result {
            Ok(response) => Ok(attempt::respond(call, response)),
            Err(error) => Err(attempt::fail(call, error)),
        }
    }
}

impl fmt::Debug for ObservedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedRequest")
            .field("request", &self.request)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
