//! The gRPC calls: unary, client streaming, server streaming and bidirectional.
use std::pin::Pin;

use futures_util::StreamExt;
use obs_axum::current;
use tokio::sync::watch;
use tokio_stream::{Stream, wrappers::WatchStream};
use tonic::{Request, Response, Status, Streaming, async_trait};
use tracing::{debug, info, warn};

use crate::{
    error::InventoryError,
    proto::{
        CountRequest, Delivery, Level, ReserveRequest, Restocked, WatchRequest, inventory_server::Inventory,
    },
    stock::Stock,
};

/// Below this number, an item must be ordered again.
const FEW: i64 = 10;

type Levels = Pin<Box<dyn Stream<Item = Result<Level, Status>> + Send>>;

pub(crate) struct Service {
    stock: std::sync::Arc<Stock>,
    /// Closed (its sender is dropped) when the service shuts down.
    leaving: watch::Receiver<()>,
}

impl Service {
    pub(crate) fn new(stock: Stock, leaving: watch::Receiver<()>) -> Self {
        Self { stock: stock.into(), leaving }
    }

    fn change(&self, request: &ReserveRequest, sign: i64) -> Result<Response<Level>, Status> {
        let ReserveRequest { item_id, quantity } = *request;
        current().set("item.id", item_id);
        current().set("item.quantity", quantity);
        let left = self.stock.change(item_id, some(quantity)? * sign)?;
        current().set("item.left", left);
        info!(item.id = item_id, quantity = sign * quantity, item.left = left, "the stock has changed");
        if left < FEW {
            warn!(item.id = item_id, item.left = left, "few items are left");
        }
        Ok(Response::new(Level { item_id, left }))
    }
}

/// Returns the quantity if it is above 0.
fn some(quantity: i64) -> Result<i64, InventoryError> {
    Some(quantity).filter(|quantity| *quantity > 0).ok_or(InventoryError::Quantity(quantity))
}

#[async_trait]
impl Inventory for Service {
    async fn reserve(&self, request: Request<ReserveRequest>) -> Result<Response<Level>, Status> {
        self.change(request.get_ref(), -1)
    }

    async fn release(&self, request: Request<ReserveRequest>) -> Result<Response<Level>, Status> {
        self.change(request.get_ref(), 1)
    }

    type WatchStream = Levels;

    /// Ends when the client disconnects: the event then has the duration and the number of
    /// messages. It also ends when the service shuts down, because nothing else would end the
    /// stream; the client then connects to another instance.
    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Levels>, Status> {
        let item_id = request.get_ref().item_id;
        current().set("item.id", item_id);
        let mut leaving = self.leaving.clone();
        let left = async move { drop(leaving.changed().await) };
        let levels = WatchStream::new(self.stock.watch(item_id)?).take_until(left);
        Ok(Response::new(Box::pin(levels.map(move |left| Ok(Level { item_id, left })))))
    }

    /// Adds deliveries until one is rejected. The deliveries before that one stay in the stock.
    async fn restock(&self, request: Request<Streaming<Delivery>>) -> Result<Response<Restocked>, Status> {
        let (mut deliveries, mut total) = (request.into_inner(), Restocked::default());
        while let Some(Delivery { item_id, quantity }) = deliveries.message().await? {
            self.stock.change(item_id, some(quantity)?)?;
            total.deliveries += 1;
            total.items = total.items.saturating_add(quantity);
            current().set("restocked.items", total.items);
        }
        Ok(Response::new(total))
    }

    type CheckStream = Levels;

    async fn check(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Levels>, Status> {
        let stock = self.stock.clone();
        let level = move |asked: Result<WatchRequest, Status>| {
            let item_id = asked?.item_id;
            let left = *stock.watch(item_id)?.borrow();
            Ok(Level { item_id, left })
        };
        Ok(Response::new(Box::pin(request.into_inner().map(level))))
    }

    async fn count(&self, _: Request<CountRequest>) -> Result<Response<Restocked>, Status> {
        debug!("counts all items");
        panic!("lost count") // the client gets INTERNAL, and the event has the location
    }
}
