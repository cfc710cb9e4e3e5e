//! Peers that wait for the test. No time is involved: each has a [`Gate`].

use std::io;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::{
    Gate, Peer,
    answer::{full, serving},
};

/// The part of a slow body before the gate.
pub const BEFORE: &str = "before ";
/// The part of a slow body after the gate, and the body of a slow response.
pub const AFTER: &str = "after";

/// Sends its response when the gate is open.
#[must_use]
pub fn slow_response() -> (Peer, Gate) {
    let (gate, closed) = Gate::new();
    let peer = serving(move |_| {
        let closed = closed.clone();
        async {
            closed.opened().await;
            Response::new(full(Bytes::from_static(AFTER.as_bytes())))
        }
    });
    (peer, gate)
}

/// Sends the head and [`BEFORE`] at once, and [`AFTER`] when the gate is open.
#[must_use]
pub fn slow_body() -> (Peer, Gate) {
    let (gate, closed) = Gate::new();
    let peer = serving(move |_| {
        let closed = closed.clone();
        let after = async {
            closed.opened().await;
            AFTER
        };
        let parts = stream::iter([BEFORE]).chain(stream::once(after));
        let frames = parts.map(|part| Ok::<_, io::Error>(Frame::data(Bytes::from_static(part.as_bytes()))));
        async { Response::new(StreamBody::new(frames).boxed_unsync()) }
    });
    (peer, gate)
}
