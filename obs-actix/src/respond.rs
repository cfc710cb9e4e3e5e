//! The step that moves an observation into a response: status, id header, route and body.

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

/// Observes the handler's response, which may come from an error of the handler.
pub(crate) fn response<B: MessageBody>(
    mut observation: Observation,
    shared: &PerWorker,
    response: ServiceResponse<B>,
) -> ServiceResponse<ObservedMessageBody<B>> {
    // The response's request knows the resource that routing chose. Before the response, guards
    // would be ignored.
    if let Some(template) = response.request().match_pattern() {
        observation.set_route(&template);
    }
    if let Some(error) = response.response().error() {
        observation.failed(ErrorReport::of_text(error));
    }
    response.map_body(|head, body| ObservedMessageBody::body(finish_head(observation, shared, head), body))
}

/// Observes an error of an inner middleware. actix-web would convert it to a response later,
/// outside of this middleware. So it is converted here, with the request id, and passed on as an
/// error.
pub(crate) fn error(mut observation: Observation, shared: &PerWorker, error: Error) -> Error {
    observation.failed(ErrorReport::of_text(&error));
    shared.set_route_by_path(&mut observation);
    // `error_response` is the application's code, so it runs in the request's scope as the handler
    // does.
    let (observation, response) = observation.run(|| error.error_response());
    let response = match response {
        Ok(response) => response,
        Err(panicked) => return panic(observation, shared, panicked),
    };
    InternalError::from_response(error, boxed(observation, shared, response)).into()
}

/// Answers a panic. The request is gone, so the response is passed on as an error.
pub(crate) fn panic(mut observation: Observation, shared: &PerWorker, panic: Panic) -> Error {
    let message = panic.report().message.clone();
    shared.set_route_by_path(&mut observation);
    let (observation, answered) = observation.panicked(panic);
    let response = answer::<BoxBody>(observation, shared, answered).map_into_boxed_body();
    InternalError::from_response(message, response).into()
}

/// Observes an answer of the middleware itself.
pub(crate) fn answer<B: MessageBody>(
    observation: Observation,
    shared: &PerWorker,
    answer: Answer,
) -> HttpResponse<ObservedMessageBody<B>> {
    let mut response = head_of(&answer);
    let body = answer.into_body();
    if body.size().is_none() && !body.is_omitted() && lacks_chunked_encoding(observation.request().version) {
        // actix-web would send chunks to HTTP/1.0 clients, too. So the connection's end marks the
        // end of the body.
        let head = response.head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    response.map_body(|head, ()| ObservedMessageBody::own(finish_head(observation, shared, head), body))
}

const fn lacks_chunked_encoding(version: Option<HttpVersion>) -> bool {
    matches!(version, Some(HttpVersion::Http09 | HttpVersion::Http10))
}

fn boxed(observation: Observation, shared: &PerWorker, response: HttpResponse) -> HttpResponse {
    let observed = response.map_body(|head, body: BoxBody| {
        ObservedMessageBody::body(finish_head(observation, shared, head), body)
    });
    observed.map_into_boxed_body()
}

fn finish_head(mut observation: Observation, shared: &PerWorker, head: &mut ResponseHead) -> Observation {
    observation.responded(head.status.as_u16(), &Headers(head.headers()));
    if !observation.keeps_id(&Headers(head.headers()))
        && let Ok(id) = HeaderValue::from_bytes(observation.start().id.as_bytes())
    {
        head.headers_mut().insert(shared.id_header.clone(), id);
    }
    if let Some((name, value)) = observation.trace_header()
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        // A `server-timing` header of the handler is kept.
        head.headers_mut().append(HeaderName::from_static(name), value);
    }
    if observation.closes_connection() {
        head.set_connection_type(ConnectionType::Close);
    }
    observation
}

fn head_of(answer: &Answer) -> HttpResponse<()> {
    let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::with_body(status, ());
    for (name, value) in answer.headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
