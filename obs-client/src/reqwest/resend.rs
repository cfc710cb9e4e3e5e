//! Requests that are sent again.

use std::error::Error as _;

use http::Method;

use super::version::{Error, Request};

/// A copy of a request before it is sent. The headers of its call are not part of it.
pub(super) enum SentRequest {
    Whole(Request),
    /// The body is a stream, which cannot be sent again.
    Head(Request),
}

impl SentRequest {
    pub(super) fn of(request: &Request) -> Self {
        if let Some(whole) = request.try_clone() {
            return Self::Whole(whole);
        }
        let mut head = Request::new(request.method().clone(), request.url().clone());
        *head.headers_mut() = request.headers().clone();
        *head.version_mut() = request.version();
        Self::Head(head)
    }

    pub(super) fn method(&self) -> &Method {
        let (Self::Whole(request) | Self::Head(request)) = self;
        request.method()
    }

    /// Returns the request, if its body can be sent again.
    pub(super) fn whole(self) -> Option<Request> {
        match self {
            Self::Whole(request) => Some(request),
            Self::Head(_) => None,
        }
    }

    /// Returns the request without its body.
    pub(super) fn without_body(self) -> Request {
        let (Self::Whole(mut request) | Self::Head(mut request)) = self;
        *request.body_mut() = None;
        request
    }
}

/// Returns `true` if the server states that it has not processed a request.
pub(super) fn is_refused(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let reason = error.reason();
            return error.is_remote()
                && (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)
                    || error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM));
        }
        source = error.source();
    }
    false
}
