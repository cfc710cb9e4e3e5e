//! A request of an observed client.

use std::{borrow::Cow, fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Version};

use super::{
    client::ReqwestClient,
    version::{Body, Error, Request, RequestBuilder, Response},
};

/// A request of a [`ReqwestClient`]. Its methods are those of reqwest's [`RequestBuilder`].
#[must_use = "a request does nothing until `send`"]
pub struct ReqwestRequest {
    client: ReqwestClient,
    builder: RequestBuilder,
    operation: Option<Cow<'static, str>>,
}

impl ReqwestRequest {
    pub(super) const fn new(client: ReqwestClient, builder: RequestBuilder) -> Self {
        Self { client, builder, operation: None }
    }

    /// Changes the request with any method of reqwest's builder.
    pub fn with(mut self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// Sets the operation of the call, such as `GET /items/{id}`. It must not contain values.
    pub fn operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Adds a header.
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        HeaderName: TryFrom<N>,
        <HeaderName as TryFrom<N>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.with(|request| request.header(name, value))
    }

    /// Sets headers. They replace headers of the same name.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.with(|request| request.headers(headers))
    }

    /// Sets the credentials of the scheme `Basic`.
    pub fn basic_auth(self, user: impl fmt::Display, password: Option<impl fmt::Display>) -> Self {
        self.with(|request| request.basic_auth(user, password))
    }

    /// Sets the token of the scheme `Bearer`.
    pub fn bearer_auth(self, token: impl fmt::Display) -> Self {
        self.with(|request| request.bearer_auth(token))
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|request| request.body(body))
    }

    /// Sets a JSON body.
    #[cfg(feature = "reqwest-json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, json: &T) -> Self {
        self.with(|request| request.json(json))
    }

    /// Sets the body of a form.
    #[cfg(feature = "reqwest-json")]
    pub fn form<T: serde::Serialize + ?Sized>(self, form: &T) -> Self {
        self.with(|request| request.form(form))
    }

    /// Adds parameters to the query of the URL.
    #[cfg(feature = "reqwest-json")]
    pub fn query<T: serde::Serialize + ?Sized>(self, query: &T) -> Self {
        self.with(|request| request.query(query))
    }

    /// Sets the longest time of the request with all its attempts, until the end of the body.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| request.timeout(timeout))
    }

    /// Sets the version of HTTP.
    pub fn version(self, version: Version) -> Self {
        self.with(|request| request.version(version))
    }

    /// Returns the request without sending it.
    ///
    /// # Errors
    /// An invalid URL, header or body.
    pub fn build(self) -> Result<Request, Error> {
        self.builder.build()
    }

    /// Copies the request. The result is `None` if its body is a stream.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        let builder = self.builder.try_clone()?;
        Some(Self { client: self.client.clone(), builder, operation: self.operation.clone() })
    }

    /// Sends the request, and follows redirects: see [`ReqwestClient::execute`].
    ///
    /// # Errors
    /// An invalid URL, header or body, for which there is no call. Otherwise, the error of the last
    /// attempt.
    pub async fn send(self) -> Result<Response, Error> {
        self.client.send(self.builder.build()?, self.operation.as_deref()).await
    }
}

impl fmt::Debug for ReqwestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestRequest")
            .field("request", &self.builder)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}
