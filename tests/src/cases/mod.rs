//! The cases. Each takes a stack, and starts its own server.

pub mod bodies;
pub mod disconnects;
pub mod exposition;
pub mod grpc;
pub mod health;
pub mod hooks;
pub mod ids;
pub mod layers;
pub mod long_pages;
pub mod many;
pub mod metrics;
pub mod panics;
pub mod responses;
pub mod routes;
pub mod secrets;
pub mod shutdown;
pub mod spans;
pub mod trace;

use std::convert::Infallible;

use bytes::Bytes;
use http::Request;
use http_body::Body;

use crate::{
    client::{Answer, get},
    stacks::{Setup, Stack},
    watch::{Expected, Watch},
};

/// Sends one request to a new server, and checks its one record.
async fn exchange<B>(stack: Stack, request: Request<B>, expected: Expected) -> hyper::Result<Answer>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let watch = Watch::default();
    exchange_with(stack, Setup::new(&watch), &watch, request, expected).await
}

async fn exchange_with<B>(
    stack: Stack,
    setup: Setup,
    watch: &Watch,
    request: Request<B>,
    expected: Expected,
) -> hyper::Result<Answer>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let server = stack.serve(setup).await;
    let mut client = server.connect().await;
    let answer = client.send(request).await;
    watch.ended(1).await;
    client.disconnect().await;
    server.stop().await;
    watch.check(&[expected]);
    answer
}

/// Sends requests one after the other to a new server, and stops it.
async fn send_all(stack: Stack, watch: &Watch, paths: &[&str]) {
    let server = stack.serve(Setup::new(watch)).await;
    let mut client = server.connect().await;
    for (n, path) in paths.iter().enumerate() {
        client.send(get(path)).await.expect("a response");
        // The records are in the order in which the requests end.
        watch.ended(n + 1).await;
    }
    client.disconnect().await;
    server.stop().await;
}
