//! The payments service as its own process, on 127.0.0.1:3001. `LISTEN` sets another address.
use std::{error::Error, net::TcpListener};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let addr = std::env::var("LISTEN").unwrap_or("127.0.0.1:3001".into());
    let listener = TcpListener::bind(&addr).map_err(|error| format!("cannot listen on {addr}: {error}"))?;
    eprintln!("payments listens on http://{}", listener.local_addr()?);
    actix_payments::run(listener).await
}
