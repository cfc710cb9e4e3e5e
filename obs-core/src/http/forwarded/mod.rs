//! The real client of a request that came through proxies, from `Forwarded` (RFC 7239), or else
//! from `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`.
//!
//! Anybody can send these headers. Each proxy appends the address from which it got the request. So
//! the headers are read from the right end, and only the parts that trusted proxies wrote.
//!
//! Most proxies write one kind of header and pass the other one unchanged. Which one they write is
//! unknown here. So if both are present and name different clients, both are ignored.

pub(crate) mod element;
pub(crate) mod host;
pub(crate) mod list;
pub(crate) mod network;
pub(crate) mod node;

use super::forwarded::{host::Host, network::TrustedProxies};
use std::net::IpAddr;

use super::forwarded::{element::Element, list::List, node::Node};
use crate::http::{headers::HeaderLookup, protocol::UrlScheme};

/// The maximum number of proxies that are read.
const MAX_ELEMENTS: usize = 32;

/// The data about a request that trusted proxies sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// The first address from the right that is not a trusted proxy's; `None` if the proxies did
    /// not send it.
    pub(crate) client: Option<IpAddr>,
    /// The client's port.
    pub(crate) client_port: Option<u16>,
    /// The scheme that the client used.
    pub(crate) scheme: Option<UrlScheme>,
    /// The `host[:port]` to which the client sent the request.
    pub(crate) host: Option<String>,
}

impl Forwarded {
    /// Reads the headers. Returns `None` if there are none, or if the peer is not trusted.
    #[inline]
    pub(crate) fn of(
        headers: &(impl HeaderLookup + ?Sized),
        peer: Option<IpAddr>,
        trusted: &TrustedProxies,
    ) -> Option<Self> {
        if !peer.is_some_and(|peer| trusted.contains(peer)) {
            return None;
        }
        Self::from_headers(headers, trusted)
    }

    /// Reads the headers that a trusted peer sent.
    #[inline(never)]
    fn from_headers(headers: &(impl HeaderLookup + ?Sized), trusted: &TrustedProxies) -> Option<Self> {
        match (Self::standard(headers, trusted), Self::x_forwarded(headers, trusted)) {
            (Some(standard), Some(x_forwarded)) => {
                let agree = x_forwarded.client.is_none() || x_forwarded.client == standard.client;
                agree.then_some(standard)
            }
            (standard, x_forwarded) => standard.or(x_forwarded),
        }
    }

    /// Reads `Forwarded`, if its last element is well-formed.
    fn standard(headers: &(impl HeaderLookup + ?Sized), trusted: &TrustedProxies) -> Option<Self> {
        let list = List::read(headers, "forwarded");
        let mut elements = list.elements().map_while(Element::parse).take(MAX_ELEMENTS);
        // A trusted proxy wrote this element, so it counts even without an address.
        let mut named = elements.next()?;
        while named.node.is_some_and(|node| trusted.contains(node.address)) {
            let Some(element) = elements.next().filter(|element| element.node.is_some()) else { break };
            named = element;
        }
        Some(Self {
            client: named.node.map(|node| node.address),
            client_port: named.node.and_then(|node| node.port),
            scheme: named.proto.and_then(|proto| scheme(&proto)),
            host: named.host.and_then(|host| Host::parse(&host).map(|host| host.text.to_owned())),
        })
    }

    /// Reads the headers that were used before the standard.
    fn x_forwarded(headers: &(impl HeaderLookup + ?Sized), trusted: &TrustedProxies) -> Option<Self> {
        let chain = List::read(headers, "x-forwarded-for");
        let mut client: Option<(usize, Node)> = None;
        for (place, value) in chain.values().take(MAX_ELEMENTS).enumerate() {
            let Some(node) = Node::parse(value) else { break };
            client = Some((place, node));
            if !trusted.contains(node.address) {
                break;
            }
        }
        let place = client.map_or(0, |(place, _)| place);
        // Proxies add to each list, or they add to the chain and replace the other headers. If two
        // lists have the same length, their values belong together. Otherwise, only the last value
        // certainly comes from the nearest proxy.
        let read = |name| {
            let list = List::read(headers, name);
            let place = if list.is_as_long_as(&chain) { place } else { 0 };
            list.values().nth(place).map(str::to_owned)
        };
        let scheme = read("x-forwarded-proto").and_then(|proto| scheme(&proto));
        let port = read("x-forwarded-port").and_then(|port| host::port(&port));
        let host = read("x-forwarded-host");
        let host = host.and_then(|host| Host::parse(&host).map(|host| host::with_port(host, port)));
        let any = chain.values().next().is_some() || scheme.is_some() || host.is_some();
        any.then_some(Self {
            client: client.map(|(_, node)| node.address),
            client_port: client.and_then(|(_, node)| node.port),
            scheme,
            host,
        })
    }
}

/// Parses a scheme (RFC 3986 §3.1). Some proxies send `ws` and `wss` for the handshake of a
/// WebSocket, which is an HTTP request.
fn scheme(text: &str) -> Option<UrlScheme> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let valid = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(allowed);
    if text.eq_ignore_ascii_case("ws") {
        Some(UrlScheme::Http)
    } else if text.eq_ignore_ascii_case("wss") {
        Some(UrlScheme::Https)
    } else {
        valid.then(|| UrlScheme::parse(text))
    }
}

#[cfg(test)]
pub(crate) mod tests;
