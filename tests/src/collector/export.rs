//! The handler of one export request: its checks and its response.

use std::{future::pending, io::Read, sync::Arc, time::Instant};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest,
    trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
};
use prost::Message;

use super::{
    decode::decode,
    state::{Behaviour, Received, Shared},
    wire::{End, Ending},
};

const PROTOBUF: &str = "application/x-protobuf";

pub(super) async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    ending: Ending,
) -> Response<Full<Bytes>> {
    let (received, faults) = match receive(request).await {
        Ok(received) => received,
        Err((code, error)) => {
            shared.lock().errors.push(error.clone());
            return response(code, status(&error));
        }
    };
    let (number, behaviour) = shared.receive(received, faults);
    let end = match behaviour {
        Behaviour::CloseInHead => Some(End::InHead),
        Behaviour::CloseInBody => Some(End::InBody),
        Behaviour::Accept | Behaviour::Reject { .. } | Behaviour::Status { code: 200, .. } => {
            Some(End::Accepted(number))
        }
        Behaviour::Status { .. } | Behaviour::Hang => None,
    };
    *ending.lock().unwrap() = end;
    match behaviour {
        Behaviour::Accept | Behaviour::CloseInHead => success(None),
        Behaviour::Reject { spans, message } => success(Some((spans, message))),
        // The body must not be empty, because the connection closes in the middle of it.
        Behaviour::CloseInBody => success(Some((0, "a warning that does not arrive".to_owned()))),
        Behaviour::Hang => pending().await,
        Behaviour::Status { code, retry_after } => {
            let code = StatusCode::from_u16(code).expect("a status");
            let mut response = response(code, status("set by the test"));
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
    }
}

/// Reads a request, and checks that it is a valid export.
async fn receive(request: Request<Incoming>) -> Result<(Received, Vec<String>), (StatusCode, String)> {
    let (head, body) = request.into_parts();
    let sent = body.collect().await.map_err(|error| bad(format!("a body ended early: {error}")))?.to_bytes();
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let is_logs = path == "/v1/logs";
    if path != "/v1/traces" && !is_logs {
        return Err((StatusCode::NOT_FOUND, format!("a request for {path:?}")));
    }
    if head.method != http::Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, format!("the method {}", head.method)));
    }
    if one(&head.headers, header::CONTENT_TYPE)? != Some(PROTOBUF) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("not protobuf: {:?}", head.headers)));
    }
    let (gzip, body) = match one(&head.headers, header::CONTENT_ENCODING)? {
        None => (false, sent.clone()),
        Some("gzip") => (true, unpack(&sent)?),
        Some(other) => return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the encoding {other:?}"))),
    };
    let undecodable = |error| bad(format!("a message that cannot be decoded: {error}"));
    let (mut logs, mut message) = (None, ExportTraceServiceRequest::default());
    let (spans, faults) = if is_logs {
        logs = Some(ExportLogsServiceRequest::decode(body.clone()).map_err(undecodable)?);
        (Vec::new(), Vec::new())
    } else {
        message = ExportTraceServiceRequest::decode(body.clone()).map_err(undecodable)?;
        decode(&message)
    };
    let (headers, size) = (head.headers, sent.len());
    let received =
        Received { at: Instant::now(), headers, gzip, size, body, message, logs, spans, accepted: false };
    Ok((received, faults))
}

/// Returns a header that must not be repeated.
fn one(headers: &HeaderMap, name: header::HeaderName) -> Result<Option<&str>, (StatusCode, String)> {
    let mut values = headers.get_all(&name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(bad(format!("{name} is not one text: {headers:?}"))),
    }
}

fn unpack(sent: &[u8]) -> Result<Bytes, (StatusCode, String)> {
    let mut unpacked = Vec::new();
    let mut decoder = GzDecoder::new(sent);
    decoder.read_to_end(&mut unpacked).map_err(|error| bad(format!("gzip that cannot be read: {error}")))?;
    if !decoder.into_inner().is_empty() {
        return Err(bad("more bytes after the end of gzip".to_owned()));
    }
    Ok(unpacked.into())
}

fn bad(error: String) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, error)
}

fn success(partial: Option<(i64, String)>) -> Response<Full<Bytes>> {
    let partial_success = partial
        .map(|(rejected_spans, error_message)| ExportTracePartialSuccess { rejected_spans, error_message });
    response(StatusCode::OK, ExportTraceServiceResponse { partial_success }.encode_to_vec())
}

/// The message of a failure, `google.rpc.Status`. Its field 2 is a text, here so short that its
/// length fits into one byte.
fn status(message: &str) -> Vec<u8> {
    let message: String = message.chars().take(30).collect();
    let length = u8::try_from(message.len()).expect("short");
    [&[2 << 3 | 2, length], message.as_bytes()].concat()
}

fn response(code: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let response = Response::builder().status(code).header(header::CONTENT_TYPE, PROTOBUF);
    response.body(Full::from(body)).expect("a valid response")
}
