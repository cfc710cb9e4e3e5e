//! The request that every setting is sent, and its answer.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

pub(crate) const PATH: &str = "/items/7";

pub(crate) const ANSWER: &str = "item 7";

/// Who sends it: a server tells that of every request.
pub(crate) const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 17), 40_000));

type Header = (&'static str, &'static str);

/// Every second request comes from a caller that has an id and a trace already.
const HEADERS: [Header; 5] = [
    ("host", "shop.example"),
    ("user-agent", "bench/1.0"),
    ("accept", "*/*"),
    ("x-request-id", "0193a5b2-7c1d-7e43-9a56-3f0c8d2b6e17"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
];

/// The headers of the request of this number.
pub(crate) fn headers(number: u64) -> &'static [Header] {
    let (plain, _) = HEADERS.split_at(3);
    if number.is_multiple_of(2) { &HEADERS } else { plain }
}
