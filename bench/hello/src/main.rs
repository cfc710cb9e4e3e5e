//! A service with one route, to measure the size of its program.

use axum::{Router, routing::get};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().route("/", get(|| async { "hello\n" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    serve(listener, app).await
}

#[cfg(not(feature = "layer"))]
async fn serve(listener: tokio::net::TcpListener, app: Router) -> Result<(), Box<dyn std::error::Error>> {
    Ok(axum::serve(listener, app).await?)
}

#[cfg(all(feature = "layer", not(feature = "serve")))]
async fn serve(listener: tokio::net::TcpListener, app: Router) -> Result<(), Box<dyn std::error::Error>> {
    use obs_axum::{ObserveLayer, Observer};

    let observer = Observer::builder("hello").build()?;
    Ok(axum::serve(listener, app.layer(ObserveLayer::new(&observer))).await?)
}

#[cfg(feature = "serve")]
async fn serve(listener: tokio::net::TcpListener, app: Router) -> Result<(), Box<dyn std::error::Error>> {
    use obs_axum::{Observer, RouterExt as _};

    let observer = Observer::builder("hello").build()?;
    Ok(obs_axum::serve(listener, app.observed(&observer)).await?)
}
