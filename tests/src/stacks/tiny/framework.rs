//! A small web framework for tests: HTTP/1 on tokio, handlers and a router. It has no code for
//! observability.

use std::{future::pending, io, net::SocketAddr, sync::Arc};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use http::Extensions;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// A handler of requests: a router, or a middleware around one.
pub trait Handler: Send + Sync + 'static {
    /// Returns the template of the route that matches this path.
    fn route(&self, path: &str) -> Option<&'static str>;

    fn call(&self, request: Request) -> BoxFuture<'_, Response>;
}

pub struct Request {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    /// `true` for HTTP/1.1, `false` for HTTP/1.0.
    pub http11: bool,
    pub headers: Vec<(String, String)>,
    pub peer: SocketAddr,
    pub body: Body,
    /// The values that middlewares pass on to handlers.
    pub extensions: Extensions,
}

pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// The function that gets the connection after a 101.
    pub upgrade: Option<fn(TcpStream) -> BoxFuture<'static, ()>>,
}

pub struct Body {
    /// The number of bytes, if it is known.
    pub length: Option<u64>,
    pub pieces: BoxStream<'static, io::Result<Bytes>>,
}

impl Body {
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        let length = Some(bytes.len() as u64);
        let bytes = (!bytes.is_empty()).then_some(Ok(bytes));
        Self { length, pieces: stream::iter(bytes).boxed() }
    }
}

impl Response {
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: Body::full(body.into()), upgrade: None }
    }
}

/// Returns the value of the first header with this name.
#[must_use]
pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

type Call = Box<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

#[derive(Default)]
pub struct Router {
    routes: Vec<(&'static str, &'static str, Call)>,
}

impl Router {
    pub fn add<F>(&mut self, method: &'static str, template: &'static str, call: F)
    where
        F: Fn(Request) -> BoxFuture<'static, Response> + Send + Sync + 'static,
    {
        self.routes.push((method, template, Box::new(call)));
    }

    /// Returns the routes whose templates match a path.
    fn find<'a>(&'a self, path: &str) -> impl Iterator<Item = &'a (&'static str, &'static str, Call)> {
        self.routes.iter().filter(move |(_, template, _)| has_shape(path, template))
    }
}

/// Returns `true` if each segment of the path equals the template's, or the template has a
/// parameter there.
fn has_shape(path: &str, template: &str) -> bool {
    let (mut path, mut template) = (path.split('/'), template.split('/'));
    loop {
        match (path.next(), template.next()) {
            (None, None) => return true,
            (Some(path), Some(template)) if path == template || template.starts_with('{') => {}
            _ => return false,
        }
    }
}

impl Handler for Router {
    fn route(&self, path: &str) -> Option<&'static str> {
        self.find(path).next().map(|(_, template, _)| *template)
    }

    fn call(&self, request: Request) -> BoxFuture<'_, Response> {
        let method = if request.method == "HEAD" { "GET" } else { request.method.as_str() };
        let call = self.find(&request.path).find(|(other, ..)| *other == method);
        match call {
            Some((.., call)) => call(request),
            None => {
                let status = if self.route(&request.path).is_some() { 405 } else { 404 };
                Box::pin(async move { Response::new(status, "") })
            }
        }
    }
}

impl Handler for Arc<dyn Handler> {
    fn route(&self, path: &str) -> Option<&'static str> {
        (**self).route(path)
    }

    fn call(&self, request: Request) -> BoxFuture<'_, Response> {
        (**self).call(request)
    }
}

/// The phase of the server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serve,
    /// Accept no more connections, and close each connection after its running request.
    Drain,
    /// Drop every connection.
    Abort,
}

/// Serves until all connections have ended after [`Phase::Drain`].
pub async fn serve(
    listener: TcpListener,
    handler: Arc<dyn Handler>,
    phase: watch::Receiver<Phase>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, peer) = accepted?;
                connections.spawn(connection(stream, peer, Arc::clone(&handler), phase.clone()));
            }
            Some(_) = connections.join_next() => {}
            () = reached(phase.clone(), Phase::Drain) => break,
        }
    }
    drop(listener);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = reached(phase, Phase::Abort) => {}
    }
    connections.shutdown().await;
    Ok(())
}

async fn reached(mut phase: watch::Receiver<Phase>, goal: Phase) {
    let _ = phase.wait_for(|phase| *phase >= goal).await;
}

