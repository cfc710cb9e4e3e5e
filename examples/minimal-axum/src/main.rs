//! The smallest observed axum service. Try `curl 127.0.0.1:3000/items/7`, `/boom` and `/metrics`.
use axum::{Router, extract::Path, routing::get};
use obs_axum::{Observer, RouterExt, current};

async fn item(Path(id): Path<u32>) -> String {
    current().set("item.id", id);
    format!("item {id}\n")
}

async fn boom() {
    panic!("out of stock");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let observer = Observer::builder("shop").build()?;
    let app = Router::new().route("/items/{id}", get(item)).route("/boom", get(boom)).observed(&observer);
    let addr = std::env::var("LISTEN").unwrap_or("127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(&addr).await;
    let listener = listener.map_err(|error| format!("cannot listen on {addr}: {error}"))?;
    eprintln!("listening on {addr}");
    obs_axum::serve(listener, app).await?;
    Ok(())
}
