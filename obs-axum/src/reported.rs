//! An extractor that reports the rejection of another extractor.

use std::{error::Error, fmt};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use obs_core::current;

/// An extractor that wraps another extractor, and reports its rejections.
///
/// If the inner extractor rejects the request, the reason becomes the `error.message` of the event,
/// with secrets masked. Without `Reported`, the reason is only in the response. The client gets the
/// same response in both cases.
///
/// ```
/// use axum::{Router, extract::Path, routing::get};
/// use obs_axum::{Observer, Reported, RouterExt};
///
/// async fn item(Reported(Path(id)): Reported<Path<u32>>) -> String {
///     format!("item {id}") // for `/items/seven`, the event has the parser's message
/// }
/// let observer = Observer::builder("shop").build()?;
/// let app = Router::new().route("/items/{id}", get(item)).observed(&observer);
/// # Ok::<(), obs_axum::BuildError>(())
/// ```
///
/// An application with its own form of errors needs one conversion for all extractors:
///
/// ```
/// use axum::extract::Path;
/// use obs_axum::{RejectionReport, Reported};
///
/// struct AppError(u16, String);
///
/// impl From<RejectionReport> for AppError {
///     fn from(rejection: RejectionReport) -> Self {
///         Self(rejection.status().as_u16(), rejection.to_string())
///     }
/// }
///
/// async fn item(id: Result<Reported<Path<u32>>, RejectionReport>) -> Result<String, AppError> {
///     let Reported(Path(id)) = id?;
///     Ok(format!("item {id}"))
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Reported<E>(pub E);

/// The rejection of an extractor, after it was reported: see [`Reported`].
///
/// It converts to the response that the inner extractor made. Its `Display` is the reason.
#[derive(Debug)]
pub struct RejectionReport {
    response: Response,
    message: String,
}

impl RejectionReport {
    fn of(rejection: impl Error + IntoResponse) -> Self {
        current().error(&rejection);
        Self { message: rejection.to_string(), response: rejection.into_response() }
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }
}

impl fmt::Display for RejectionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for RejectionReport {}

impl IntoResponse for RejectionReport {
    fn into_response(self) -> Response {
        self.response
    }
}

impl<S, E> FromRequestParts<S> for Reported<E>
where
    S: Send + Sync,
    E: FromRequestParts<S>,
    E::Rejection: Error,
{
    type Rejection = RejectionReport;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RejectionReport> {
        E::from_request_parts(parts, state).await.map(Self).map_err(RejectionReport::of)
    }
}

impl<S, E> FromRequest<S> for Reported<E>
where
    S: Send + Sync,
    E: FromRequest<S>,
    E::Rejection: Error,
{
    type Rejection = RejectionReport;

    async fn from_request(request: Request, state: &S) -> Result<Self, RejectionReport> {
        E::from_request(request, state).await.map(Self).map_err(RejectionReport::of)
    }
}
