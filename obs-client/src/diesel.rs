//! Queries of diesel, through its `Instrumentation`. diesel-async uses it, too.
//!
//! One line observes all connections that are made afterwards, with the observer of the work in
//! which a query runs:
//!
//! ```no_run
//! diesel::connection::set_default_instrumentation(obs_client::diesel::instrumentation)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`DieselExt::diesel`] observes the queries of one connection, outside of work as well.
//!
//! # Limits
//! * diesel blocks its thread. In `spawn_blocking`, the work is current only with
//!   [`Work::run`](obs_core::Work::run).
//! * diesel does not say how many rows a query returned, and has no SQLSTATE. The kind of the
//!   failure is the `error_type`.

use std::fmt::{self, Write as _};

use diesel::{
    connection::{Instrumentation, InstrumentationEvent},
    result::{ConnectionError, DatabaseErrorKind, Error},
};
use obs_core::{
    Observer,
    adapter::{CallHead, CallObservation, KnownDatabase},
    current,
    output::CallFailure,
};

/// Returns the instrumentation of a new connection, for
/// `diesel::connection::set_default_instrumentation`.
#[must_use]
pub fn instrumentation() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(DieselCalls { observer: None, database: unknown(), call: None }))
}

/// Connections of diesel for an observer.
pub trait DieselExt {
    /// Returns the instrumentation of one connection:
    /// `connection.set_instrumentation(observer.diesel("postgres://db.internal/shop"))`.
    ///
    /// The URL names the database. A path without a scheme is a file of SQLite.
    fn diesel(&self, url: &str) -> DieselCalls;
}

impl DieselExt for Observer {
    fn diesel(&self, url: &str) -> DieselCalls {
        DieselCalls { observer: Some(self.clone()), database: database(url), call: None }
    }
}

/// Observes the queries of one connection: [`DieselExt::diesel`] and [`instrumentation`].
#[derive(Debug)]
pub struct DieselCalls {
    /// `None` for the observer of the current work.
    observer: Option<Observer>,
    database: KnownDatabase,
    /// The query that runs.
    call: Option<CallObservation>,
}

impl Instrumentation for DieselCalls {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => self.database = database(url),
            InstrumentationEvent::FinishEstablishConnection { error: Some(error), .. } => {
                self.start(None);
                self.end(Some(failure_of_connection(error)));
            }
            InstrumentationEvent::StartQuery { query, .. } => {
                let mut text = Sql(String::new());
                // An error is the end of the query.
                let _ = write!(text, "{query}");
                self.start(Some(text.query()));
            }
            InstrumentationEvent::FinishQuery { error, .. } => self.end(error.and_then(failure)),
            _ => {}
        }
    }
}

impl DieselCalls {
    fn start(&mut self, query: Option<&str>) {
        let connect = query.is_none().then_some("CONNECT");
        let head = CallHead::of_database(&self.database).query_text(query).operation(connect);
        self.call = match &self.observer {
            Some(observer) => Some(observer.start_call(&head)),
            None => current().start_call(&head),
        };
    }

    fn end(&mut self, failure: Option<CallFailure>) {
        let Some(mut call) = self.call.take() else { return };
        if let Some(failure) = failure {
            // The message of an error may contain values of the query, so it is not reported.
            call.failed(failure, None);
        }
        call.finish();
    }
}

fn unknown() -> KnownDatabase {
    KnownDatabase::of_system("other_sql")
}

fn database(url: &str) -> KnownDatabase {
    let is_path = !url.contains("://");
    let found = KnownDatabase::parse(url);
    found.unwrap_or_else(|| if is_path { KnownDatabase::of_system("sqlite") } else { unknown() })
}

/// Returns the failure of a query. A query that finds no row has not failed.
fn failure(error: &Error) -> Option<CallFailure> {
    Some(match error {
        Error::NotFound => return None,
        Error::DatabaseError(kind, _) => match kind {
            DatabaseErrorKind::UniqueViolation => CallFailure::Other("unique_violation"),
            DatabaseErrorKind::ForeignKeyViolation => CallFailure::Other("foreign_key_violation"),
            DatabaseErrorKind::NotNullViolation => CallFailure::Other("not_null_violation"),
            DatabaseErrorKind::CheckViolation => CallFailure::Other("check_violation"),
            DatabaseErrorKind::SerializationFailure => CallFailure::Other("serialization_failure"),
            DatabaseErrorKind::ReadOnlyTransaction => CallFailure::Other("read_only_transaction"),
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
                CallFailure::Reset
            }
            _ => CallFailure::Other("database"),
        },
        Error::DeserializationError(_) => CallFailure::Decode,
        Error::SerializationError(_) => CallFailure::Other("encode"),
        _ => CallFailure::Other("diesel"),
    })
}

const fn failure_of_connection(error: &ConnectionError) -> CallFailure {
    match error {
        ConnectionError::InvalidConnectionUrl(_) | ConnectionError::InvalidCString(_) => {
            CallFailure::Other("configuration")
        }
        _ => CallFailure::Connect,
    }
}

/// The text of a query. diesel writes the values of its parameters behind it, which are not kept.
struct Sql(String);

/// The text between a query and the values of its parameters.
const BINDS: &str = " -- binds: ";

/// The maximum number of bytes that are kept.
const MAX: usize = 16 * 1024;

impl Sql {
    fn query(&self) -> &str {
        self.0.split(BINDS).next().unwrap_or_default()
    }
}

impl fmt::Write for Sql {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        // Without the rest, the values are not even formatted.
        if self.0.ends_with(BINDS) || self.0.len() > MAX { Err(fmt::Error) } else { Ok(()) }
    }
}
