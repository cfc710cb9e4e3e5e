//! A peer with TLS.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use super::{
    answer::{full, serve},
    peer::{Connection, Peer},
};
use crate::collector::tls::acceptor_for;

/// A name that no peer has. A certificate for it fits no peer.
pub const ANOTHER_HOST: &str = "another.test";

/// Responds with 200 and `body` over TLS. The certificate has these names. Also returns, in PEM,
/// the authority that a client must trust.
#[must_use]
pub fn answering_over_tls(names: &[&str], body: &str) -> (Peer, String) {
    let (acceptor, authority) = acceptor_for(names);
    let body = Bytes::copy_from_slice(body.as_bytes());
    let respond = Arc::new(move |_| {
        let response = Response::new(full(body.clone()));
        async { response }
    });
    let peer = Peer::start("https", move |Connection { stream, number, log }| {
        let (acceptor, respond) = (acceptor.clone(), Arc::clone(&respond));
        async move {
            // A client that rejects the certificate disconnects.
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, number, log, respond).await;
            }
        }
    });
    (peer, authority)
}
