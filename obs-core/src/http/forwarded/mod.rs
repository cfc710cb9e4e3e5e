//! Who the client really is where proxies stand between: `Forwarded` (RFC 7239), or else `X-Forwarded-For`, `-Proto`,
//! `-Host` and `-Port`.
//!
//! Anybody can send these headers. A proxy adds at their right end whom it has the request from, so they are read from
//! there, and no further than trusted proxies wrote them. Most proxies write one kind and let the other through as it came, and
//! which, nobody knows here; so where both are there and name different clients, neither is believed.

pub(crate) mod element;
pub(crate) mod host;
pub(crate) mod list;
pub(crate) mod network;
pub(crate) mod node;

use super::forwarded::{host::Host, network::TrustedProxies};
use std::net::IpAddr;

use super::forwarded::{element::Element, list::List, node::Node};
use crate::http::{headers::HeaderLookup, protocol::UrlScheme};

/// How many proxies a request comes through at most.
const MAX_ELEMENTS: usize = 32;

/// What trusted proxies say about the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// The first address from the right that is no trusted proxy's; none if they do not tell it.
    pub(crate) client: Option<IpAddr>,
    /// The client's port.
    pub(crate) client_port: Option<u16>,
    /// The scheme that the client used.
    pub(crate) scheme: Option<UrlScheme>,
    /// The `host[:port]` that the client asked.
    pub(crate) host: Option<String>,
}

impl Forwarded {
    /// What the headers say; `None` if there are none, or if the peer is not trusted.
    pub(crate) fn of(
        headers: &(impl HeaderLookup + ?Sized),
        peer: Option<IpAddr>,
        trusted: &TrustedProxies,
    ) -> Option<Self> {
        if !peer.is_some_and(|peer| trusted.contains(peer)) {
            return None;
        }
        Self::told(headers, trusted)
    }

    /// What a trusted peer says.
    #[inline(never)]
    fn told(headers: &(impl HeaderLookup + ?Sized), trusted: &TrustedProxies) -> Option<Self> {
        match (Self::standard(headers, trusted), Self::customary(headers, trusted)) {
            (Some(standard), Some(customary)) => {
                let agree = customary.client.is_none() || customary.client == standard.client;
                agree.then_some(standard)
            }
            (standard, customary) => standard.or(customary),
        }
    }

    /// By `Forwarded`, if its last element is well-formed.
    fn standard(headers: &(impl HeaderLookup + ?Sized), trusted: &TrustedProxies) -> Option<Self> {
        let list = List::read(headers, "forwarded");
        let mut elements = list.elements().map_while(Element::parse).take(MAX_ELEMENTS);
        // A trusted proxy wrote it, so it counts even if it tells no address.
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

    /// By the headers that were there before the standard.
    fn customary(headers: &(impl HeaderLookup + ?Sized), trusted: &TrustedProxies) -> Option<Self> {
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
        // Proxies add to each list, or add to the chain and set the others anew. As many values belong to one another;
        // else only the last one is surely the nearest proxy's.
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

/// A scheme (RFC 3986 §3.1). Some proxies say `ws` and `wss` of a WebSocket's handshake, which is a request of HTTP.
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