/// Handles the requests of a connection, one after the other.
async fn connection(
    mut stream: TcpStream,
    peer: SocketAddr,
    handler: Arc<dyn Handler>,
    phase: watch::Receiver<Phase>,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        let request = tokio::select! {
            biased;
            request = read_request(&mut stream, &mut buffer, peer) => request?,
            () = reached(phase.clone(), Phase::Drain) => return Ok(()),
        };
        let Some(request) = request else { return Ok(()) };
        let is_head = request.method == "HEAD";
        let http11 = request.http11;
        let wants_more = match header(&request.headers, "connection") {
            Some(value) => !value.eq_ignore_ascii_case("close"),
            None => http11,
        };
        let response = tokio::select! {
            biased;
            response = handler.call(request) => response,
            () = client_left(&stream) => return Ok(()),
        };
        if let Some(upgrade) = response.upgrade {
            stream.write_all(head(&response, None, false).as_bytes()).await?;
            drop(response);
            upgrade(stream).await;
            return Ok(());
        }
        let keep_alive = write_response(&mut stream, response, is_head, http11).await?;
        if !(keep_alive && wants_more) {
            return Ok(());
        }
    }
}

/// Waits until the client has disconnected. If the client sends another request before the
/// response, the disconnect is no longer detected.
async fn client_left(stream: &TcpStream) {
    if stream.peek(&mut [0]).await.is_ok_and(|read| read > 0) {
        pending::<()>().await;
    }
}

/// Writes a response. Returns `true` if the connection can be used again.
async fn write_response(
    stream: &mut TcpStream,
    mut response: Response,
    is_head: bool,
    http11: bool,
) -> io::Result<bool> {
    let has_body = !is_head && !matches!(response.status, 204 | 304);
    let length = response.body.length.filter(|_| !matches!(response.status, 204 | 304));
    let chunked = has_body && length.is_none() && http11;
    let mut out = head(&response, length, chunked).into_bytes();
    let keep_alive = header(&response.headers, "connection") != Some("close");
    if !has_body {
        stream.write_all(&out).await?;
        return Ok(keep_alive);
    }
    let (mut sent, pieces) = (0, &mut response.body.pieces);
    while length != Some(sent) {
        stream.write_all(&out).await?;
        // A body that fails closes the connection, which the client sees as an error.
        let Some(piece) = pieces.next().await.transpose()? else { break };
        sent += piece.len() as u64;
        out.clear();
        if !chunked {
            out.extend_from_slice(&piece);
        } else if !piece.is_empty() {
            out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            out.extend_from_slice(&piece);
            out.extend_from_slice(b"\r\n");
        }
    }
    if length == Some(sent) {
        // The body is polled to its end before its last byte is sent. A client that has the last
        // byte can rely on that.
        while pieces.next().await.transpose()?.is_some() {}
        stream.write_all(&out).await?;
    } else if chunked {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    Ok(keep_alive && (chunked || length == Some(sent)))
}

fn head(response: &Response, length: Option<u64>, chunked: bool) -> String {
    let mut head = format!("HTTP/1.1 {} -\r\n", response.status);
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(length) = length {
        head.push_str(&format!("content-length: {length}\r\n"));
    } else if chunked {
        head.push_str("transfer-encoding: chunked\r\n");
    }
    head.push_str("\r\n");
    head
}

/// Reads a request and its body. Returns `None` if the client has disconnected.
async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    peer: SocketAddr,
) -> io::Result<Option<Request>> {
    let end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer.split_to(end + 4)).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (method, target, version) = (word().to_owned(), word(), word());
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = if header(&headers, "transfer-encoding").is_some() {
        let whole = read_chunks(stream, buffer).await?;
        Body { length: None, ..Body::full(whole) }
    } else {
        let length = header(&headers, "content-length").and_then(|length| length.parse().ok());
        Body::full(read_exactly(stream, buffer, length.unwrap_or(0)).await?)
    };
    Ok(Some(Request {
        method,
        path: path.to_owned(),
        query,
        http11: version == "HTTP/1.1",
        headers,
        peer,
        body,
        extensions: Extensions::new(),
    }))
}

async fn read_chunks(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Bytes> {
    let mut whole = BytesMut::new();
    loop {
        let end = loop {
            if let Some(end) = find(buffer, b"\r\n") {
                break end;
            }
            read_more(stream, buffer).await?;
        };
        let size = String::from_utf8_lossy(&buffer.split_to(end)).into_owned();
        buffer.advance(2);
        let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
        whole.extend_from_slice(&read_exactly(stream, buffer, size).await?);
        read_exactly(stream, buffer, 2).await?;
        if size == 0 {
            return Ok(whole.freeze());
        }
    }
}

async fn read_exactly(stream: &mut TcpStream, buffer: &mut BytesMut, length: usize) -> io::Result<Bytes> {
    while buffer.len() < length {
        read_more(stream, buffer).await?;
    }
    Ok(buffer.split_to(length).freeze())
}

async fn read_more(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}
