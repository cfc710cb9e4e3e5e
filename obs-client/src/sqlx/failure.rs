//! The failures of sqlx, in the table of all clients.

use obs_core::{
    adapter::CallObservation,
    output::{CallFailure, ErrorReport},
};
use sqlx::{Error, error::ErrorKind};

use crate::failure::failure_of;

/// Reports a failure. A query that finds no row has not failed.
pub(super) fn report(call: &mut CallObservation, error: &Error) {
    match error {
        Error::RowNotFound => {}
        Error::Database(database) => {
            if let Some(code) = database.code() {
                call.status_code(&code);
            }
            let failure = match database.kind() {
                ErrorKind::UniqueViolation => "unique_violation",
                ErrorKind::ForeignKeyViolation => "foreign_key_violation",
                ErrorKind::NotNullViolation => "not_null_violation",
                ErrorKind::CheckViolation => "check_violation",
                _ => "database",
            };
            // Its message may contain values of the query.
            call.failed(CallFailure::Other(failure), None);
        }
        Error::PoolTimedOut => fail(call, CallFailure::Other("pool_timeout"), error),
        Error::PoolClosed => fail(call, CallFailure::Other("pool_closed"), error),
        Error::WorkerCrashed => fail(call, CallFailure::Other("worker_crashed"), error),
        Error::Configuration(_) => fail(call, CallFailure::Other("configuration"), error),
        Error::Tls(_) => fail(call, CallFailure::Tls, error),
        Error::Io(io) => fail(call, failure_of(io), error),
        Error::Encode(_) => call.failed(CallFailure::Other("encode"), None),
        Error::Protocol(_)
        | Error::ColumnDecode { .. }
        | Error::Decode(_)
        | Error::TypeNotFound { .. }
        | Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. } => call.failed(CallFailure::Decode, None),
        _ => call.failed(CallFailure::Other("sqlx"), None),
    }
}

fn fail(call: &mut CallObservation, failure: CallFailure, error: &Error) {
    call.failed(failure, Some(ErrorReport::of(error)));
}
