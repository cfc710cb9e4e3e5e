//! gRPC over HTTP/2: what a call's headers, messages and trailers tell beside what HTTP tells.

pub(crate) mod answer;
pub(crate) mod messages;
pub(crate) mod status;

use super::grpc::status::GrpcStatus;
use std::time::Duration;

use crate::{
    base::text::percent_decoded,
    http::headers::{HeaderLookup, first_header},
};

/// How much of a `grpc-message` is read, in bytes: more than is kept.
const MAX_MESSAGE: usize = 8 * 1024;

/// What a record knows of a gRPC call.
///
/// ```
/// use obs_core::{GrpcStatus, Observer, output::{Record, RecordSink}};
///
/// struct Lost;
/// impl RecordSink for Lost {
///     fn name(&self) -> &str { "lost" }
///     fn on_finish(&self, record: &Record) {
///         let Some(request) = record.request() else { return };
///         if request.end.grpc.as_ref().is_some_and(|call| call.status == Some(GrpcStatus::DataLoss)) {
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
    /// The status that ended it: of the trailers, or of the head of an answer without a body. `None` if none was sent, because
    /// the call was cancelled or the answer was not one of gRPC.
    pub status: Option<GrpcStatus>,
    /// Messages that the service has read; `None` where nobody could count them.
    pub request_messages: Option<u64>,
    /// Messages of the answer that were handed to the transport, the last perhaps in part.
    pub response_messages: u64,
    /// How long the caller was ready to wait (`grpc-timeout`).
    pub timeout: Option<Duration>,
}

/// What the head of a gRPC request says.
#[derive(Debug)]
pub(crate) struct GrpcRequest {
    /// The content type: answers must have the same.
    pub(crate) content_type: String,
    /// gRPC itself and not gRPC-Web, whose trailers are in its body.
    pub(crate) native: bool,
    pub(crate) timeout: Option<Duration>,
}

impl GrpcRequest {
    pub(crate) fn of(headers: &(impl HeaderLookup + ?Sized)) -> Option<Self> {
        let (content_type, native) = first_header(headers, "content-type", Self::content_type)??;
        Some(Self { content_type, native, timeout: timeout(headers) })
    }

    /// A content type of gRPC's, and whether it is native.
    #[inline(never)]
    fn content_type(value: &[u8]) -> Option<(String, bool)> {
        let kind = kind(value)?;
        let text = std::str::from_utf8(value).ok()?;
        let plain = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic());
        plain.then(|| (text.to_owned(), kind == ContentKind::Native))
    }

    /// Whether the caller had given up by then.
    ///
    /// Its clock started before ours and its cancellation takes its time, so a tenth of the time more or less is no difference.
    pub(crate) fn gave_up_by(&self, elapsed: Duration) -> bool {
        self.timeout.is_some_and(|timeout| elapsed >= timeout.saturating_sub(timeout / 10))
    }
}

#[derive(PartialEq, Eq)]
enum ContentKind {
    Native,
    Web,
}

/// Which kind of gRPC a content type is: `application/grpc`, with `+proto` or parameters behind it, or `application/grpc-web`.
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

/// `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP/2, "Requests").
fn timeout(headers: &(impl HeaderLookup + ?Sized)) -> Option<Duration> {
    first_header(headers, "grpc-timeout", |value| {
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
    })
    .flatten()
}

/// The status in trailers, or in the head of an answer that has no body, with its message.
pub(crate) fn status(headers: &dyn HeaderLookup) -> Option<(GrpcStatus, Option<String>)> {
    let status = first_header(headers, "grpc-status", GrpcStatus::parse)?;
    let message = first_header(headers, "grpc-message", |value| {
        // Secrets are looked for in it before it is cut, so that none lies across the cut.
        let text = std::str::from_utf8(value.get(..MAX_MESSAGE).unwrap_or(value)).ok()?;
        Some(percent_decoded(text).into_owned())
    });
    Some((status, message.flatten().filter(|message| !message.is_empty())))
}

/// The service and the method of a path that has the shape of gRPC's: `/package.Service/Method` without its first slash.
pub(crate) fn method(path: &str) -> Option<&str> {
    let full = path.strip_prefix('/')?;
    let (service, method) = full.split_once('/')?;
    let name = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    (name(service, b"_.-") && name(method, b"_-")).then_some(full)
}

/// Whether a template is that of a whole service, as tonic mounts one: `/package.Service/{*rest}`.
pub(crate) fn is_service(template: &str) -> bool {
    template.rsplit_once('/').is_some_and(|(_, rest)| rest.starts_with("{*"))
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use super::*;

    struct Pairs(&'static [(&'static str, &'static str)]);
    impl HeaderLookup for Pairs {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| f(value.as_bytes()));
        }
    }

    #[test]
    fn content_types() {
        for (text, native) in [
            ("application/grpc", Some(true)),
            ("Application/GRPC+proto", Some(true)),
            ("application/grpc;charset=utf-8", Some(true)),
            ("application/grpc-web+proto", Some(false)),
            ("application/grpcx", None),
            ("application/json", None),
            ("", None),
        ] {
            let headers = [("content-type", text)];
            let headers: &'static [_] = Box::leak(Box::new(headers));
            assert_eq!(GrpcRequest::of(&Pairs(headers)).map(|request| request.native), native, "{text}");
        }
    }

    #[test]
    fn timeouts() {
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
    fn a_deadline_is_told_from_a_cancel() {
        let with = |timeout| GrpcRequest { content_type: String::new(), native: true, timeout };
        let second = with(Some(Duration::from_secs(1)));
        assert!(second.gave_up_by(Duration::from_millis(950)));
        assert!(!second.gave_up_by(Duration::from_millis(800)));
        assert!(!with(None).gave_up_by(Duration::MAX));
    }

    #[test]
    fn statuses_have_decoded_messages() {
        let trailers = Pairs(&[("grpc-status", "5"), ("grpc-message", "no%20such item %E2%82%AC")]);
        assert_eq!(status(&trailers), Some((GrpcStatus::NotFound, Some("no such item €".to_owned()))));
        assert_eq!(
            status(&Pairs(&[("grpc-status", "0"), ("grpc-message", "")])),
            Some((GrpcStatus::Ok, None))
        );
        assert_eq!(status(&Pairs(&[("grpc-message", "alone")])), None);
    }

    #[test]
    fn methods() {
        assert_eq!(method("/shop.v1.Inventory/Reserve"), Some("shop.v1.Inventory/Reserve"));
        for path in ["/", "/a", "/a/", "//b", "/a/b/c", "/a b/c", "a/b", "/ä/b", "/a/b?c"] {
            assert_eq!(method(path), None, "{path}");
        }
    }

    #[test]
    fn services() {
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
