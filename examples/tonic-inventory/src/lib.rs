//! A small inventory service on tonic: all four kinds of calls, observed by the layer of any tower service.
mod error;
mod service;
mod stock;
#[cfg(test)]
mod tests;

/// The messages, the service and its client, made of `proto/inventory.proto`.
#[allow(missing_docs, clippy::all)]
pub mod proto {
    tonic::include_proto!("inventory.v1");
}

use std::{error::Error, future::Future, net::TcpListener, time::Duration};

use obs_axum::{Observer, ObserverExt};
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
    let observer = Observer::builder("inventory").build()?;
    let signal = shutdown::signal(&observer);
    serve(listener, &observer, signal).await
}

/// Serves until `signal` is done, and blocks its thread: as a part of another process, on whatever runtime that is.
///
/// # Errors
/// As [`run`].
pub fn run_until(listener: TcpListener, signal: impl Future<Output = ()>) -> Result<()> {
    // No load balancer has to notice that a part of a process leaves.
    let observer = Observer::builder("inventory").drain_delay(Duration::ZERO).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(listener, &observer, signal))
}

/// Not ready, serve on, drain, flush: the steps of leaving, around tonic's server.
async fn serve(listener: TcpListener, observer: &Observer, signal: impl Future<Output = ()>) -> Result<()> {
    listener.set_nonblocking(true)?;
    let (staying, leaving) = watch::channel(());
    // tonic's own `serve` would set that; here it is ours to do.
    let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener)?).with_nodelay(Some(true));
    let server = Server::builder()
        .accept_http1(true) // Prometheus and probes speak nothing newer
        .layer(observer.layer()) // the one line
        .add_service(InventoryServer::new(Service::new(Stock::seeded(), leaving)));
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server =
        std::pin::pin!(server.serve_with_incoming_shutdown(incoming, async { drop(stopped.await) }));
    tokio::select! {
        ended = server.as_mut() => return Ok(ended?),
        () = shutdown::requested(observer, signal) => drop((stop, staying)),
    }
    // What still runs then is cut off.
    if let Ok(ended) = tokio::time::timeout(observer.drain().timeout, server).await {
        ended?;
    }
    shutdown::flush(observer).await;
    Ok(())
}
