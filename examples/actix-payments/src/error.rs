//! The one error type: what the client reads, and what the request's line says.
use actix_web::{HttpResponse, ResponseError, http::StatusCode, web};
use obs_actix::current;
use serde::Serialize;

#[derive(Debug, thiserror::Error)]
pub(crate) enum PaymentsError {
    #[error("{0}")]
    Invalid(String),
    #[error("there is no item {0}")]
    NoSuchItem(u32),
    #[error("a payment of {0} cents is refused: it has to be 1 to {max}", max = crate::payments::MAX_CENTS)]
    Refused(i64),
    #[error("the fees of today cannot be read")]
    Fees(#[from] FeesError),
}

#[derive(Debug, thiserror::Error)]
#[error("line {line} has no fee")]
pub(crate) struct FeesError {
    pub(crate) line: usize,
    pub(crate) source: std::num::ParseIntError,
}

#[derive(Serialize)]
struct Message {
    error: String,
}

impl PaymentsError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::NoSuchItem(_) => "no_such_item",
            Self::Refused(_) => "payment_refused",
            Self::Fees(_) => "fees_unreadable",
        }
    }
}

impl ResponseError for PaymentsError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NoSuchItem(_) => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::PAYMENT_REQUIRED,
            Self::Fees(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Every handler that returns this error reports it here, with its sources; by itself obs sees only the message.
    fn error_response(&self) -> HttpResponse {
        current().error(self);
        current().error_kind(self.kind());
        HttpResponse::build(self.status_code()).json(Message { error: self.to_string() })
    }
}

/// What extractors refuse is answered in the same words.
pub(crate) fn messages(config: &mut web::ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().error_handler(|error, _| invalid(&error)))
        .app_data(web::PathConfig::default().error_handler(|error, _| invalid(&error)))
        .app_data(web::QueryConfig::default().error_handler(|error, _| invalid(&error)));
}

fn invalid(error: &dyn std::fmt::Display) -> actix_web::Error {
    PaymentsError::Invalid(error.to_string()).into()
}
