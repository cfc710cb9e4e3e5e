//! The one error type of the service: it sets the client's message and the error of the event.
use obs_axum::current;
use tonic::{Code, Status};

#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    #[error("there is no item {0}")]
    NoSuchItem(i64),
    #[error("the quantity is {0}, but must be above 0")]
    Quantity(i64),
    #[error("only {left} of item {item_id} are left")]
    OutOfStock { item_id: i64, left: i64 },
}

impl InventoryError {
    fn code_and_kind(&self) -> (Code, &'static str) {
        match self {
            Self::NoSuchItem(_) => (Code::NotFound, "no_such_item"),
            Self::Quantity(_) => (Code::InvalidArgument, "quantity"),
            Self::OutOfStock { .. } => (Code::FailedPrecondition, "out_of_stock"),
        }
    }
}

/// Reports the error to obs. Every `?` in a handler converts its error here.
impl From<InventoryError> for Status {
    fn from(error: InventoryError) -> Self {
        let (code, kind) = error.code_and_kind();
        current().error(&error);
        current().error_kind(kind);
        Self::new(code, error.to_string())
    }
}
