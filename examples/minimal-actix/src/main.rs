//! The smallest observed actix-web service. Try `curl 127.0.0.1:3000/items/7`, `/boom` and
//! `/metrics`.
use actix_web::{App, HttpServer, get, web::Path};
use obs_actix::{Observe, Observer, current};

#[get("/items/{id}")]
async fn item(id: Path<u32>) -> String {
    current().set("item.id", *id);
    format!("item {id}\n")
}

#[get("/boom")]
async fn boom() -> String {
    panic!("out of stock");
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let observer = Observer::builder("shop").build()?;
    let observe = Observe::new(&observer); // its `wrap` must be the last one
    let server = HttpServer::new(move || App::new().service(item).service(boom).wrap(observe.clone()));
    let addr = std::env::var("LISTEN").unwrap_or("127.0.0.1:3000".into());
    let server = server.bind(&addr).map_err(|error| format!("cannot listen on {addr}: {error}"))?;
    eprintln!("listening on {addr}");
    obs_actix::serve(server, &observer).await?;
    Ok(())
}
