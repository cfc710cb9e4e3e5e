//! A peer that redirects.

use bytes::Bytes;
use http::Response;

use super::{Peer, answer::answering_with};

/// The body of the response that a redirect leads to.
pub const ARRIVED: &str = "arrived";

/// Redirects `/` with this status to `location`: a path for the same peer, a URL for another one,
/// or `/` for a redirect without an end. Responds to each other path with 200 and [`ARRIVED`].
#[must_use]
pub fn redirecting(status: u16, location: &str) -> Peer {
    let location = location.to_owned();
    answering_with(move |request| {
        let response = match request.uri().path() {
            "/" => Response::builder().status(status).header("location", &location).body(Bytes::new()),
            _ => Response::builder().body(ARRIVED.into()),
        };
        response.expect("a valid response")
    })
}
