//! An HTTP proxy: tunnels (`CONNECT`) and requests with a whole URL as their target.

use std::net::SocketAddr;

use http::{Method, request::Parts};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    peer::{Connection, Peer},
    wire::{End, Head, read_head, send, tunnel},
};

/// Forwards each request to the host and the port in its target.
#[must_use]
pub fn forwarding() -> Peer {
    proxy(None)
}

/// Forwards each request to this address. Its target can have any host, even one that does not
/// resolve.
#[must_use]
pub fn forwarding_to(addr: SocketAddr) -> Peer {
    proxy(Some(addr))
}

/// Rejects each request with this status, such as 407.
#[must_use]
pub fn rejecting(status: u16) -> Peer {
    Peer::start("http", move |Connection { mut stream, number, log }| async move {
        let Some(Head { parts, .. }) = read_head(&mut stream).await else { return };
        log.add(&parts, number);
        let response =
            format!("HTTP/1.1 {status} Rejected\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        send(stream, response.as_bytes(), End::Close).await;
    })
}

fn proxy(to: Option<SocketAddr>) -> Peer {
    Peer::start("http", move |Connection { mut stream, number, log }| async move {
        let Some(Head { parts, rest }) = read_head(&mut stream).await else { return };
        log.add(&parts, number);
        let target = match to {
            Some(addr) => addr.to_string(),
            None => target(&parts),
        };
        let Ok(mut server) = TcpStream::connect(target).await else {
            let response = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return send(stream, response.as_bytes(), End::Close).await;
        };
        let (to_client, to_server) = match parts.method {
            Method::CONNECT => ("HTTP/1.1 200 Connection Established\r\n\r\n", rest),
            _ => ("", [head(&parts).as_bytes(), &rest].concat()),
        };
        let sent = async {
            stream.write_all(to_client.as_bytes()).await?;
            server.write_all(&to_server).await?;
            tunnel(&mut stream, &mut server).await
        };
        // Both sides may disconnect at any time.
        let _ = sent.await;
    })
}

/// The host and the port of a request.
fn target(parts: &Parts) -> String {
    let host = parts.uri.host().unwrap_or_else(|| panic!("a host, but the target is {}", parts.uri));
    format!("{host}:{}", parts.uri.port_u16().unwrap_or(80))
}

/// The head for the server: only the path of the target, and no header for the proxy. The server
/// closes the connection after the response, so each connection forwards one request.
fn head(parts: &Parts) -> String {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut head = format!("{} {path} HTTP/1.1\r\nconnection: close\r\n", parts.method);
    for (name, value) in &parts.headers {
        if !["connection", "proxy-authorization", "proxy-connection"].contains(&name.as_str()) {
            let value = value.to_str().expect("text");
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head + "\r\n"
}
