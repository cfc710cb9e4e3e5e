//! HTTP/1 on a raw socket: the peers that end a connection in a way that no HTTP server does.

use std::io;

use http::{Request, Version, request::Parts};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::peer::Connection;

/// The end of a connection, after the response.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// A reset (`RST`).
    Reset,
    /// A close (`FIN`).
    Close,
    /// None: the connection stays open until the client closes it.
    Open,
}

/// The head of a request, and the bytes after it that were read with it.
pub(super) struct Head {
    pub(super) parts: Parts,
    pub(super) rest: Vec<u8>,
}

/// Reads the head of a request. `None` if the client disconnects before its end.
pub(super) async fn read_head(stream: &mut TcpStream) -> Option<Head> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Some(Head { parts: parse(&read), rest });
        }
        if read_some(stream, &mut read).await == 0 {
            return None;
        }
    }
}

/// Reads a request to its end, and records it. Returns its number. `None` if the client disconnects
/// before.
pub(super) async fn read_request(connection: &mut Connection) -> Option<usize> {
    let Head { parts, mut rest } = read_head(&mut connection.stream).await?;
    let number = connection.log.add(&parts, connection.number);
    let length = parts
        .headers
        .get("content-length")
        .map_or(0, |length| length.to_str().ok().and_then(|length| length.parse().ok()).expect("a number"));
    assert!(!parts.headers.contains_key("transfer-encoding"), "a body with a length: {:?}", parts.headers);
    while rest.len() < length {
        if read_some(&mut connection.stream, &mut rest).await == 0 {
            return None;
        }
    }
    connection.log.add_bytes(number, &rest);
    connection.log.complete(number);
    Some(number)
}

/// Sends these bytes, and ends the connection.
pub(super) async fn send(mut stream: TcpStream, bytes: &[u8], end: End) {
    // A client may disconnect at any time.
    if stream.write_all(bytes).await.is_err() {
        return;
    }
    match end {
        End::Reset => return reset(stream),
        End::Close if stream.shutdown().await.is_err() => return,
        End::Close | End::Open => {}
    }
    // A socket that closes with unread bytes sends a reset.
    while read_some(&mut stream, &mut Vec::new()).await > 0 {}
}

/// Closes a socket with a reset (`RST`) in place of a close (`FIN`).
pub(super) fn reset(stream: TcpStream) {
    stream.set_zero_linger().expect("a socket");
}

/// Reads the next bytes, and returns their number. 0 is the end of the connection.
pub(super) async fn read_some(stream: &mut TcpStream, read: &mut Vec<u8>) -> usize {
    stream.read_buf(read).await.unwrap_or(0)
}

fn parse(head: &[u8]) -> Parts {
    let parsed = || {
        let mut lines = std::str::from_utf8(head).ok()?.lines();
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?, first.next()?);
        let version = match first.next()? {
            "HTTP/1.0" => Version::HTTP_10,
            "HTTP/1.1" => Version::HTTP_11,
            _ => return None,
        };
        let mut request = Request::builder().method(method).uri(target).version(version);
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':')?;
            request = request.header(name, value.trim());
        }
        Some(request.body(()).ok()?.into_parts().0)
    };
    parsed().unwrap_or_else(|| panic!("not HTTP/1: {:?}", String::from_utf8_lossy(head)))
}

/// Copies in both directions until both sides have closed.
pub(super) async fn tunnel(client: &mut TcpStream, server: &mut TcpStream) -> io::Result<()> {
    tokio::io::copy_bidirectional(client, server).await.map(drop)
}
