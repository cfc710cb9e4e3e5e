//! A plain tower service under hyper, without axum: the layer, and the parts of a graceful
//! shutdown.
//! Try `curl 127.0.0.1:3000/items/7`, `/other` and `/metrics`.

use std::{convert::Infallible, pin::pin, time::Duration};

use http_body_util::Full;
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use obs_axum::{ObserveLayer, Observer, current};
use obs_core::shutdown;
use tokio::sync::watch;
use tower::{ServiceBuilder, service_fn};

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("not found\n"));
    if request.uri().path().starts_with("/items/") {
        // There is no router that could set the route, so the handler sets it.
        current().set_route("/items/{id}");
        *response.body_mut() = Full::from("an item\n");
    } else {
        *response.status_mut() = hyper::StatusCode::NOT_FOUND;
    }
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let observer = Observer::builder("shop").build()?;
    let service = ServiceBuilder::new().layer(ObserveLayer::new(&observer)).service(service_fn(answer));
    let addr = std::env::var("LISTEN").unwrap_or("127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(&addr).await;
    let listener = listener.map_err(|error| format!("cannot listen on {addr}: {error}"))?;
    eprintln!("listening on {addr}");

    let (stop, stopping) = watch::channel(false);
    let mut requested = pin!(shutdown::requested(&observer, shutdown::signal(&observer)));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut requested => break,
        };
        let Ok((stream, _)) = accepted else {
            // For example too many open files. Wait until other tasks close some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (service, mut stopping) = (TowerToHyperService::new(service.clone()), stopping.clone());
        tokio::spawn(async move {
            let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = stopping.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }

    drop((listener, stopping));
    stop.send_replace(true);
    // Requests that still run after this are aborted when the runtime ends, and recorded as
    // cancelled.
    let _ = tokio::time::timeout(observer.drain().timeout, stop.closed()).await;
    shutdown::flush(&observer).await;
    Ok(())
}
