//! A small payments service on actix-web: takes payments, lists its fees, and has a route for every way a request can end.
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
use obs_actix::{Observe, Observer, WorkersServer, shutdown::Serve};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Serves until SIGTERM or ctrl-c.
///
/// # Errors
/// If a setting is wrong or the socket fails.
pub async fn run(listener: TcpListener) -> Result<()> {
    let observer = Observer::builder("payments").build()?;
    Ok(serve(listener, &observer)?.await?)
}

/// Serves until `signal` is done, and blocks its thread: as a part of another process, on whatever runtime that is.
///
/// # Errors
/// As [`run`].
pub fn run_until(listener: TcpListener, signal: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    // No load balancer has to notice that a part of a process leaves.
    let observer = Observer::builder("payments").drain_delay(Duration::ZERO).build()?;
    System::new().block_on(async { Ok(serve(listener, &observer)?.with_signal(signal).await?) })
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
    let ledger = Data::new(payments::Ledger::default()); // one for all of actix's workers
    let app = move || App::new().app_data(ledger.clone()).configure(routes).wrap(observe.clone());
    // So that a client that leaves ends its request, as it does under hyper.
    let server = HttpServer::new(app).h1_allow_half_closed(false).workers(2).listen(listener)?;
    Ok(obs_actix::serve(server, observer))
}
