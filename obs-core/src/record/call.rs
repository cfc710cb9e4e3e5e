//! Calls as a kind of work: a request to another service, or an operation of a database.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::{
    http::{
        grpc::status::GrpcStatus,
        method::Method,
        protocol::{HttpVersion, UrlScheme},
    },
    record::dependency::Dependency,
    write::digits,
};

/// The start of a call: everything that is known before it is sent. See
/// [`Start`](crate::output::Start).
///
/// Secrets are masked in all its texts.
#[derive(Debug)]
#[non_exhaustive]
pub struct CallStart {
    /// The dependency that is called.
    pub dependency: Dependency,
    /// The operation, of which there are few: `GET /items/{id}`, or `SELECT items`.
    pub operation: Option<Box<str>>,
    /// The part that differs by protocol.
    pub target: CallTarget,
}

/// The part of a [`CallStart`] that differs by protocol.
///
/// ```
/// # fn show(call: &obs_core::output::CallStart) {
/// use obs_core::output::CallTarget;
/// match &call.target {
///     CallTarget::Http(http) => println!("{} {}", http.method.as_str(), http.url),
///     CallTarget::Grpc(grpc) => println!("{}", grpc.method),
///     CallTarget::Database(database) => println!("{}", database.system),
///     _ => println!("an unknown protocol"),
/// }
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum CallTarget {
    /// A request over HTTP.
    Http(HttpTarget),
    /// A gRPC call.
    Grpc(GrpcTarget),
    /// An operation of a database.
    Database(DatabaseTarget),
    /// A call of unknown protocol, which the application records by hand.
    Other,
}

/// The server of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerAddress {
    /// The name or the address of the host; empty if it is unknown.
    pub host: Box<str>,
    /// The port; `None` if it is unknown.
    pub port: Option<u16>,
}

/// The target of an HTTP call.
#[derive(Debug)]
#[non_exhaustive]
pub struct HttpTarget {
    /// The method, reduced to a bounded set.
    pub method: Method,
    /// The method's original text if [`method`](Self::method) is `_OTHER`, at most 32 bytes.
    pub method_original: Option<Box<str>>,
    /// The scheme of the URL.
    pub scheme: UrlScheme,
    /// The server that the URL names.
    pub server: ServerAddress,
    /// The URL without credentials, with masked secrets, at most 2 KiB.
    pub url: Box<str>,
    /// The number of earlier attempts to send the same request: retries and redirects.
    pub resend: u32,
}

/// The target of a gRPC call.
#[derive(Debug)]
#[non_exhaustive]
pub struct GrpcTarget {
    /// The server.
    pub server: ServerAddress,
    /// The full method: `package.Service/Method`.
    pub method: Box<str>,
}

/// The target of an operation of a database.
#[derive(Debug)]
#[non_exhaustive]
pub struct DatabaseTarget {
    /// The system, with OpenTelemetry's names: `postgresql`, `sqlite`, `mysql`.
    pub system: &'static str,
    /// The name of the database.
    pub namespace: Option<Box<str>>,
    /// The server; empty for an embedded database.
    pub server: ServerAddress,
    /// The text of the query without its literals, at most 2 KiB.
    pub query: Option<Box<str>>,
}

/// The reason for which a call failed without an error status.
///
/// All clients use the same names. A client that cannot distinguish two of them uses the more
/// general one.
///
/// ```
/// use obs_core::output::CallFailure;
/// assert_eq!(CallFailure::ConnectTimeout.as_str(), "connect_timeout");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallFailure {
    /// No connection was made: the server refused it, or there is no route to it.
    Connect,
    /// The name of the host has no address.
    Dns,
    /// The TLS handshake failed: for example, the certificate belongs to another host.
    Tls,
    /// The time to connect was exceeded.
    ConnectTimeout,
    /// The time of the call was exceeded.
    Timeout,
    /// The connection was reset.
    Reset,
    /// The connection ended before the response's head or body was complete.
    Incomplete,
    /// A body yielded an error: the application's request body, or the response's body.
    Body,
    /// The response cannot be decoded.
    Decode,
    /// There were too many redirects, or a redirect is invalid.
    Redirect,
    /// The call was dropped before its end.
    Cancelled,
    /// Another reason. The text is static because it becomes the label of a metric.
    Other(&'static str),
}

