//! A peer with complete responses, over HTTP/1 and HTTP/2 with prior knowledge.

use std::{io, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    peer::{Connection, Peer},
    received::Log,
};

/// The body of a response.
pub(super) type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;

/// Responds to each request with this status and this body.
#[must_use]
pub fn answering(status: u16, body: &str) -> Peer {
    let body = Bytes::copy_from_slice(body.as_bytes());
    answering_with(move |_| Response::builder().status(status).body(body.clone()).expect("a valid response"))
}

/// Responds to each request with the result of this function.
pub fn answering_with<F>(respond: F) -> Peer
where
    F: Fn(&Request<()>) -> Response<Bytes> + Send + Sync + 'static,
{
    serving(move |request| {
        let response = respond(&request).map(full);
        async { response }
    })
}

/// A peer that reads each request to its end, and then responds.
pub(super) fn serving<F, Responded>(respond: F) -> Peer
where
    F: Fn(Request<()>) -> Responded + Send + Sync + 'static,
    Responded: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let respond = Arc::new(respond);
    Peer::start("http", move |Connection { stream, number, log }| {
        let respond = Arc::clone(&respond);
        serve(stream, number, log, respond)
    })
}

pub(super) fn full(bytes: Bytes) -> ResponseBody {
    Full::from(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// Serves a connection until its end.
pub(super) async fn serve<S, F, Responded>(stream: S, number: usize, log: Log, respond: Arc<F>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<()>) -> Responded + Send + Sync + 'static,
    Responded: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (log, respond) = (log.clone(), Arc::clone(&respond));
        async move {
            let head = read(request, number, &log).await?;
            Ok::<_, hyper::Error>(respond(head).await)
        }
    });
    // A client may disconnect at any time, and some peers end a body with an error.
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// Reads and records a request. Returns its head.
async fn read(request: Request<Incoming>, connection: usize, log: &Log) -> hyper::Result<Request<()>> {
    let (parts, mut body) = request.into_parts();
    let number = log.add(&parts, connection);
    while let Some(frame) = body.frame().await {
        if let Some(bytes) = frame?.data_ref() {
            log.add_bytes(number, bytes);
        }
    }
    log.complete(number);
    Ok(Request::from_parts(parts, ()))
}
