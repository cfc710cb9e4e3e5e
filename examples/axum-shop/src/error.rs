//! The one error type of the service: it sets the client's message and the error of the event.
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use obs_axum::{RejectionReport, current};
use serde_json::json;

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An extractor rejected invalid input.
    #[error(transparent)]
    Rejected(#[from] RejectionReport),
    #[error("there is no item {0}")]
    NoSuchItem(i64),
    #[error("the quantity is {0}, but must be 1 to {max}", max = crate::orders::MAX_QUANTITY)]
    Quantity(i64),
    #[error("the payment was rejected: {0}")]
    PaymentRefused(String),
    #[error("the payments service does not respond")]
    PaymentsUnreachable(#[from] reqwest::Error),
    #[error("the payments service responded with {0}")]
    PaymentsFailed(StatusCode),
    #[error("no payments service: set `PAYMENTS_URL`, or build the shop with the feature `payments`")]
    NoPayments,
    #[cfg(feature = "inventory")]
    #[error("{0}")]
    OutOfStock(String),
    #[cfg(feature = "inventory")]
    #[error("the inventory does not respond")]
    InventoryUnreachable(#[source] tonic::Status),
    #[cfg(feature = "inventory")]
    #[error("the inventory has failed")]
    InventoryFailed(#[source] tonic::Status),
    #[error("the database does not respond")]
    Database(#[from] sqlx::Error),
    #[error("the price list cannot be imported")]
    Import(#[from] ImportError),
}

#[derive(Debug, thiserror::Error)]
#[error("line {line} has no price")]
pub struct ImportError {
    pub line: usize,
    pub source: std::num::ParseIntError,
}

impl AppError {
    /// The status and the kind of the error. The kind is the `error_type` of a 5xx in the metrics.
    fn status_and_kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Rejected(rejection) => (rejection.status(), "rejected"),
            Self::NoSuchItem(_) => (StatusCode::NOT_FOUND, "no_such_item"),
            Self::Quantity(_) => (StatusCode::UNPROCESSABLE_ENTITY, "quantity"),
            Self::PaymentRefused(_) => (StatusCode::PAYMENT_REQUIRED, "payment_refused"),
            Self::PaymentsUnreachable(_) => (StatusCode::BAD_GATEWAY, "payments_unreachable"),
            Self::PaymentsFailed(_) => (StatusCode::BAD_GATEWAY, "payments_failed"),
            Self::NoPayments => (StatusCode::SERVICE_UNAVAILABLE, "no_payments"),
            #[cfg(feature = "inventory")]
            Self::OutOfStock(_) => (StatusCode::CONFLICT, "out_of_stock"),
            #[cfg(feature = "inventory")]
            Self::InventoryUnreachable(_) => (StatusCode::BAD_GATEWAY, "inventory_unreachable"),
            #[cfg(feature = "inventory")]
            Self::InventoryFailed(_) => (StatusCode::BAD_GATEWAY, "inventory_failed"),
            Self::Database(_) => (StatusCode::SERVICE_UNAVAILABLE, "database"),
            Self::Import(_) => (StatusCode::INTERNAL_SERVER_ERROR, "import"),
        }
    }
}

/// Sends the client the message without the sources. The sources are for the operator, in the
/// event.
impl IntoResponse for AppError {
    /// Reports the error to obs. It runs inside the request, for every handler that returns
    /// `Err(AppError)`.
    fn into_response(self) -> Response {
        let (status, kind) = self.status_and_kind();
        current().error(&self);
        current().error_kind(kind);
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}
