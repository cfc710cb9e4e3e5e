//! The middleware for clients of `reqwest_middleware`.

use std::sync::Arc;

use http::Extensions;
use obs_core::Observer;
use reqwest_middleware::{Error, Middleware, Next};

use super::{
    attempt::{self, Attempt},
    version::{Request, Response},
};
use crate::{calling::Calling, failure::report_error, headers};

/// A middleware that observes each request that it forwards.
///
/// Add it last, so that a retry of another middleware is a call of its own. The redirects and
/// retries of the client itself are inside of one call. For this reason, the request has only the
/// headers of the trace, without baggage and request id, unless [`internal`](Self::internal) is
/// called.
#[derive(Clone, Debug)]
pub struct CallMiddleware {
    observer: Observer,
    name: Option<Arc<str>>,
    is_internal: bool,
}

impl CallMiddleware {
    /// Makes a middleware for the calls of an observer.
    #[must_use]
    pub fn new(observer: &Observer) -> Self {
        Self { observer: observer.clone(), name: None, is_internal: false }
    }

    /// Sets the name of the dependency. Without it, the name is the host of each request.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// States that the peers redirect to no other host. Then a host of the setting also gets the
    /// baggage and the request id.
    #[must_use]
    pub const fn internal(mut self) -> Self {
        self.is_internal = true;
        self
    }
}

/// The number of attempts of a request. A middleware that retries keeps the extensions.
#[derive(Clone, Copy)]
struct Attempts(u32);

#[async_trait::async_trait]
impl Middleware for CallMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response, Error> {
        let resend = extensions.get::<Attempts>().map_or(0, |attempts| attempts.0);
        extensions.insert(Attempts(resend.saturating_add(1)));
        let attempt = Attempt { name: self.name.as_deref(), operation: None, resend };
        let call = self.observer.start_call(&attempt.head(&request));
        if self.is_internal {
            headers::inject(&call, request.headers_mut());
        } else {
            headers::inject_trace_only(&call, request.headers_mut());
        }
        let (mut call, result) = Calling::new(call, || next.run(request, extensions)).await;
        match result {
            Ok(response) => Ok(attempt::respond(call, response)),
            Err(Error::Reqwest(error)) => Err(Error::Reqwest(attempt::fail(call, error))),
            Err(Error::Middleware(error)) => {
                report_error(&mut call, error.as_ref());
                call.finish();
                Err(Error::Middleware(error))
            }
        }
    }
}
