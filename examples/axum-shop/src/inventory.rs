//! The client of the inventory service. Each call passes the trace and the request id on, as
//! metadata.
use std::time::Duration;

use axum::http::{Extensions, HeaderMap};
use obs_axum::current;
use tonic::{
    Code, Request, Status,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};
use tonic_inventory::proto::{ReserveRequest, inventory_client::InventoryClient};
use tracing::error;

use crate::{Failure, error::AppError};

#[derive(Clone)]
pub struct Inventory(InventoryClient<Channel>);

impl Inventory {
    /// A client of the service at `url`. It connects at the first call.
    pub fn at(url: &str) -> Result<Self, Failure> {
        let endpoint = Endpoint::from_shared(url.to_owned()).ok();
        let endpoint = endpoint
            .filter(|endpoint| endpoint.uri().scheme_str() == Some("http"))
            .ok_or_else(|| format!("`INVENTORY_URL` is {url:?}, but should be like http://127.0.0.1:3002"))?;
        let endpoint = endpoint.connect_timeout(Duration::from_secs(1)).timeout(Duration::from_secs(5));
        Ok(Self(InventoryClient::new(endpoint.connect_lazy())))
    }

    /// Takes items out of the stock.
    pub async fn reserve(&self, item_id: i64, quantity: i64) -> Result<(), AppError> {
        let mut call = current().call("inventory").operation("Reserve");
        let reserved = self.0.clone().reserve(traced(ReserveRequest { item_id, quantity })).await;
        reserved.map(drop).map_err(|status| {
            if status.code() != Code::FailedPrecondition {
                call.set_failed();
            }
            AppError::from(status)
        })
    }

    /// Returns items to the stock. A failure is not reported to the client: the stock is corrected
    /// later, by hand.
    pub async fn release(&self, item_id: i64, quantity: i64) {
        let mut call = current().call("inventory").operation("Release");
        if let Err(status) = self.0.clone().release(traced(ReserveRequest { item_id, quantity })).await {
            call.set_failed();
            error!(item.id = item_id, quantity, %status, "the items must be returned to the stock by hand");
        }
    }
}

/// A request that continues this trace in the other service, with the same request id.
fn traced<T>(message: T) -> Request<T> {
    let mut context = HeaderMap::new();
    current().inject_http(&mut context);
    Request::from_parts(MetadataMap::from_headers(context), Extensions::new(), message)
}

impl From<Status> for AppError {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::FailedPrecondition => Self::OutOfStock(status.message().to_owned()),
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => {
                Self::InventoryUnreachable(status)
            }
            _ => Self::InventoryFailed(status),
        }
    }
}
