//! Moves an observation into a response: status, id header, route, body.

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ResponseHead, ServiceResponse},
    error::InternalError,
    http::{
        ConnectionType, StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use obs_core::{
    adapter::{Answer, HttpVersion, Observation, Panic},
    output::ErrorReport,
};

use crate::{ObservedMessageBody, head::Headers, service::PerWorker};

/// The handler's response, also to an error of its own.
pub(crate) fn response<B: MessageBody>(
    mut observation: Observation,
    shared: &PerWorker,
    response: ServiceResponse<B>,
) -> ServiceResponse<ObservedMessageBody<B>> {
    // The response's request knows which resource routing chose; asked before, guards would not count.
    if let Some(template) = response.request().match_pattern() {
        observation.set_route(&template);
    }
    if let Some(error) = response.response().error() {
        observation.failed(ErrorReport::of_text(error));
    }
    response.map_body(|head, body| ObservedMessageBody::body(head_done(observation, shared, head), body))
}

/// An error of a middleware further within. actix makes a response of it later, where we are not asked, so we
/// make it here, with the request id in it, and hand it on as an error again.
pub(crate) fn error(mut observation: Observation, shared: &PerWorker, error: Error) -> Error {
    observation.failed(ErrorReport::of_text(&error));
    shared.set_route_by_path(&mut observation);
    // It is the application's code, so it runs in its request as the handler did.
    let (observation, response) = observation.run(|| error.error_response());
    let response = match response {
        Ok(response) => response,
        Err(panicked) => return panic(observation, shared, panicked),
    };
    InternalError::from_response(error, boxed(observation, shared, response)).into()
}

/// The answer to a panic. There is no request left to make a response with, so it goes as an error.
pub(crate) fn panic(mut observation: Observation, shared: &PerWorker, panic: Panic) -> Error {
    let message = panic.report().message.clone();
    shared.set_route_by_path(&mut observation);
    let (observation, answer) = observation.panicked(panic);
    let response =
        boxed(observation, shared, head_of(&answer).set_body(BoxBody::new(answer.into_body().into_bytes())));
    InternalError::from_response(message, response).into()
}

/// An answer of the middleware's own.
pub(crate) fn answer<B: MessageBody>(
    observation: Observation,
    shared: &PerWorker,
    answer: Answer,
) -> HttpResponse<ObservedMessageBody<B>> {
    let mut response = head_of(&answer);
    let body = answer.into_body();
    if body.size().is_none() && knows_no_chunks(observation.request().version) {
        // actix would send chunks all the same. So the body ends with the connection.
        let head = response.head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    response.map_body(|head, ()| ObservedMessageBody::own(head_done(observation, shared, head), body))
}

const fn knows_no_chunks(version: Option<HttpVersion>) -> bool {
    matches!(version, Some(HttpVersion::Http09 | HttpVersion::Http10))
}

fn boxed(observation: Observation, shared: &PerWorker, response: HttpResponse) -> HttpResponse {
    let observed = response.map_body(|head, body: BoxBody| {
        ObservedMessageBody::body(head_done(observation, shared, head), body)
    });
    observed.map_into_boxed_body()
}

fn head_done(mut observation: Observation, shared: &PerWorker, head: &mut ResponseHead) -> Observation {
    observation.responded(head.status.as_u16(), &Headers(head.headers()));
    if let Ok(id) = HeaderValue::from_bytes(observation.start().id.as_bytes()) {
        head.headers_mut().insert(shared.id_header.clone(), id);
    }
    if let Some((name, value)) = observation.trace_header()
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        // A handler's own `server-timing` stays.
        head.headers_mut().append(HeaderName::from_static(name), value);
    }
    observation
}

fn head_of(answer: &Answer) -> HttpResponse<()> {
    let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::with_body(status, ());
    for (name, value) in answer.headers() {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}