impl CallFailure {
    /// The name in events, in spans and in the label `error_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::ConnectTimeout => "connect_timeout",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Incomplete => "incomplete",
            Self::Body => "body",
            Self::Decode => "decode",
            Self::Redirect => "redirect",
            Self::Cancelled => "cancelled",
            Self::Other(name) => name,
        }
    }
}

/// The end of a call: everything that is known of its response. See
/// [`Record`](crate::output::Record).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CallEnd {
    /// The HTTP status of the response; `None` if there was none.
    pub status: Option<u16>,
    /// The status of a gRPC call. If the server sent none, it follows from the failure
    /// or from the HTTP status.
    pub grpc_status: Option<GrpcStatus>,
    /// The code that a database returned, such as an SQLSTATE.
    pub code: Option<Box<str>>,
    /// The reason for which the call failed, if it is not its status.
    pub failure: Option<CallFailure>,
    /// True if the application marked the call as failed.
    pub marked_failed: bool,
    /// The time from the start to the response's head.
    pub time_to_head: Option<Duration>,
    /// The bytes of the response's body that the application read.
    pub response_bytes: u64,
    /// The rows that a database returned or changed.
    pub rows: Option<u64>,
    /// The protocol's version.
    pub version: Option<HttpVersion>,
    /// The address of the server.
    pub peer: Option<SocketAddr>,
    /// True if its duration is unknown, because only its headers were recorded.
    pub unmeasured: bool,
}

impl CallEnd {
    /// The low-cardinality kind of the call's failure; `None` if it succeeded.
    ///
    /// It is the [reason](CallFailure), the name of a gRPC status that is not OK, or an HTTP status
    /// of 400 or above.
    #[must_use]
    pub fn error_type(&self) -> Option<&'static str> {
        if let Some(failure) = self.failure {
            return Some(failure.as_str());
        }
        if let Some(status) = self.grpc_status {
            return (status != GrpcStatus::Ok).then(|| status.as_str());
        }
        let failed = self.status.filter(|status| *status >= 400).map(digits::status);
        failed.or(self.marked_failed.then_some("failed"))
    }
}

impl CallEnd {
    /// Completes the status of a gRPC call, which the client generates if the server sent none.
    ///
    /// Some clients and servers, such as those of tonic, report an exceeded deadline as a cancelled
    /// call.
    pub(crate) fn complete_grpc(&mut self, has_expired: bool) {
        use CallFailure::{
            Body, Cancelled, Connect, ConnectTimeout, Decode, Dns, Incomplete, Reset, Timeout, Tls,
        };
        let may_be_late = match self.failure {
            None => matches!(self.grpc_status, Some(GrpcStatus::Cancelled | GrpcStatus::DeadlineExceeded)),
            Some(failure) => failure == Cancelled,
        };
        if has_expired && may_be_late {
            self.failure = Some(Timeout);
            self.grpc_status = Some(GrpcStatus::DeadlineExceeded);
        }
        let generated = match self.failure {
            None => self.status.and_then(GrpcStatus::of_http),
            Some(Timeout) => Some(GrpcStatus::DeadlineExceeded),
            Some(Cancelled) => Some(GrpcStatus::Cancelled),
            Some(Connect | Dns | Tls | ConnectTimeout | Reset | Incomplete) => Some(GrpcStatus::Unavailable),
            Some(Body | Decode) => Some(GrpcStatus::Internal),
            Some(CallFailure::Redirect | CallFailure::Other(_)) => Some(GrpcStatus::Unknown),
        };
        self.grpc_status = self.grpc_status.or(generated);
    }
}

/// The start and the end of a finished call: see [`Record::call`](crate::output::Record::call).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FinishedCall<'a> {
    /// Everything that was known before it was sent.
    pub start: &'a CallStart,
    /// Everything that is known of its response.
    pub end: &'a CallEnd,
}

impl CallStart {
    /// The server, if the protocol has one.
    #[must_use]
    pub fn server(&self) -> Option<&ServerAddress> {
        let server = match &self.target {
            CallTarget::Http(http) => &http.server,
            CallTarget::Grpc(grpc) => &grpc.server,
            CallTarget::Database(database) => &database.server,
            CallTarget::Other => return None,
        };
        (!server.host.is_empty()).then_some(server)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}
