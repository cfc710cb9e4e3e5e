//! Peers that refuse or reset streams of HTTP/2, or end connections with `GOAWAY`.

use std::sync::Arc;

use bytes::Bytes;
use h2::{Reason, server};
use http::{Response, request::Parts};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::TcpStream,
};

use super::{
    Gate,
    answer::{full, serve},
    peer::{Connection, Peer},
};

/// The body of the responses after the failures.
pub const SERVED: &str = "served";

/// Resets the first `n` streams with `REFUSED_STREAM`: they were not processed, so a client may
/// send them again. Responds to the others with 200 and [`SERVED`].
#[must_use]
pub fn refusing_streams(n: usize) -> Peer {
    resetting_streams(n, Reason::REFUSED_STREAM)
}

/// Resets the first `n` streams with this reason before a response. Responds to the others with 200
/// and [`SERVED`].
#[must_use]
pub fn resetting_streams(n: usize, reason: Reason) -> Peer {
    Peer::start("http", move |Connection { stream, number, log }| async move {
        // A client may disconnect at any time.
        let Ok(mut connection) = server::handshake(stream).await else { return };
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let (parts, body) = request.into_parts();
            let of_peer = log.add(&parts, number);
            if body.is_end_stream() {
                log.complete(of_peer);
            }
            if of_peer < n {
                respond.send_reset(reason);
            } else if let Ok(mut send) = respond.send_response(Response::new(()), false) {
                let _ = send.send_data(Bytes::from_static(SERVED.as_bytes()), true);
            }
        }
    })
}

/// Responds with 200 and these bytes, in a body of gRPC. Resets the stream with this reason when
/// the gate is open.
#[must_use]
pub fn resetting_in_body(bytes: Bytes, reason: Reason) -> (Peer, Gate) {
    let (gate, closed) = Gate::new();
    let peer = Peer::start("http", move |Connection { stream, number, log }| {
        let (bytes, closed) = (bytes.clone(), closed.clone());
        async move {
            // A client may disconnect at any time.
            let Ok(mut connection) = server::handshake(stream).await else { return };
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                log.add(&request.into_parts().0, number);
                let head = Response::builder().header("content-type", "application/grpc").body(());
                let Ok(mut send) = respond.send_response(head.expect("a head"), false) else { return };
                let _ = send.send_data(bytes.clone(), false);
                // The connection must go on meanwhile.
                let closed = closed.clone();
                tokio::spawn(async move {
                    closed.opened().await;
                    send.send_reset(reason);
                });
            }
        }
    });
    (peer, gate)
}

/// Ends the first `n` connections with `GOAWAY(NO_ERROR)` after the head of the first request. The
/// `GOAWAY` says that no stream was processed, so a client may send the request again. Serves the
/// other connections: 200 and [`SERVED`].
#[must_use]
pub fn going_away(n: usize) -> Peer {
    let respond = Arc::new(|_| async { Response::new(full(Bytes::from_static(SERVED.as_bytes()))) });
    Peer::start("http", move |Connection { mut stream, number, log }| {
        let respond = Arc::clone(&respond);
        async move {
            if number >= n {
                return serve(stream, number, log, respond).await;
            }
            let Some(parts) = read_first_head(&mut stream).await else { return };
            log.add(&parts, number);
            if stream.write_all(&GO_AWAY).await.is_ok() && stream.shutdown().await.is_ok() {
                // A socket that closes with unread bytes sends a reset.
                while stream.read_buf(&mut Vec::new()).await.is_ok_and(|read| read > 0) {}
            }
        }
    })
}

/// A frame with these 8 bytes: 0 is the last stream that was processed, 0 is `NO_ERROR`.
const GO_AWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const SETTINGS_ACK: [u8; 9] = [0, 0, 0, 4, 1, 0, 0, 0, 0];
const PREFACE: usize = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// Reads frames until the first head is complete. `None` if the client disconnects before.
async fn read_first_head(stream: &mut TcpStream) -> Option<Parts> {
    const HEADERS: u8 = 1;
    const IS_LAST: u8 = 4;
    stream.write_all(&SETTINGS).await.ok()?;
    let mut read = vec![0; PREFACE];
    stream.read_exact(&mut read).await.ok()?;
    loop {
        let mut frame = vec![0; 9];
        stream.read_exact(&mut frame).await.ok()?;
        let [_, a, b, kind, flags, ..] = frame[..] else { unreachable!("9 bytes") };
        let length = usize::from(a) << 8 | usize::from(b);
        frame.resize(9 + length, 0);
        stream.read_exact(&mut frame[9..]).await.ok()?;
        read.append(&mut frame);
        match kind {
            HEADERS => {
                assert!(flags & IS_LAST != 0, "a head in one frame");
                return Some(decode(&read).await);
            }
            4 if flags & 1 == 0 => stream.write_all(&SETTINGS_ACK).await.ok()?,
            _ => {}
        }
    }
}

/// Decodes the first head of a connection with a server in memory, which gets the same bytes.
async fn decode(bytes: &[u8]) -> Parts {
    let (mut client, of_server) = duplex(1 << 16);
    client.write_all(bytes).await.expect("space");
    let mut server = server::handshake(of_server).await.expect("a client of HTTP/2");
    let (request, _) = server.accept().await.expect("a stream").expect("a head");
    request.into_parts().0
}
