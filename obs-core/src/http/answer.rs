//! Responses that the middleware creates itself. The adapters translate them.

use std::{
    borrow::Cow,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::http::{answer_body::AnswerBody, method::Method};

/// A response that the middleware creates itself: for an endpoint such as `/metrics`, or in place
/// of the response of a handler that panicked.
///
/// ```
/// # let observer = obs_core::Observer::builder("shop").no_environment().build()?;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # use obs_core::adapter::RequestHead;
/// let head = RequestHead::new("GET", "/livez", &());
/// let answer = observer.endpoint(&head).expect("an endpoint").await;
/// assert_eq!(answer.status(), 200);
/// # });
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    body: AnswerBody,
}

impl Answer {
    /// Creates an answer with a status, a content type and a body.
    ///
    /// The adapters skip an invalid content type, and replace an invalid status by 500.
    #[must_use]
    pub fn new(status: u16, content_type: impl Into<Cow<'static, str>>, body: impl Into<AnswerBody>) -> Self {
        Self { status, headers: vec![("content-type", content_type.into())], body: body.into() }
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers, with valid names in lower case and valid values.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, &**value))
    }

    /// Returns the body. It is [omitted](AnswerBody::is_omitted) if the method of the request was
    /// HEAD.
    #[must_use]
    pub fn into_body(self) -> AnswerBody {
        self.body
    }

    /// Returns the answer for this request method. An answer to HEAD omits its body, because over
    /// HTTP/2 nothing else would remove it.
    pub(crate) fn to(mut self, method: Method) -> Self {
        if method == Method::Head {
            self.body = self.body.omitted();
        }
        self
    }

    /// Adds a header: a valid name in lower case, and a valid value.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The future of an endpoint's answer.
///
/// # Cancellation
/// Dropping it is harmless.
/// ```
/// use obs_core::adapter::{Answer, EndpointFuture};
///
/// let now = EndpointFuture::from(Answer::new(200, "text/plain", "pong\n"));
/// let later = EndpointFuture::new(async { Answer::new(200, "text/plain", "pong\n") });
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct EndpointFuture(Pin<Box<dyn Future<Output = Answer> + Send>>);

impl EndpointFuture {
    /// Wraps a future that returns the answer.
    pub fn new(future: impl Future<Output = Answer> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

/// Returns a future that is ready immediately.
impl From<Answer> for EndpointFuture {
    fn from(answer: Answer) -> Self {
        Self::new(std::future::ready(answer))
    }
}

impl Future for EndpointFuture {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for EndpointFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointFuture").finish_non_exhaustive()
    }
}
