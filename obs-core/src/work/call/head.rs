//! All that a client knows of a call before it sends it.

use std::{borrow::Cow, time::Duration};

use crate::{
    base::text::bounded,
    http::{grpc::parse_timeout, method::Method, protocol::UrlScheme},
    record::{
        call::{CallStart, CallTarget, DatabaseTarget, GrpcTarget, HttpTarget, ServerAddress},
        dependency::{Dependency, MAX_NAME},
        known_database::{self, KnownDatabase, UNKNOWN_SYSTEM},
        policy::Policy,
        start::MAX_METHOD,
    },
    sql::{dialect::Dialect, kept::statement},
    work::call::nesting::host_number,
};

/// The longest URL, in bytes.
const MAX_TEXT: usize = 2 * 1024;

/// The head of a call: all that a client knows before it sends it.
///
/// It borrows its texts, so it costs nothing to create.
///
/// ```
/// use obs_core::{Observer, adapter::CallHead};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let head = CallHead::http("GET", "https", "api.example.com").path("/items/7");
/// let mut call = observer.start_call(&head);
/// call.inject(&mut |name, value| println!("{name}: {value}")); // the headers to send
/// call.responded(200, &());
/// call.finish();
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CallHead<'a> {
    kind: HeadKind<'a>,
    host: &'a str,
    port: Option<u16>,
    path: &'a str,
    query: Option<&'a str>,
    dependency: Option<&'a str>,
    operation: Option<&'a str>,
    resend: u32,
    namespace: Option<&'a str>,
    query_text: Option<&'a str>,
    grpc_timeout: Option<&'a [u8]>,
    ago: Duration,
}

