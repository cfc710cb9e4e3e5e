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

    let builder = Observer::builder("hello");
    #[cfg(feature = "calls")]
    let builder = builder
        .redaction(obs_axum::Redaction::new().pattern("customer", "C-[0-9]{6}"))
        .check("database", || async { Ok::<_, std::io::Error>(()) });
    let observer = builder.build()?;
    #[cfg(feature = "calls")]
    {
        let greetings = obs_axum::prometheus::IntCounter::new("greetings_total", "Greetings.")?;
        observer.registry().register(Box::new(greetings))?;
        Observer::settings().for_each(|setting| println!("{}", setting.description()));
    }
    Ok(obs_axum::serve(listener, app.observed(&observer)).await?)
}
