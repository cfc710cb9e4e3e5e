//! A small payments service on actix-web. It takes payments, lists its fees and has a route for
//! each way in which a request can end.
mod endings;
mod error;
mod fees;
mod payments;
#[cfg(test)]
mod tests;

use std::{error::Error, future::Future, io, net::TcpListener, time::Duration};

use actix_web::{
    App, HttpServer,
    rt::System,
    web::{Data, ServiceConfig},
};
use obs_actix::{Logs, Observe, Observer, ObserverBuilder, WorkersServer, shutdown::Serve};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Serves until SIGTERM or ctrl-c.
///
/// # Errors
/// If a setting is wrong or the socket fails.
pub async fn run(listener: TcpListener) -> Result<()> {
    let observer = observer().build()?;
    obs_actix::logs::init(&observer)?;
    Ok(serve(listener, &observer)?.await?)
}

/// Serves until `signal` completes, and blocks the thread. It starts its own runtime, so another
/// process can run it on a thread. The subscriber of that process receives the lines.
///
/// # Errors
/// As [`run`].
pub fn run_until(listener: TcpListener, signal: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    // No delay before the shutdown: no load balancer sends requests to a service inside a process.
    let observer = observer().drain_delay(Duration::ZERO).build()?;
    System::new().block_on(async { Ok(serve(listener, &observer)?.with_signal(signal).await?) })
}

fn observer() -> ObserverBuilder {
    // actix has a line for each start, at the level info.
    let logs = Logs::new().levels("info,actix_server=warn").fields(["order.id"]);
    Observer::builder("payments").logs(logs.collect("actix_payments=debug"))
}

fn routes(config: &mut ServiceConfig) {
    config
        .configure(error::messages)
        .configure(fees::routes)
        .configure(payments::routes)
        .configure(endings::routes);
}

fn serve(listener: TcpListener, observer: &Observer) -> io::Result<Serve<WorkersServer>> {
    let observe = Observe::new(observer);
    let ledger = Data::new(payments::Ledger::default()); // shared by all workers of actix
    let app = move || App::new().app_data(ledger.clone()).configure(routes).wrap(observe.clone());
    // With this, a client that disconnects ends its request, as under hyper.
    let server = HttpServer::new(app).h1_allow_half_closed(false).workers(2).listen(listener)?;
    Ok(obs_actix::serve(server, observer))
}
