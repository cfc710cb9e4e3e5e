//! The cases. Each is told the stack and runs a server of its own.

pub mod bodies;
pub mod health;
pub mod ids;
pub mod layers;
pub mod leaving;
pub mod many;
pub mod metrics;
pub mod panics;
pub mod responses;
pub mod shutdown;
pub mod trace;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::{
    client::Answer,
    stacks::{Setup, Stack},
    watch::{Expected, Watch},
};

/// One request on a fresh server, and the one record that it must leave.
async fn exchange(stack: Stack, request: Request<Full<Bytes>>, expected: Expected) -> hyper::Result<Answer> {
    let watch = Watch::default();
    exchange_with(stack, Setup::new(&watch), &watch, request, expected).await
}

async fn exchange_with(
    stack: Stack,
    setup: Setup,
    watch: &Watch,
    request: Request<Full<Bytes>>,
    expected: Expected,
) -> hyper::Result<Answer> {
    let server = stack.serve(setup).await;
    let mut client = server.connect().await;
    let answer = client.send(request).await;
    watch.ended(1).await;
    client.leave().await;
    server.stop().await;
    watch.check(&[expected]);
    answer
}