#[derive(Clone, Copy, Debug)]
enum HeadKind<'a> {
    Http { method: &'a str, scheme: &'a str },
    Grpc { scheme: &'a str },
    Database { system: &'static str },
}

impl<'a> CallHead<'a> {
    const fn new(kind: HeadKind<'a>, host: &'a str) -> Self {
        Self {
            kind,
            host,
            port: None,
            path: "",
            query: None,
            dependency: None,
            operation: None,
            resend: 0,
            namespace: None,
            query_text: None,
            grpc_timeout: None,
            ago: Duration::ZERO,
        }
    }

    /// The head of a request over HTTP. The host has no port.
    #[must_use]
    pub const fn http(method: &'a str, scheme: &'a str, host: &'a str) -> Self {
        Self::new(HeadKind::Http { method, scheme }, host)
    }

    /// The head of a gRPC call. The path is `/package.Service/Method`.
    #[must_use]
    pub const fn grpc(path: &'a str, scheme: &'a str, host: &'a str) -> Self {
        Self::new(HeadKind::Grpc { scheme }, host).path(path)
    }

    /// The head of an operation of a database. The system has OpenTelemetry's name: `postgresql`,
    /// `sqlite`, `mysql`.
    ///
    /// A client that does not know the system uses `other_sql`. Then the call has the database of
    /// the [settings](crate::ObserverBuilder::database), if there is one.
    #[must_use]
    pub const fn database(system: &'static str) -> Self {
        Self::new(HeadKind::Database { system }, "")
    }

    /// The head of an operation of a known database.
    #[must_use]
    pub fn of_database(database: &'a KnownDatabase) -> Self {
        Self::database(database.system)
            .host(&database.host)
            .port(database.port)
            .namespace(database.name.as_deref())
    }

    /// Sets the host of a database.
    #[must_use]
    pub const fn host(mut self, host: &'a str) -> Self {
        self.host = host;
        self
    }

    /// Sets the port. Without it, the default port of the scheme is used.
    #[must_use]
    pub const fn port(mut self, port: Option<u16>) -> Self {
        self.port = port;
        self
    }

    /// Sets the path of the URL.
    #[must_use]
    pub const fn path(mut self, path: &'a str) -> Self {
        self.path = path;
        self
    }

    /// Sets the query of the URL, without the `?`.
    #[must_use]
    pub const fn query(mut self, query: Option<&'a str>) -> Self {
        self.query = query;
        self
    }

    /// Sets the name of the dependency. Without it, the host is the name, with the port if it is
    /// not the default of the scheme. A database without a host has the name of its system.
    #[must_use]
    pub const fn dependency(mut self, name: Option<&'a str>) -> Self {
        self.dependency = name;
        self
    }

    /// Sets the operation, of which there must be few: `GET /items/{id}`, or `SELECT items`.
    #[must_use]
    pub const fn operation(mut self, operation: Option<&'a str>) -> Self {
        self.operation = operation;
        self
    }

    /// Sets the number of earlier attempts to send the same request: retries and redirects.
    #[must_use]
    pub const fn resend(mut self, attempts: u32) -> Self {
        self.resend = attempts;
        self
    }

    /// Sets the name of the database.
    #[must_use]
    pub const fn namespace(mut self, name: Option<&'a str>) -> Self {
        self.namespace = name;
        self
    }

    /// Sets the text of a query. Its summary becomes the operation, unless there is one already.
    ///
    /// The record contains the text with a `?` for each literal, without comments.
    #[must_use]
    pub const fn query_text(mut self, text: Option<&'a str>) -> Self {
        self.query_text = text;
        self
    }

    /// Sets the deadline of a gRPC call: the value of the header `grpc-timeout`. A call that is
    /// cancelled after it has exceeded its deadline.
    #[must_use]
    pub const fn grpc_timeout(mut self, value: Option<&'a [u8]>) -> Self {
        self.grpc_timeout = value;
        self
    }

    /// The time after which a gRPC call exceeds its deadline.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.grpc_timeout.and_then(parse_timeout)
    }

    /// Sets the time for which the call has run already. A client that learns of a call at its end
    /// uses its duration.
    #[must_use]
    pub const fn started_ago(mut self, ago: Duration) -> Self {
        self.ago = ago;
        self
    }

    /// The time for which the call has run already.
    pub(super) const fn ago(&self) -> Duration {
        self.ago
    }

    /// Returns the head with the database of the settings, if the client does not know it.
    pub(super) fn resolved<'b>(self, policy: &'b Policy) -> CallHead<'b>
    where
        'a: 'b,
    {
        let HeadKind::Database { system: UNKNOWN_SYSTEM } = self.kind else { return self };
        let Some(known) = &policy.database else { return self };
        CallHead {
            kind: HeadKind::Database { system: known.system },
            host: &known.host,
            port: known.port,
            namespace: self.namespace.or(known.name.as_deref()),
            ..self
        }
    }

    /// A number for the server. Two calls to one server, one inside of the other, are one call. So
    /// are two operations of databases.
    pub(super) fn server_number(&self) -> u64 {
        match self.kind {
            HeadKind::Database { .. } => host_number("", None),
            _ => host_number(self.host, self.port),
        }
    }

    /// The host of the connection.
    pub(super) const fn server_host(&self) -> &'a str {
        self.host
    }

    /// The default port of the scheme.
    fn default_port(&self) -> Option<u16> {
        match self.kind {
            HeadKind::Http { scheme, .. } | HeadKind::Grpc { scheme } => match UrlScheme::parse(scheme) {
                UrlScheme::Http => Some(80),
                UrlScheme::Https => Some(443),
                UrlScheme::Other => None,
            },
            HeadKind::Database { system } => known_database::default_port(system),
        }
    }

    /// The name of the dependency.
    pub(super) fn named(&self, policy: &Policy) -> Dependency {
        let table = &policy.dependencies;
        if let Some(name) = self.dependency {
            return table.intern(&bounded(&policy.redactor.text(name), MAX_NAME));
        }
        let own = self.port.filter(|port| Some(*port) != self.default_port());
        match (self.host, own, self.kind) {
            ("", _, HeadKind::Database { system }) => table.intern(system),
            ("", ..) => table.intern("unknown"),
            (host, None, _) => table.intern(&lower(&bounded(host, MAX_NAME))),
            (host, Some(port), _) => table.intern(&lower(&bounded(&format!("{host}:{port}"), MAX_NAME))),
        }
    }

    /// Everything that a record contains of the head. Secrets are masked.
    pub(super) fn start(&self, policy: &Policy, dependency: Dependency) -> CallStart {
        let server = ServerAddress {
            host: bounded(self.host, MAX_NAME).into(),
            port: self.port.or_else(|| self.default_port()),
        };
        let redactor = &policy.redactor;
        let mut operation: Option<Box<str>> =
            self.operation.map(|text| bounded(&redactor.text(text), MAX_NAME).into());
        let target = match self.kind {
            HeadKind::Http { method: text, scheme } => {
                let method = policy.known_methods.parse(text);
                let original = || bounded(&redactor.text(text), MAX_METHOD).into();
                CallTarget::Http(HttpTarget {
                    method,
                    method_original: (method == Method::Other).then(original),
                    scheme: UrlScheme::parse(scheme),
                    server,
                    url: self.url(policy, scheme).into(),
                    resend: self.resend,
                })
            }
            HeadKind::Grpc { .. } => {
                let method = self.path.strip_prefix('/').unwrap_or(self.path);
                let method = bounded(&redactor.text(method), MAX_NAME).into();
                CallTarget::Grpc(GrpcTarget { server, method })
            }
            HeadKind::Database { system } => {
                let statement = self.query_text.map(|text| statement(text, Dialect::of(system)));
                if let Some(statement) =
                    statement.as_ref().filter(|statement| !statement.summary().is_empty())
                {
                    operation.get_or_insert_with(|| statement.summary().into());
                }
                CallTarget::Database(DatabaseTarget {
                    system,
                    namespace: self.namespace.map(|name| bounded(&redactor.text(name), MAX_NAME).into()),
                    server,
                    query: statement.map(|statement| statement.text().into()),
                })
            }
        };
        CallStart { dependency, operation, target }
    }

    /// The URL without credentials.
    fn url(&self, policy: &Policy, scheme: &str) -> String {
        let path = policy.redactor.path(self.path);
        let query = self.query.map(|query| policy.redactor.query(query));
        let length = scheme.len() + self.host.len() + path.len() + query.as_ref().map_or(0, |q| q.len()) + 16;
        let mut url = String::with_capacity(length);
        url.extend([scheme, "://", self.host]);
        if let Some(port) = self.port.filter(|port| Some(*port) != self.default_port()) {
            url.push(':');
            url.push_str(itoa::Buffer::new().format(port));
        }
        url.push_str(&path);
        if let Some(query) = query {
            url.push('?');
            url.push_str(&query);
        }
        if url.len() > MAX_TEXT { bounded(&url, MAX_TEXT).into_owned() } else { url }
    }
}

fn lower(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        host.to_ascii_lowercase().into()
    } else {
        host.into()
    }
}
