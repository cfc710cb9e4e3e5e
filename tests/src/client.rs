//! A client for HTTP/1 and HTTP/2 that can disconnect at any moment.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinHandle};

/// One connection.
pub struct Client {
    sender: Sender,
    /// Ends with the connection; aborting it closes the socket.
    connection: JoinHandle<()>,
}

enum Sender {
    Http1(conn::http1::SendRequest<Payload>),
    Http2(conn::http2::SendRequest<Payload>),
}

/// The body of a request.
pub type Payload = UnsyncBoxBody<Bytes, Infallible>;

/// A response that was read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

impl Client {
    pub async fn connect(addr: SocketAddr, http2: bool) -> Self {
        Self::try_connect(addr, http2).await.expect("the server listens")
    }

    /// Connects; `None` if the server refuses the connection.
    pub async fn try_connect(addr: SocketAddr, http2: bool) -> Option<Self> {
        let io = TokioIo::new(TcpStream::connect(addr).await.ok()?);
        let (sender, connection) = if http2 {
            let (sender, connection) =
                conn::http2::handshake(TokioExecutor::new(), io).await.expect("an HTTP/2 server");
            (Sender::Http2(sender), tokio::spawn(async { drop(connection.await) }))
        } else {
            let (sender, connection) = conn::http1::handshake(io).await.expect("an HTTP/1 server");
            let connection = connection.with_upgrades();
            (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
        };
        Some(Self { sender, connection })
    }

    /// Sends a request and waits for the head of the response.
    ///
    /// # Errors
    /// If the connection or the stream ends before that.
    pub async fn open<B>(&mut self, request: Request<B>) -> hyper::Result<Response<Incoming>>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let mut request = request.map(BodyExt::boxed_unsync);
        match &mut self.sender {
            Sender::Http1(sender) => {
                request.headers_mut().entry("host").or_insert(http::HeaderValue::from_static("test"));
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                // HTTP/2 needs the whole URI.
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                *request.uri_mut() = format!("http://test{path}").parse().expect("a URI");
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Sends a request and reads the response to its end.
    ///
    /// # Errors
    /// If the connection or the stream ends before that.
    pub async fn send<B>(&mut self, request: Request<B>) -> hyper::Result<Answer>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let (parts, body) = self.open(request).await?.into_parts();
        let collected = body.collect().await?;
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            trailers: collected.trailers().cloned(),
            body: collected.to_bytes(),
        })
    }

    /// Another handle of an HTTP/2 connection, for simultaneous requests.
    #[must_use]
    pub fn http2_sender(&self) -> Option<conn::http2::SendRequest<Payload>> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(sender.clone()),
        }
    }

    /// Returns `true` if the connection has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.connection.is_finished()
    }

    /// Disconnects: closes the socket at once, even during a request.
    pub async fn disconnect(self) {
        self.connection.abort();
        let _ = self.connection.await;
    }
}

#[must_use]
pub fn get(path: &str) -> Request<Full<Bytes>> {
    request("GET", path)
}

#[must_use]
pub fn request(method: &str, path: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(path).body(Full::default()).expect("a valid request")
}

/// A POST request with a JSON body.
#[must_use]
pub fn post(path: &str, json: &str) -> Request<Full<Bytes>> {
    let body = Full::from(Bytes::from(json.to_owned()));
    let request = Request::post(path).header("content-type", "application/json").body(body);
    request.expect("a valid request")
}

/// A request whose body comes in pieces, without a declared length.
#[must_use]
pub fn in_pieces<const N: usize>(path: &str, pieces: [&'static str; N]) -> Request<Payload> {
    let frames = pieces.map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
    let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
    Request::post(path).body(body).expect("a valid request")
}
