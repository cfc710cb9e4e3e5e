//! A complete adapter: it observes the requests of the small framework in `framework.rs`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use obs_core::{
    Observer, Work,
    adapter::{
        Answer, BodyObservation, BodyRule, HeaderLookup, HttpVersion, Method, Observation, Observed, Panic,
        RequestHead, UrlScheme,
    },
    output::ErrorReport,
};

use super::framework::{Body, Handler, Request, Response};

/// The middleware, which observes every request of the inner handler.
pub struct Observe<H> {
    observer: Observer,
    within: H,
}

impl<H> Observe<H> {
    pub fn new(observer: &Observer, within: H) -> Self {
        Self { observer: observer.clone(), within }
    }
}

impl<H: Handler> Handler for Observe<H> {
    fn route(&self, path: &str) -> Option<&'static str> {
        self.within.route(path)
    }

    fn call(&self, mut request: Request) -> BoxFuture<'_, Response> {
        // An outer middleware of the same observer already observes this request.
        let outer = request.extensions.get::<Work>().cloned();
        if outer.as_ref().is_some_and(|work| work.of(&self.observer).is_some()) {
            return self.within.call(request);
        }

        let route = self.within.route(&request.path);
        let headers = Headers(&request.headers);
        let head = RequestHead::new(&request.method, &request.path, &headers)
            .query(request.query.as_deref())
            .version(if request.http11 { HttpVersion::Http11 } else { HttpVersion::Http10 })
            .scheme(UrlScheme::Http)
            .peer(Some(request.peer))
            .body_bytes(request.body.length)
            .route(route);
        let observation = self.observer.start_within(&head, outer.as_ref());

        // The middleware responds at the paths of endpoints, unless the application has a route
        // there.
        if let Some(endpoint) = observation.endpoint() {
            let answer = observation.answer(endpoint, &head);
            return Box::pin(async move {
                match answer.await {
                    (observation, Ok(answer)) => self.answered(observation, answer),
                    (observation, Err(panic)) => self.panicked(observation, panic),
                }
            });
        }

        // The id, for inner layers that read it from the request's headers.
        for name in self.observer.id_headers_of_requests() {
            request.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            request.headers.push((name.clone(), observation.start().id.to_string()));
        }
        request.extensions.insert(observation.work());
        if let Some(mut counter) = observation.request_body() {
            let count = move |piece: &io::Result<Bytes>| {
                if let Ok(bytes) = piece {
                    counter.received(bytes);
                }
            };
            request.body.pieces = request.body.pieces.inspect(count).boxed();
        }

        // The call, each poll and the drop run in the scope of the request.
        let mut response = Observed::empty(observation);
        response.make(|| self.within.call(request));
        Box::pin(async move {
            match response.await {
                (observation, Ok(response)) => self.responded(observation, response),
                (observation, Err(panic)) => self.panicked(observation, panic),
            }
        })
    }
}

impl<H> Observe<H> {
    /// Moves the observation into the body of the response.
    fn responded(&self, mut observation: Observation, mut response: Response) -> Response {
        observation.responded(response.status, &Headers(&response.headers));
        if !observation.keeps_id(&Headers(&response.headers)) {
            let id_header = self.observer.request_id_header();
            response.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(id_header));
            response.headers.push((id_header.to_owned(), observation.start().id.to_string()));
        }
        if let Some((name, value)) = observation.trace_header() {
            response.headers.push((name.to_owned(), value));
        }
        if observation.closes_connection() {
            response.headers.push(("connection".to_owned(), "close".to_owned()));
        }
        let rule = rule(&observation, response.body.length);
        let observed = ObservedPieces {
            pieces: Some(response.body.pieces),
            rest: Bytes::new(),
            observation: BodyObservation::new(observation, rule),
        };
        response.body.pieces = observed.boxed();
        response
    }

    /// Returns a response that the middleware itself creates.
    fn answered(&self, observation: Observation, answer: Answer) -> Response {
        let mut response = Response::new(answer.status(), "");
        for (name, value) in answer.headers() {
            response.headers.push((name.to_owned(), value.to_owned()));
        }
        let mut body = answer.into_body();
        // To HEAD, the server sends this length and no body.
        let length = body.size();
        let pieces = stream::poll_fn(move |cx| match body.poll_piece(cx) {
            // The framework disconnects, so the client notices that the body is not complete.
            Poll::Ready(None) => match body.failure() {
                Some(reason) => Poll::Ready(Some(Err(io::Error::other(reason)))),
                None => Poll::Ready(None),
            },
            piece => piece.map(|piece| piece.map(Ok)),
        });
        response.body = Body { length, pieces: pieces.boxed() };
        self.responded(observation, response)
    }

    fn panicked(&self, observation: Observation, panic: Panic) -> Response {
        let (observation, answer) = observation.panicked(panic);
        self.answered(observation, answer)
    }
}

/// The rule for the bodies of this framework. The server polls each body to its end, unless the
/// body must not be sent.
fn rule(observation: &Observation, length: Option<u64>) -> BodyRule {
    let method = observation.request().method;
    match observation.status() {
        Some(101) => BodyRule::upgraded(),
        Some(204 | 304) => BodyRule::complete(),
        _ if method == Method::Head => BodyRule::complete(),
        _ => BodyRule::polled().promised(length),
    }
}

/// The largest chunk that the server gets at once. A chunk that the server has not taken is not
/// sent.
const MAX_CHUNK: usize = 64 * 1024;

/// The observed pieces of a response body.
struct ObservedPieces {
    pieces: Option<BoxStream<'static, io::Result<Bytes>>>,
    rest: Bytes,
    observation: BodyObservation,
}

impl Stream for ObservedPieces {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { pieces, rest, observation } = self.get_mut();
        let Some(pieces) = pieces else { return Poll::Ready(None) };
        let polled = observation.poll(|| {
            if rest.is_empty() {
                match pieces.as_mut().poll_next(cx) {
                    Poll::Ready(Some(Ok(piece))) => *rest = piece,
                    other => return Err(other),
                }
            }
            Ok(rest.split_to(rest.len().min(MAX_CHUNK)))
        });
        match polled {
            Ok(bytes) => return Poll::Ready(Some(Ok(bytes))),
            Err(Poll::Pending) => return Poll::Pending,
            Err(Poll::Ready(None)) => observation.ended(),
            Err(Poll::Ready(Some(Ok(_)))) => {}
            Err(Poll::Ready(Some(Err(error)))) => {
                observation.failed(ErrorReport::of(&error));
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for ObservedPieces {
    fn drop(&mut self) {
        let pieces = &mut self.pieces;
        self.observation.drop_in(|| *pieces = None);
    }
}

/// The headers, in the form that the core reads.
struct Headers<'a>(&'a [(String, String)]);

impl HeaderLookup for Headers<'_> {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        let named = self.0.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.for_each(|(_, value)| f(value.as_bytes()));
    }

    fn all<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a [u8])) -> bool {
        self.0.iter().for_each(|(name, value)| f(name, value.as_bytes()));
        true
    }
}
