//! A route for every way a request can end, to be tried by hand.
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

/// No pause is longer than a minute, whatever a client asks for.
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

/// Takes its time before it answers: leave meanwhile.
#[get("/slow")]
async fn slow(query: Query<Slow>) -> String {
    let ms = query.ms.unwrap_or(1_000).min(MAX_MS);
    sleep(Duration::from_millis(ms)).await;
    format!("waited {ms} ms\n")
}

/// A body that comes in chunks: leave in the middle.
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

/// Server-sent events without an end.
#[get("/ticks")]
async fn ticks() -> HttpResponse {
    let events = stream::unfold(1_u64, |n| async move {
        sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Infallible>(Bytes::from(format!("data: tick {n}\n\n"))), n + 1))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(events)
}

/// A WebSocket that says everything back.
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
    // The client may be gone already.
    let _ = session.close(None).await;
}

/// Panics before there is an answer: the client gets a 500.
#[get("/boom")]
async fn boom() -> String {
    panic!("the till is stuck");
}

/// Panics when the head and a first chunk are out: the connection is cut.
#[get("/boom-body")]
async fn boom_body() -> HttpResponse {
    let body = stream::unfold(true, |first| async move {
        if !first {
            sleep(Duration::from_millis(50)).await; // the first chunk is on its way
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
