//! An axum server on a socket, which runs until the program ends.

use std::{convert::Infallible, net::TcpListener, thread};

use axum::{extract::Request, response::Response};
use tower::Service;

use crate::settings::axum::with_addresses;

/// Starts a server with its own runtime, and returns its port.
pub(super) fn start<S>(app: S) -> u16
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a non-blocking socket");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads for a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime with sockets");
            axum::serve(listener, with_addresses(app)).await.expect("it never ends");
        });
    });
    port
}
