//! The routes that show each way in which a request can end. Try them by hand.
use std::{convert::Infallible, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, get,
    rt::{self, time::sleep},
    web::{self, Bytes, Payload, Query},
};
use actix_ws::{Message, MessageStream, Session};
use futures_util::stream;
use serde::Deserialize;

use crate::error::{FeesError, PaymentsError};

/// The longest pause that a client can ask for: one minute.
const MAX_MS: u64 = 60_000;
const MAX_CHUNKS: u64 = 1_000;

#[derive(Deserialize)]
struct Slow {
    ms: Option<u64>,
}

#[derive(Deserialize)]
struct Chunks {
    chunks: Option<u64>,
    ms: Option<u64>,
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(slow)
        .service(chunks)
        .service(ticks)
        .service(ws)
        .service(boom)
        .service(boom_body)
        .service(fail);
}

/// Pauses before it responds. Disconnect during the pause to cancel the request.
#[get("/slow")]
async fn slow(query: Query<Slow>) -> String {
    let ms = query.ms.unwrap_or(1_000).min(MAX_MS);
    sleep(Duration::from_millis(ms)).await;
    format!("waited {ms} ms\n")
}

/// Sends a body in chunks. Disconnect in the middle to cancel the request.
#[get("/stream")]
async fn chunks(query: Query<Chunks>) -> HttpResponse {
    let chunks = query.chunks.unwrap_or(10).min(MAX_CHUNKS);
    let pause = Duration::from_millis(query.ms.unwrap_or(500).min(MAX_MS));
    let body = stream::unfold(1, move |n| async move {
        if n > chunks {
            return None;
        }
        sleep(pause).await;
        Some((Ok::<_, Infallible>(Bytes::from(format!("chunk {n}\n"))), n + 1))
    });
    HttpResponse::Ok().content_type("text/plain").streaming(body)
}

/// Sends server-sent events without end.
#[get("/ticks")]
async fn ticks() -> HttpResponse {
    let events = stream::unfold(1_u64, |n| async move {
        sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Infallible>(Bytes::from(format!("data: tick {n}\n\n"))), n + 1))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(events)
}

/// Echoes each message on a WebSocket.
#[get("/ws")]
async fn ws(request: HttpRequest, body: Payload) -> actix_web::Result<HttpResponse> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    rt::spawn(echo(session, messages));
    Ok(response)
}

async fn echo(mut session: Session, mut messages: MessageStream) {
    while let Some(Ok(message)) = messages.recv().await {
        let sent = match message {
            Message::Text(text) => session.text(text).await,
            Message::Binary(bytes) => session.binary(bytes).await,
            Message::Ping(bytes) => session.pong(&bytes).await,
            Message::Close(_) => break,
            _ => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
    // The client may have disconnected already.
    let _ = session.close(None).await;
}

/// Panics before the response starts: the client gets a 500.
#[get("/boom")]
async fn boom() -> String {
    panic!("the till is stuck");
}

/// Panics after the head and the first chunk are sent: the connection is closed.
#[get("/boom-body")]
async fn boom_body() -> HttpResponse {
    let body = stream::unfold(true, |first| async move {
        if !first {
            sleep(Duration::from_millis(50)).await; // lets the first chunk reach the client
            panic!("the paper has run out");
        }
        Some((Ok::<_, Infallible>(Bytes::from("the receipt begins\n")), false))
    });
    HttpResponse::Ok().content_type("text/plain").streaming(body)
}

/// Fails with an error that has sources.
#[get("/fail")]
async fn fail() -> Result<String, PaymentsError> {
    let cents: u32 = "0,30".parse().map_err(|source| FeesError { line: 1, source })?;
    Ok(format!("{cents} cents\n"))
}
