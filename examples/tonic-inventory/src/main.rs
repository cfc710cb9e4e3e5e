//! The inventory service on its own, on 127.0.0.1:3002. `LISTEN` sets another address.
use std::{error::Error, net::TcpListener};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let addr = std::env::var("LISTEN").unwrap_or("127.0.0.1:3002".into());
    let listener = TcpListener::bind(&addr).map_err(|error| format!("cannot listen on {addr}: {error}"))?;
    eprintln!("inventory listens on http://{}", listener.local_addr()?);
    tonic_inventory::run(listener).await
}
