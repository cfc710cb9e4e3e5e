//! The inventory service as its own process, on 127.0.0.1:3002. `LISTEN` sets another address.
use std::{error::Error, net::TcpListener};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let addr = std::env::var("LISTEN").unwrap_or("127.0.0.1:3002".into());
    let listener = TcpListener::bind(&addr).map_err(|error| format!("cannot listen on {addr}: {error}"))?;
    let addr = listener.local_addr()?;
    eprintln!(
        "inventory listens on http://{addr}
try, in the example's folder (README.md has more)
  grpcurl -plaintext -proto proto/inventory.proto -d '{{\"item_id\":1,\"quantity\":2}}' {addr} inventory.v1.Inventory/Reserve
  curl http://{addr}/metrics
  curl http://{addr}/health"
    );
    tonic_inventory::run(listener).await
}
