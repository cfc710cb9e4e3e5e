//! gRPC over HTTP/2: the headers, messages and trailers of a call.
//!
//! A POST over HTTP/2 or HTTP/3 with the content type `application/grpc` is a call (gRPC over
//! HTTP/2, "Requests"). An unknown version of HTTP counts as one of these. Every other request is
//! recorded as HTTP, whatever its content type is. That includes gRPC-Web. If a handler of gRPC-Web
//! panics, the client still gets an answer with a gRPC status.
//!
//! The method of a call becomes its route if a gRPC response shows that the service has this
//! method. Two responses do not show this, because a layer before the service may have sent them:
//! UNIMPLEMENTED, and a failure without a body.
//!
//! UNIMPLEMENTED never makes the method the route. If the response is another failure without a
//! body, or if there is no response, the method becomes the route in only two cases: the router has
//! no route, or its route is that of the whole service. At most 64 routes are created in this way,
//! because the method may be any text.
//!
//! Messages are counted by their length prefixes while the body passes. tonic's server enforces
//! `grpc-timeout` outside of our layer, by dropping our future. So the time of the drop shows the
//! reason. If the timeout has passed, or almost passed, the call has exceeded its deadline.
//! Otherwise, the client has disconnected.

pub(crate) mod answer;
pub(crate) mod messages;
pub(crate) mod status;

use super::grpc::status::GrpcStatus;
use std::time::Duration;

use crate::{
    base::text::percent_decoded,
    http::{
        head::RequestHead,
        headers::{HeaderLookup, first_header},
        protocol::HttpVersion,
    },
};

/// The maximum number of bytes read of a `grpc-message`. It is more than is stored.
const MAX_MESSAGE: usize = 8 * 1024;

/// The part of a record that only gRPC calls have.
///
/// ```
/// use obs_core::{GrpcStatus, Observer, output::{Record, RecordSink}};
///
/// struct Lost;
/// impl RecordSink for Lost {
///     fn name(&self) -> &str { "lost" }
///     fn on_finish(&self, record: &Record) {
///         let Some(request) = record.request() else { return };
///         let status = request.end.grpc.as_ref().and_then(|call| call.status);
///         if status == Some(GrpcStatus::DataLoss) {
///             println!("{} lost data", request.route_label());
///         }
///     }
/// }
/// let observer = Observer::builder("inventory").no_environment().sink(Lost).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrpcCall {
    /// The final status, from the trailers or from the head of an answer without a body. `None` if
    /// no status was sent, because the call was cancelled or the answer was not gRPC.
    pub status: Option<GrpcStatus>,
    /// The number of messages that the service has read; `None` if they could not be counted.
    pub request_messages: Option<u64>,
    /// The number of messages of the answer that were passed to the transport. The last one may be
    /// incomplete.
    pub response_messages: u64,
    /// The time that the caller is ready to wait (`grpc-timeout`).
    pub timeout: Option<Duration>,
}

/// The data of a gRPC request's head.
#[derive(Debug)]
pub(crate) struct GrpcRequest {
    /// The content type. The answer must have the same one.
    pub(crate) content_type: String,
    /// `true` for gRPC itself, `false` for gRPC-Web, which has its trailers in the body.
    pub(crate) native: bool,
    pub(crate) timeout: Option<Duration>,
}

/// The time that a head usually needs at most from its caller to the service.
const DELAY: Duration = Duration::from_millis(50);

impl GrpcRequest {
    /// Returns the call of a request, if it is one by its method, its protocol and its content
    /// type. `headers` are those of the head.
    #[inline]
    pub(crate) fn of(head: &RequestHead<'_>, headers: &(impl HeaderLookup + ?Sized)) -> Option<Self> {
        if head.method != "POST" {
            return None;
        }
        let (content_type, native) = first_header(headers, "content-type", Self::content_type)??;
        let is_call = !native || may_carry_grpc(head.version);
        is_call.then(|| Self { content_type, native, timeout: timeout(headers) })
    }

