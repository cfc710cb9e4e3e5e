//! The answer of a gRPC call, and its kind: unary, stream, or rejection by another layer.

use super::{ContentKind, kind, messages::Messages, status::GrpcStatus};
use crate::http::headers::{HeaderLookup, first_header};

/// The part of a gRPC answer that was sent so far.
#[derive(Default)]
pub(crate) struct GrpcAnswer {
    pub(crate) status: Option<(GrpcStatus, Option<String>)>,
    /// `true` if the head has the status and is the whole answer (gRPC over HTTP/2,
    /// "Trailers-Only").
    pub(crate) head_only: bool,
    pub(crate) messages: Messages,
}

impl GrpcAnswer {
    #[inline(never)]
    pub(crate) fn of(headers: &dyn HeaderLookup) -> Option<Self> {
        let native = first_header(headers, "content-type", |value| kind(value) == Some(ContentKind::Native));
        native.filter(|native| *native)?;
        let status = super::status(headers);
        Some(Self { head_only: status.is_some(), status, messages: Messages::default() })
    }

    fn code(&self) -> Option<GrpcStatus> {
        self.status.as_ref().map(|(status, _)| *status)
    }

    pub(crate) fn is_unimplemented(&self) -> bool {
        self.code() == Some(GrpcStatus::Unimplemented)
    }

    /// Returns `true` if the answer may come from code that does not know the method, such as a
    /// layer before the service that rejects all calls.
    pub(crate) fn is_refusal(&self) -> bool {
        self.head_only && self.code() != Some(GrpcStatus::Ok)
    }

