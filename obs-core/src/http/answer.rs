//! Responses that the middleware creates itself. The adapters translate them.

use std::{
    borrow::Cow,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::http::{answer_body::AnswerBody, headers::is_free_header, method::Method};

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
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    body: AnswerBody,
}

impl Answer {
    /// Creates an answer with a status, a content type and a body.
    ///
    /// An invalid content type is skipped. A status that is not the status of a final response
    /// (200 to 999) is replaced by 500.
    #[must_use]
    pub fn new(status: u16, content_type: impl Into<Cow<'static, str>>, body: impl Into<AnswerBody>) -> Self {
        let status = if (200..=999).contains(&status) { status } else { 500 };
        Self { status, headers: Vec::new(), body: body.into() }.header("content-type", content_type)
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers, with valid names in lower case and valid values.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
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

    /// Sets a header, and replaces an earlier one of this name.
    ///
    /// An invalid name or value is skipped. So are `content-length` and `transfer-encoding`, which
    /// the server writes.
    ///
    /// ```
    /// use obs_core::Answer;
    ///
    /// let answer = Answer::new(503, "text/plain", "sorry").header("Retry-After", 5.to_string());
    /// let headers: Vec<_> = answer.headers().collect();
    /// assert_eq!(headers, [("content-type", "text/plain"), ("retry-after", "5")]);
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        let (mut name, value) = (name.into(), value.into());
        if is_free_header(&name, &value) {
            if name.bytes().any(|b| b.is_ascii_uppercase()) {
                name.to_mut().make_ascii_lowercase();
            }
            self.headers.retain(|(other, _)| *other != name);
            self.headers.push((name, value));
        }
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
