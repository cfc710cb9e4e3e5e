//! The one error type of the service: it sets the client's message and the error of the event.
use actix_web::{HttpResponse, ResponseError, http::StatusCode, web};
use obs_actix::current;
use serde::Serialize;

#[derive(Debug, thiserror::Error)]
pub(crate) enum PaymentsError {
    #[error("{0}")]
    Invalid(String),
    #[error("there is no item {0}")]
    NoSuchItem(u32),
    #[error("a payment of {0} cents is rejected: it must be 1 to {max}", max = crate::payments::MAX_CENTS)]
    Refused(i64),
    #[error("today's fees cannot be read")]
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

    /// Reports the error with its sources, for every handler that returns it. Without this, obs
    /// records only the message.
    fn error_response(&self) -> HttpResponse {
        current().error(self);
        current().error_kind(self.kind());
        HttpResponse::build(self.status_code()).json(Message { error: self.to_string() })
    }
}

/// Makes extractors reject invalid input with the same kind of response.
pub(crate) fn messages(config: &mut web::ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().error_handler(|error, _| invalid(&error)))
        .app_data(web::PathConfig::default().error_handler(|error, _| invalid(&error)))
        .app_data(web::QueryConfig::default().error_handler(|error, _| invalid(&error)));
}

fn invalid(error: &dyn std::fmt::Display) -> actix_web::Error {
    PaymentsError::Invalid(error.to_string()).into()
}
