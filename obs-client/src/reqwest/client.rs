//! A client that observes each of its attempts.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{HeaderMap, Method};
use obs_core::{Observer, output::CallFailure};
use tower_service::Service;

use super::{
    attempt::{self, Attempt},
    limit::LastAttempt,
    redirect,
    request::ReqwestRequest,
    resend::{self, SentRequest},
    version::{Client, Error, IntoUrl, Request, Response},
};
use crate::{calling::Calling, headers};

/// A reqwest client that observes each of its attempts: see
/// [`ReqwestExt::reqwest`](super::ReqwestExt::reqwest).
///
/// Its clones share connections. It is also a tower service.
#[derive(Clone)]
pub struct ReqwestClient(Arc<ClientInner>);

struct ClientInner {
    client: Client,
    settings: Settings,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) observer: Observer,
    pub(super) name: Option<Arc<str>>,
    pub(super) headers: HeaderMap,
    /// `None` if redirects are not followed.
    pub(super) redirects: Option<usize>,
    pub(super) retries: u32,
    pub(super) referer: bool,
    /// `false` if it is unknown which headers the client would send to another host.
    pub(super) leaves_host: bool,
    pub(super) timeout: Option<Duration>,
}

impl ReqwestClient {
    pub(super) fn new(client: Client, settings: Settings) -> Self {
        Self(Arc::new(ClientInner { client, settings }))
    }

    /// Starts a `GET` request.
    pub fn get(&self, url: impl IntoUrl) -> ReqwestRequest {
        self.request(Method::GET, url)
    }

    /// Starts a `POST` request.
    pub fn post(&self, url: impl IntoUrl) -> ReqwestRequest {
        self.request(Method::POST, url)
    }

    /// Starts a `PUT` request.
    pub fn put(&self, url: impl IntoUrl) -> ReqwestRequest {
        self.request(Method::PUT, url)
    }

    /// Starts a `PATCH` request.
    pub fn patch(&self, url: impl IntoUrl) -> ReqwestRequest {
        self.request(Method::PATCH, url)
    }

    /// Starts a `DELETE` request.
    pub fn delete(&self, url: impl IntoUrl) -> ReqwestRequest {
        self.request(Method::DELETE, url)
    }

    /// Starts a `HEAD` request.
    pub fn head(&self, url: impl IntoUrl) -> ReqwestRequest {
        self.request(Method::HEAD, url)
    }

    /// Starts a request.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> ReqwestRequest {
        ReqwestRequest::new(self.clone(), self.0.client.request(method, url))
    }

    /// Sends a request, and follows redirects.
    ///
    /// # Errors
    /// reqwest's errors, unchanged.
    ///
    /// # Cancellation
    /// If the future is dropped, the current attempt ends as cancelled.
    pub async fn execute(&self, request: Request) -> Result<Response, Error> {
        self.send(request, None).await
    }

    pub(super) async fn send(
        &self,
        mut request: Request,
        operation: Option<&str>,
    ) -> Result<Response, Error> {
        let ClientInner { client, settings } = &*self.0;
        redirect::add_defaults(request.headers_mut(), &settings.headers);
        let timeout = request.timeout().copied().or(settings.timeout);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (mut redirects, mut retries, mut resend) = (0, 0, 0);
        loop {
            if let Some(deadline) = deadline {
                *request.timeout_mut() = Some(deadline.saturating_duration_since(Instant::now()));
            }
            let sent = SentRequest::of(&request);
            let attempt = Attempt { name: settings.name.as_deref(), operation, resend };
            let call = settings.observer.start_call(&attempt.head(&request));
            headers::inject(&call, request.headers_mut());
            let future = Calling::new(call, || client.execute(request));
            let is_last = settings.redirects.is_some_and(|highest| redirects >= highest);
            let (mut call, result) = LastAttempt { future, is_last }.await;

            request = match result {
                Ok(response) => {
                    let follows = settings.redirects.is_some();
                    let next = follows.then(|| redirect::next(sent, &response, settings)).flatten();
                    let Some(next) = next else {
                        return Ok(attempt::respond(call, response));
                    };
                    attempt::head(&mut call, &response);
                    if !matches!(next.url().scheme(), "http" | "https") {
                        call.failed(CallFailure::Redirect, None);
                        call.finish();
                        return client.execute(next).await; // reqwest's error for this scheme
                    }
                    call.finish(); // the body of a redirect is not read
                    (redirects, retries) = (redirects + 1, 0);
                    next
                }
                Err(error) => {
                    let again = retries < settings.retries && resend::is_refused(&error);
                    let again = again.then(|| sent.whole()).flatten();
                    let error = attempt::fail(call, error);
                    let Some(again) = again else { return Err(error) };
                    retries += 1;
                    again
                }
            };
            resend += 1;
        }
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClientInner { client, settings } = &*self.0;
        f.debug_struct("ReqwestClient")
            .field("client", client)
            .field("name", &settings.name)
            .finish_non_exhaustive()
    }
}

impl Service<Request> for ReqwestClient {
    type Response = Response;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let client = self.clone();
        Box::pin(async move { client.execute(request).await })
    }
}
