//! Peers that end an HTTP/1 response too early, or send none. Each reads a request first.

use super::{
    Peer,
    wire::{End, read_request, send},
};

/// The part of the body that the client gets, if the head promises [`PROMISED`] bytes.
pub const PART: &str = "part";
/// The length that the head promises.
pub const PROMISED: usize = 10;

/// Accepts, reads the request, and sends nothing. The connection stays open.
#[must_use]
pub fn silent() -> Peer {
    sending(String::new(), End::Open)
}

/// Resets the connection after the request.
#[must_use]
pub fn resetting() -> Peer {
    sending(String::new(), End::Reset)
}

/// Closes the connection after the request.
#[must_use]
pub fn closing() -> Peer {
    sending(String::new(), End::Close)
}

/// Closes the connection inside the head of the response.
#[must_use]
pub fn closing_in_head() -> Peer {
    sending("HTTP/1.1 200 OK\r\ncontent-".to_owned(), End::Close)
}

/// Sends something else than HTTP.
#[must_use]
pub fn not_http() -> Peer {
    sending("220 mail.test ESMTP\r\n".to_owned(), End::Close)
}

/// Resets the connection inside the body, after [`PART`].
#[must_use]
pub fn resetting_in_body() -> Peer {
    sending(promise(), End::Reset)
}

/// Closes the connection inside the body, after [`PART`].
#[must_use]
pub fn short_body() -> Peer {
    sending(promise(), End::Close)
}

/// Sends [`PART`], and then nothing. The connection stays open.
#[must_use]
pub fn stalled_body() -> Peer {
    sending(promise(), End::Open)
}

/// Closes the connection after a chunk, without the last chunk.
#[must_use]
pub fn unfinished_chunks() -> Peer {
    let chunk = format!("{:x}\r\n{PART}\r\n", PART.len());
    sending(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"), End::Close)
}

fn promise() -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {PROMISED}\r\n\r\n{PART}")
}

fn sending(response: String, end: End) -> Peer {
    Peer::start("http", move |mut connection| {
        let response = response.clone();
        async move {
            if read_request(&mut connection).await.is_some() {
                send(connection.stream, response.as_bytes(), end).await;
            }
        }
    })
}