    /// Returns `true` if the number of messages is not one.
    ///
    /// The single message of a unary call is sent together with its OK. If the call fails, the head
    /// has the error and there is no message. So a call that fails after the head is a stream. A
    /// call is also a stream if the client could disconnect between a message and the status.
    pub(crate) fn is_stream(&self) -> bool {
        let ok = self.code() == Some(GrpcStatus::Ok);
        match self.messages.count() {
            0 => ok || !self.head_only,
            1 => !ok && !self.messages.is_inside_message(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::{
        http::head::RequestHead,
        observer::Observer,
        outputs::{
            events::settings::Events,
            records::{OfRequest as _, Records},
        },
        record::{finished::Record, outcome::Outcome},
    };

    #[test]
    fn a_call_is_a_stream_unless_it_has_one_message() {
        const ONE: &[u8] = &[0, 0, 0, 0, 1, 7];
        let is_stream = |status: Option<GrpcStatus>, head_only, body: &[u8]| {
            let status = status.map(|status| (status, None));
            let mut answer = GrpcAnswer { status, head_only, ..GrpcAnswer::default() };
            answer.messages.read(body);
            answer.is_stream()
        };
        let (ok, failed) = (Some(GrpcStatus::Ok), Some(GrpcStatus::Unavailable));
        assert!(!is_stream(ok, false, ONE), "unary");
        assert!(!is_stream(failed, true, &[]), "an error instead of an answer");
        assert!(is_stream(ok, false, &[]), "an empty stream");
        assert!(is_stream(ok, true, &[]), "an empty stream that says so in its head");
        assert!(is_stream(ok, false, &ONE.repeat(2)), "two messages");
        assert!(is_stream(failed, false, &[]), "failed before the first message");
        assert!(is_stream(failed, false, ONE), "failed after the first message");
        assert!(is_stream(None, false, &[]), "disconnected before the first message");
        assert!(is_stream(None, false, ONE), "disconnected after the first message");
        assert!(!is_stream(None, false, &ONE[..4]), "disconnected within the message");
    }

    type Pairs = &'static [(&'static str, &'static str)];
    struct Headers(Pairs);
    impl HeaderLookup for Headers {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| f(value.as_bytes()));
        }
    }

    const CALL: Pairs = &[("content-type", "application/grpc")];
    const TEXT: Pairs = &[("content-type", "text/plain")];
    const NOT_FOUND: Pairs = &[("content-type", "application/grpc"), ("grpc-status", "5")];
    const UNIMPLEMENTED: Pairs = &[("content-type", "application/grpc"), ("grpc-status", "12")];

    /// Returns the routes of calls of `/a.B/C1`, `/a.B/C2`, … if the router has this route for
    /// them.
    fn routes(calls: usize, template: Option<&str>, head: Option<Pairs>) -> Vec<Option<String>> {
        let (send, records) = channel();
        let builder = Observer::builder("test").no_environment().events(Events::off());
        let observer = builder.sink(Records(send)).build().expect("valid");
        for n in 1..=calls {
            let mut observation =
                observer.start(&RequestHead::new("POST", &format!("/a.B/C{n}"), &Headers(CALL)));
            if let Some(template) = template {
                observation.set_route(template);
            }
            if let Some(head) = head {
                observation.responded(200, &Headers(head));
            }
        }
        let route = |record: Record| record.end().route.as_ref().map(|route| route.as_str().to_owned());
        records.try_iter().map(route).collect()
    }

    #[test]
    fn the_method_becomes_the_route_if_the_response_shows_that_it_exists() {
        const SERVICE: Option<&str> = Some("/a.B/{*rest}");
        const OTHER: Option<&str> = Some("/{x}/{y}");
        type Case = (Option<&'static str>, Option<Pairs>, Option<&'static str>);
        let cases: &[Case] = &[
            (None, Some(CALL), Some("/a.B/C1")),
            (SERVICE, Some(CALL), Some("/a.B/C1")),
            (OTHER, Some(CALL), Some("/a.B/C1")),
            (None, Some(UNIMPLEMENTED), None),
            (SERVICE, Some(UNIMPLEMENTED), None),
            (OTHER, Some(UNIMPLEMENTED), OTHER),
            // An answer that is not gRPC, an error instead of an answer, and no answer.
            (None, Some(TEXT), None),
            (SERVICE, Some(TEXT), SERVICE),
            (None, Some(NOT_FOUND), Some("/a.B/C1")),
            (SERVICE, Some(NOT_FOUND), Some("/a.B/C1")),
            (OTHER, Some(NOT_FOUND), OTHER),
            (None, None, Some("/a.B/C1")),
            (SERVICE, None, Some("/a.B/C1")),
            (OTHER, None, OTHER),
        ];
        for (template, head, expected) in cases {
            let found = routes(1, *template, *head);
            assert_eq!(found, [expected.map(str::to_owned)], "{template:?} {head:?}");
        }
    }

    /// A layer before the service rejects all calls, or the clients disconnect from all calls.
    #[test]
    fn at_most_64_unverified_methods_become_routes() {
        for head in [Some(NOT_FOUND), None] {
            let found = routes(1000, None, head);
            assert_eq!(found.len(), 1000);
            assert_eq!(found.iter().flatten().count(), 64);
        }
        assert_eq!(routes(1000, None, Some(CALL)).iter().flatten().count(), 1000, "they exist");
    }

    /// A call whose deadline passes before the head is sent is measured like other calls.
    #[test]
    fn a_call_whose_deadline_passes_before_the_head_is_not_a_stream() {
        const NO_TIME: Pairs = &[("content-type", "application/grpc"), ("grpc-timeout", "0S")];
        let (send, records) = channel();
        let builder = Observer::builder("test").no_environment().events(Events::off());
        let observer = builder.sink(Records(send)).build().expect("valid");
        for answered in [false, true] {
            let mut observation = observer.start(&RequestHead::new("POST", "/a.B/C", &Headers(NO_TIME)));
            if answered {
                observation.responded(200, &Headers(CALL));
            }
            drop(observation);
            let record = records.try_recv().expect("a record");
            assert_eq!((record.outcome, record.end().stream), (Outcome::DeadlineExceeded, answered));
        }
    }

    #[test]
    fn responses_that_are_not_grpc_are_ignored() {
        assert!(GrpcAnswer::of(&Headers(TEXT)).is_none());
        assert!(GrpcAnswer::of(&Headers(&[("grpc-status", "0")])).is_none());
        assert!(GrpcAnswer::of(&Headers(&[("content-type", "application/grpc-web")])).is_none());
    }
}
