//! Cases of many requests, one after the other and at the same time.

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::BodyExt;

use crate::{
    client::{Client, Payload, get},
    stacks::{Setup, Stack},
    watch::{Expected, Watch},
};

pub async fn a_thousand_on_one_connection(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    for n in 0..1000 {
        let answer = client.send(get(&format!("/items/{n}"))).await.expect("a response");
        assert_eq!(answer.status, 200);
    }
    watch.ended(1000).await;
    client.disconnect().await;
    server.stop().await;
    watch.check(&vec![Expected::completed(200, "/items/{id}", 5); 1000]);
    assert_eq!(watch.metric("http_requests_total", r#"endpoint="/items/{id}""#), 1000.0);
}

/// A hundred requests run at the same time, on HTTP/2 streams or on connections.
pub async fn a_hundred_at_once(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let client = server.connect().await;
    let requests: Vec<_> = if let Some(sender) = client.http2_sender() {
        let send = |_| tokio::spawn(on_stream(sender.clone()));
        (0..100).map(send).collect()
    } else {
        let addr = server.addr;
        let send = |_| tokio::spawn(async move { on_connection(Client::connect(addr, false).await).await });
        (0..100).map(send).collect()
    };
    watch.running(100).await;
    server.world.gate.add_permits(100);
    for answer in join_all(requests).await {
        assert_eq!(answer.expect("no panic"), "opened");
    }
    watch.ended(100).await;
    client.disconnect().await;
    server.stop().await;
    watch.check(&vec![Expected::completed(200, "/gate", 6); 100]);
}

async fn on_stream(mut sender: hyper::client::conn::http2::SendRequest<Payload>) -> Bytes {
    let mut request = get("/gate");
    *request.uri_mut() = "http://test/gate".parse().expect("a URI");
    let response = sender.send_request(request.map(BodyExt::boxed_unsync)).await.expect("a response");
    response.into_body().collect().await.expect("a body").to_bytes()
}

async fn on_connection(mut client: Client) -> Bytes {
    client.send(get("/gate")).await.expect("a response").body
}
