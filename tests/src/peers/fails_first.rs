//! A peer that fails a number of times, and then succeeds.

use super::{
    Peer,
    wire::{End, read_request, send},
};

/// The way in which a request fails.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// A response with this status, with `retry-after: 0`.
    Status(u16),
    /// A reset in place of a response.
    Reset,
    /// A close in place of a response.
    Close,
}

/// The body of the response after the failures.
pub const RECOVERED: &str = "recovered";

/// Fails the first `n` requests, and responds to the others with 200 and [`RECOVERED`]. Each
/// connection serves one request.
#[must_use]
pub fn failing_first(n: usize, failure: Failure) -> Peer {
    Peer::start("http", move |mut connection| async move {
        let Some(number) = read_request(&mut connection).await else { return };
        let length = RECOVERED.len();
        let (response, end) = match failure {
            _ if number >= n => (
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{RECOVERED}"
                ),
                End::Close,
            ),
            Failure::Status(status) => (
                format!(
                    "HTTP/1.1 {status} Failed\r\ncontent-length: 0\r\nretry-after: 0\r\nconnection: close\r\n\r\n"
                ),
                End::Close,
            ),
            Failure::Reset => (String::new(), End::Reset),
            Failure::Close => (String::new(), End::Close),
        };
        send(connection.stream, response.as_bytes(), end).await;
    })
}
