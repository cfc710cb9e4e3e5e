//! A small inventory service on tonic, with all four kinds of gRPC calls. The layer that observes
//! it fits any tower service.
mod error;
mod service;
mod stock;
#[cfg(test)]
mod tests;

/// The messages, the service and its client, generated from `proto/inventory.proto`.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    include!("../proto/inventory.v1.rs");
}

use std::{error::Error, future::Future, net::TcpListener, time::Duration};

use obs_axum::{Logs, ObserveLayer, Observer, ObserverBuilder};
use obs_core::shutdown;
use tokio::sync::{oneshot, watch};
use tonic::transport::{Server, server::TcpIncoming};

use crate::{proto::inventory_server::InventoryServer, service::Service, stock::Stock};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Serves until SIGTERM or ctrl-c.
///
/// # Errors
/// If a setting is wrong or the socket fails.
pub async fn run(listener: TcpListener) -> Result<()> {
    let observer = observer().build()?;
    obs_axum::logs::init(&observer)?;
    let signal = shutdown::signal(&observer);
    serve(listener, &observer, signal).await
}

/// Serves until `signal` completes, and blocks the thread. It starts its own runtime, so another
/// process can run it on a thread. The subscriber of that process receives the lines.
///
/// # Errors
/// As [`run`].
pub fn run_until(listener: TcpListener, signal: impl Future<Output = ()>) -> Result<()> {
    // No delay before the shutdown: no load balancer sends requests to a service inside a process.
    let observer = observer().drain_delay(Duration::ZERO).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(listener, &observer, signal))
}

fn observer() -> ObserverBuilder {
    Observer::builder("inventory").logs(Logs::new().collect("tonic_inventory=debug"))
}

/// Runs tonic's server with a graceful shutdown: report not ready, serve on for the delay, drain,
/// flush.
async fn serve(listener: TcpListener, observer: &Observer, signal: impl Future<Output = ()>) -> Result<()> {
    listener.set_nonblocking(true)?;
    let (staying, leaving) = watch::channel(());
    // tonic's own `serve` would set `TCP_NODELAY`. With our own listener, we must set it.
    let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?).with_nodelay(Some(true));
    let server = Server::builder()
        .accept_http1(true) // Prometheus and probes use HTTP/1.1
        .layer(ObserveLayer::new(observer)) // the one line that observes the service
        .add_service(InventoryServer::new(Service::new(Stock::seeded(), leaving)));
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server =
        std::pin::pin!(server.serve_with_incoming_shutdown(incoming, async { drop(stopped.await) }));
    tokio::select! {
        ended = server.as_mut() => return Ok(ended?),
        () = shutdown::requested(observer, signal) => drop((stop, staying)),
    }
    // Calls that still run after the drain timeout are cancelled.
    if let Ok(ended) = tokio::time::timeout(observer.drain().timeout, server).await {
        ended?;
    }
    shutdown::flush(observer).await;
    Ok(())
}