    /// Returns a content type of gRPC, and `true` if it is not gRPC-Web.
    #[inline(never)]
    fn content_type(value: &[u8]) -> Option<(String, bool)> {
        let kind = kind(value)?;
        let text = std::str::from_utf8(value).ok()?;
        let is_valid = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic());
        is_valid.then(|| (text.to_owned(), kind == ContentKind::Native))
    }

    /// Returns `true` if the caller's timeout had passed after `elapsed`.
    ///
    /// The caller's clock started before ours: the request had to be sent and read first. So nine
    /// tenths of the timeout are enough. A short timeout has more tolerance, because sending does
    /// not become faster with it: up to [`DELAY`], but at most half of the timeout.
    pub(crate) fn has_expired_after(&self, elapsed: Duration) -> bool {
        self.timeout.is_some_and(|timeout| {
            let tolerance = (timeout / 10).max(DELAY.min(timeout / 2));
            elapsed >= timeout.saturating_sub(tolerance)
        })
    }
}

/// Returns `false` for the versions that have no trailers as gRPC needs them. An adapter that does
/// not know the version has to trust the content type.
const fn may_carry_grpc(version: Option<HttpVersion>) -> bool {
    matches!(version, None | Some(HttpVersion::Http2 | HttpVersion::Http3))
}

#[derive(PartialEq, Eq)]
enum ContentKind {
    Native,
    Web,
}

/// Returns the kind of gRPC of a content type: `application/grpc`, also with `+proto` or parameters
/// after it, or `application/grpc-web`.
fn kind(content_type: &[u8]) -> Option<ContentKind> {
    const GRPC: &[u8] = b"application/grpc";
    let (start, rest) = content_type.split_at_checked(GRPC.len())?;
    if !start.eq_ignore_ascii_case(GRPC) {
        return None;
    }
    match rest.first() {
        None | Some(b'+' | b';' | b' ') => Some(ContentKind::Native),
        Some(b'-') => Some(ContentKind::Web),
        Some(_) => None,
    }
}

fn timeout(headers: &(impl HeaderLookup + ?Sized)) -> Option<Duration> {
    first_header(headers, "grpc-timeout", parse_timeout).flatten()
}

/// Parses `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP/2, "Requests").
pub(crate) fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    let decimal = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let number: u64 = std::str::from_utf8(digits).ok().filter(|_| decimal)?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number.saturating_mul(3600)),
        b'M' => Duration::from_secs(number.saturating_mul(60)),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Returns the status and its message, from trailers or from the head of an answer without a body.
pub(crate) fn status(headers: &dyn HeaderLookup) -> Option<(GrpcStatus, Option<String>)> {
    let status = first_header(headers, "grpc-status", GrpcStatus::parse)?;
    let message = first_header(headers, "grpc-message", |value| {
        // The message is searched for secrets before it is cut, so that no secret lies across the
        // cut.
        let text = std::str::from_utf8(value.get(..MAX_MESSAGE).unwrap_or(value)).ok()?;
        Some(percent_decoded(text).into_owned())
    });
    Some((status, message.flatten().filter(|message| !message.is_empty())))
}

/// Returns the service and the method of a path of the form `/package.Service/Method`, without the
/// first slash.
pub(crate) fn method(path: &str) -> Option<&str> {
    let full = path.strip_prefix('/')?;
    let (service, method) = full.split_once('/')?;
    let name = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    (name(service, b"_.-") && name(method, b"_-")).then_some(full)
}

