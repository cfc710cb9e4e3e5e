//! The client of the inventory service. Each gRPC call is in the event. It sends the trace and the
//! request id, as metadata.
use std::time::Duration;

use obs_axum::{
    Observer,
    client::{ChannelExt, ObservedChannel},
};
use tonic::{Code, Status, transport::Endpoint};
use tonic_inventory::proto::{ReserveRequest, inventory_client::InventoryClient};
use tracing::error;

use crate::{Failure, error::AppError};

#[derive(Clone)]
pub struct Inventory(InventoryClient<ObservedChannel>);

impl Inventory {
    /// A client of the service at `url`. It connects at the first call.
    pub fn at(url: &str, observer: &Observer) -> Result<Self, Failure> {
        let endpoint = Endpoint::from_shared(url.to_owned()).ok();
        let endpoint = endpoint
            .filter(|endpoint| endpoint.uri().scheme_str() == Some("http"))
            .ok_or_else(|| format!("`INVENTORY_URL` is {url:?}, but should be like http://127.0.0.1:3002"))?;
        let endpoint = endpoint.connect_timeout(Duration::from_secs(1)).timeout(Duration::from_secs(5));
        Ok(Self(InventoryClient::new(observer.channel(&endpoint, "inventory"))))
    }

    /// Takes items out of the stock.
    pub async fn reserve(&self, item_id: i64, quantity: i64) -> Result<(), AppError> {
        self.0.clone().reserve(ReserveRequest { item_id, quantity }).await?;
        Ok(())
    }

    /// Returns items to the stock. A failure is not reported to the client: the stock is corrected
    /// later, by hand.
    pub async fn release(&self, item_id: i64, quantity: i64) {
        if let Err(status) = self.0.clone().release(ReserveRequest { item_id, quantity }).await {
            error!(item.id = item_id, quantity, %status, "the items must be returned to the stock by hand");
        }
    }
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
