//! A service of one route.
use axum::{Router, routing::get};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().route("/", get(|| async { "hello\n" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    #[cfg(all(feature = "layer", not(feature = "observed")))]
    let app = {
        use obs_axum::ObserverExt as _;
        app.layer(obs_axum::Observer::builder("hello").build()?.layer())
    };
    #[cfg(not(feature = "observed"))]
    axum::serve(listener, app).await?;
    #[cfg(feature = "observed")]
    {
        use obs_axum::RouterExt as _;
        let observer = obs_axum::Observer::builder("hello").build()?;
        obs_axum::serve(listener, app.observed(&observer)).await?;
    }
    Ok(())
}