/// Returns `true` if the route is that of a whole service, as tonic mounts it:
/// `/package.Service/{*rest}`.
pub(crate) fn is_service(template: &str) -> bool {
    template.rsplit_once('/').is_some_and(|(_, rest)| rest.starts_with("{*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs(&'static [(&'static str, &'static str)]);
    impl HeaderLookup for Pairs {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| f(value.as_bytes()));
        }
    }

    #[test]
    fn content_types_are_recognised() {
        for (text, native) in [
            ("application/grpc", Some(true)),
            ("Application/GRPC+proto", Some(true)),
            ("application/grpc;charset=utf-8", Some(true)),
            ("application/grpc-web+proto", Some(false)),
            ("application/grpcx", None),
            ("application/json", None),
            ("", None),
        ] {
            let headers = pairs(text);
            let head = RequestHead::new("POST", "/test.Shop/Get", &headers);
            assert_eq!(GrpcRequest::of(&head, &headers).map(|request| request.native), native, "{text}");
        }
    }

    fn pairs(content_type: &'static str) -> Pairs {
        Pairs(Box::leak(Box::new([("content-type", content_type)])))
    }

    #[test]
    fn a_content_type_alone_does_not_make_a_call() {
        let (grpc, web) = (pairs("application/grpc"), pairs("application/grpc-web"));
        for (headers, method, version, is_call) in [
            (&grpc, "POST", HttpVersion::Http2, true),
            (&grpc, "POST", HttpVersion::Http3, true),
            (&grpc, "GET", HttpVersion::Http2, false),
            (&grpc, "POST", HttpVersion::Http11, false),
            (&grpc, "POST", HttpVersion::Http10, false),
            (&web, "POST", HttpVersion::Http11, true),
            (&web, "POST", HttpVersion::Http2, true),
            (&web, "OPTIONS", HttpVersion::Http11, false),
        ] {
            let head = RequestHead::new(method, "/test.Shop/Get", headers).version(version);
            assert_eq!(GrpcRequest::of(&head, headers).is_some(), is_call, "{method} {version:?}");
        }
    }

    #[test]
    fn timeouts_are_parsed() {
        for (text, expected) in [
            ("2H", Some(Duration::from_secs(7200))),
            ("3M", Some(Duration::from_secs(180))),
            ("4S", Some(Duration::from_secs(4))),
            ("50m", Some(Duration::from_millis(50))),
            ("60u", Some(Duration::from_micros(60))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("123456789n", None),
            ("S", None),
            ("+1S", None),
            ("1s", None),
            ("", None),
        ] {
            let headers: &'static [_] = Box::leak(Box::new([("grpc-timeout", text)]));
            assert_eq!(timeout(&Pairs(headers)), expected, "{text}");
        }
    }

    #[test]
    fn a_cancellation_near_the_timeout_is_a_passed_deadline() {
        let with = |timeout| GrpcRequest { content_type: String::new(), native: true, timeout };
        let second = with(Some(Duration::from_secs(1)));
        assert!(second.has_expired_after(Duration::from_millis(950)));
        assert!(!second.has_expired_after(Duration::from_millis(800)));
        for (timeout, first, before) in [(100, 50, 49), (200, 150, 149), (10, 5, 4), (5_000, 4_500, 4_499)] {
            let call = with(Some(Duration::from_millis(timeout)));
            assert!(call.has_expired_after(Duration::from_millis(first)), "{timeout}");
            assert!(!call.has_expired_after(Duration::from_millis(before)), "{timeout}");
        }
        assert!(!with(None).has_expired_after(Duration::MAX));
    }

    #[test]
    fn status_messages_are_decoded() {
        let trailers = Pairs(&[("grpc-status", "5"), ("grpc-message", "no%20such item %E2%82%AC")]);
        assert_eq!(status(&trailers), Some((GrpcStatus::NotFound, Some("no such item €".to_owned()))));
        assert_eq!(
            status(&Pairs(&[("grpc-status", "0"), ("grpc-message", "")])),
            Some((GrpcStatus::Ok, None))
        );
        assert_eq!(status(&Pairs(&[("grpc-message", "alone")])), None);
    }

    #[test]
    fn methods_are_recognised() {
        assert_eq!(method("/shop.v1.Inventory/Reserve"), Some("shop.v1.Inventory/Reserve"));
        for path in ["/", "/a", "/a/", "//b", "/a/b/c", "/a b/c", "a/b", "/ä/b", "/a/b?c"] {
            assert_eq!(method(path), None, "{path}");
        }
    }

    #[test]
    fn services_are_recognised() {
        for (template, whole) in [
            ("/shop.v1.Inventory/{*rest}", true),
            ("/{*path}", true),
            ("/items/{id}", false),
            ("/shop.v1.Inventory/Reserve", false),
        ] {
            assert_eq!(is_service(template), whole, "{template}");
        }
    }
}
