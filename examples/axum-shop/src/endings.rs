//! The routes that show each way in which a request can end. Try them by hand.
use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{
        Query, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::{IntoResponse, Response, Sse, sse::Event},
    routing::get,
};
use futures_util::{Stream, stream};
use obs_axum::{RejectionReport, Reported};
use serde::Deserialize;
use tokio::time::sleep;
use tracing::debug;

use crate::error::{AppError, ImportError};

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

pub fn routes() -> Router {
    Router::new()
        .route("/slow", get(slow))
        .route("/stream", get(chunks))
        .route("/ticks", get(ticks))
        .route("/ws", get(ws))
        .route("/boom", get(boom))
        .route("/boom-body", get(boom_body))
        .route("/fail", get(fail))
}

/// Pauses before it responds. Disconnect during the pause to cancel the request.
async fn slow(query: Result<Reported<Query<Slow>>, RejectionReport>) -> Result<String, AppError> {
    let Reported(Query(query)) = query?;
    let ms = query.ms.unwrap_or(1_000).min(MAX_MS);
    sleep(Duration::from_millis(ms)).await;
    Ok(format!("waited {ms} ms\n"))
}

/// Sends a body in chunks. Disconnect in the middle to cancel the request.
async fn chunks(query: Result<Reported<Query<Chunks>>, RejectionReport>) -> Result<Body, AppError> {
    let Reported(Query(query)) = query?;
    let chunks = query.chunks.unwrap_or(10).min(MAX_CHUNKS);
    let pause = Duration::from_millis(query.ms.unwrap_or(500).min(MAX_MS));
    Ok(Body::from_stream(stream::unfold(1, move |n| async move {
        if n > chunks {
            return None;
        }
        sleep(pause).await;
        Some((Ok::<_, Infallible>(format!("chunk {n}\n")), n + 1))
    })))
}

/// Sends server-sent events without end.
async fn ticks() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold(1_u64, |n| async move {
        sleep(Duration::from_secs(1)).await;
        Some((Ok(Event::default().data(format!("tick {n}"))), n + 1))
    }))
}

/// Echoes each message on a WebSocket.
async fn ws(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        // axum itself answers pings.
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Panics before the response starts: the client gets a 500. Only then the debug lines are written.
async fn boom() {
    debug!(shelf = 3, "climbs to the shelf");
    debug!(parcels = 12, "takes the lowest parcel");
    panic!("the shelf has fallen");
}

/// Panics after the head and the first chunk are sent: the connection is closed.
async fn boom_body() -> impl IntoResponse {
    Body::from_stream(stream::unfold(true, |first| async move {
        if !first {
            sleep(Duration::from_millis(50)).await; // lets the first chunk reach the client
            panic!("the string has torn");
        }
        Some((Ok::<_, Infallible>("the parcel begins\n"), false))
    }))
}

/// Fails with an error that has sources.
async fn fail() -> Result<String, AppError> {
    let cents: i64 = "29,90".parse().map_err(|source| ImportError { line: 1, source })?;
    Ok(format!("{cents} cents\n"))
}
