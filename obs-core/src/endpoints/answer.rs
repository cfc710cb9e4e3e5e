//! Responses that the middleware gives itself, for the adapters to translate.

use std::borrow::Cow;

use crate::{endpoints::answer_body::AnswerBody, http::method::Method};

/// A response: to a request for `/metrics` or `/health`, or instead of a handler that panicked.
///
/// ```
/// # let observer = obs_core::Observer::builder("shop").no_environment().build()?;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # use obs_core::adapter::RequestHead;
/// let answer = observer.endpoint(&RequestHead::new("GET", "/livez", &())).expect("an endpoint").await;
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
    pub(crate) fn new(
        status: u16,
        content_type: impl Into<Cow<'static, str>>,
        body: impl Into<AnswerBody>,
    ) -> Self {
        Self { status, headers: vec![("content-type", content_type.into())], body: body.into() }
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers: valid names in lower case, and valid values.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, &**value))
    }

    /// The body. One to a request with HEAD is empty.
    #[must_use]
    pub fn into_body(self) -> AnswerBody {
        self.body
    }

    /// The answer to a request of this method: one to HEAD has no body, and over HTTP/2 nobody else cuts it off.
    pub(crate) fn to(mut self, method: Method) -> Self {
        if method == Method::Head {
            self.body = AnswerBody::default();
        }
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
