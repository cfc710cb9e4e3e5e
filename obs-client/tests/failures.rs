//! The table of failures, with errors that sockets made.

#![cfg(all(feature = "reqwest", feature = "reqwest-0-12", feature = "tower"))]

mod servers;

use std::{error::Error, io, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use obs_client::failure_of;

type BoxError = Box<dyn Error + Send + Sync>;

/// The time limit of a step that must exceed it.
const SHORT: Duration = Duration::from_millis(200);
/// The time limit of a step that must not exceed it.
const LONG: Duration = Duration::from_secs(60);

/// Returns the failure of a request of each client: hyper-util, reqwest 0.13, reqwest 0.12.
async fn failures(url: &str) -> [&'static str; 3] {
    failures_within(url, LONG).await
}

async fn failures_within(url: &str, connect: Duration) -> [&'static str; 3] {
    let of = |result: Result<(), BoxError>| match result {
        Ok(()) => "success",
        Err(error) => failure_of(&*error).as_str(),
    };
    [
        of(hyper_util(url, connect).await),
        of(reqwest(url, connect).await),
        of(reqwest_0_12(url, connect).await),
    ]
}

async fn hyper_util(url: &str, connect: Duration) -> Result<(), BoxError> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(connect));
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let request = http::Request::get(url).body(Full::<Bytes>::default())?;
    client.request(request).await?.into_body().collect().await?;
    Ok(())
}

async fn reqwest(url: &str, connect: Duration) -> Result<(), BoxError> {
    builder().connect_timeout(connect).build()?.get(url).send().await?.bytes().await?;
    Ok(())
}

async fn reqwest_0_12(url: &str, connect: Duration) -> Result<(), BoxError> {
    builder_0_12().connect_timeout(connect).build()?.get(url).send().await?.bytes().await?;
    Ok(())
}

fn builder() -> reqwest::ClientBuilder {
    servers::install_crypto();
    reqwest::Client::builder().no_proxy()
}

fn builder_0_12() -> reqwest_0_12::ClientBuilder {
    reqwest_0_12::Client::builder().no_proxy()
}

#[tokio::test]
async fn a_port_without_a_listener_is_connect() {
    assert_eq!(failures(&servers::refusing()).await, ["connect"; 3]);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_dns() {
    assert_eq!(failures("http://name.invalid/").await, ["dns"; 3]);
    let error = tokio::net::TcpStream::connect("name.invalid:80").await.expect_err("no such name");
    assert_eq!(failure_of(&error).as_str(), "dns", "{error:?}");
}

#[tokio::test]
async fn a_listener_that_accepts_no_more_is_connect_timeout() {
    let full = servers::FullQueue::new().await;
    assert_eq!(failures_within(&full.url, SHORT).await, ["connect_timeout"; 3]);
}

#[tokio::test]
async fn a_connection_that_is_reset_before_the_head_is_reset() {
    let url = servers::resetting(b"").await;
    assert_eq!(failures(&url).await, ["reset"; 3]);
}

#[tokio::test]
async fn a_connection_that_is_reset_in_the_body_is_reset() {
    let url = servers::resetting(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert_eq!(failures(&url).await, ["reset"; 3]);
}

#[tokio::test]
async fn a_connection_that_closes_before_the_head_is_incomplete() {
    let url = servers::answering(b"").await;
    assert_eq!(failures(&url).await, ["incomplete"; 3]);
}

#[tokio::test]
async fn a_body_that_is_too_short_is_incomplete() {
    let url = servers::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert_eq!(failures(&url).await, ["incomplete"; 3]);
    let url = servers::answering(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf").await;
    assert_eq!(failures(&url).await, ["incomplete"; 3]);
}

#[tokio::test]
async fn a_response_that_is_not_http_is_decode() {
    let url = servers::answering(b"SSH-2.0-OpenSSH_9.6\r\n").await;
    assert_eq!(failures(&url).await, ["decode"; 3]);
}

#[tokio::test]
async fn a_body_in_another_encoding_than_stated_is_decode() {
    const RESPONSE: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 10\r\n\r\nnot a gzip";
    let url = servers::answering(RESPONSE).await;
    assert_eq!(failures(&url).await, ["success", "decode", "decode"]); // hyper-util decodes nothing
}

#[tokio::test]
async fn redirects_without_end_are_redirect() {
    let url = servers::answering(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(failures(&url).await, ["success", "redirect", "redirect"]); // hyper-util follows none
}

#[tokio::test]
async fn a_tls_certificate_of_another_host_is_tls() {
    let (url, trust) = servers::tls_of_another_host().await;
    let client = builder().tls_backend_preconfigured(trust).build().expect("a client");
    let error = client.get(&url).send().await.expect_err("the certificate has another name");
    assert_eq!(failure_of(&error).as_str(), "tls", "{error:?}");
}

#[tokio::test]
async fn a_tls_handshake_with_a_peer_that_speaks_no_tls_is_tls() {
    for response in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let url = servers::answering(response).await.replace("http:", "https:");
        let error = reqwest(&url, LONG).await.expect_err("there is no TLS");
        assert_eq!(failure_of(&*error).as_str(), "tls", "{error:?}");
    }
}

#[tokio::test]
async fn a_tls_handshake_that_takes_too_long_is_connect_timeout() {
    let silent = servers::silent(b"").await;
    let error = reqwest(&silent.replace("http:", "https:"), SHORT).await.expect_err("a timeout");
    assert_eq!(failure_of(&*error).as_str(), "connect_timeout", "{error:?}");
}

#[tokio::test]
async fn a_port_of_a_proxy_without_a_listener_is_connect() {
    let proxy = reqwest::Proxy::all(servers::refusing()).expect("a URL");
    let client = builder().proxy(proxy).build().expect("a client");
    for url in ["http://shop.example/", "https://shop.example/"] {
        let error = client.get(url).send().await.expect_err("no proxy");
        assert_eq!(failure_of(&error).as_str(), "connect", "{error:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_a_tunnel_is_connect() {
    let url = servers::answering(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let proxy = reqwest::Proxy::all(url).expect("a URL");
    let client = builder().proxy(proxy).build().expect("a client");
    let error = client.get("https://shop.example/").send().await.expect_err("no tunnel");
    assert_eq!(failure_of(&error).as_str(), "connect", "{error:?}");
}

#[tokio::test]
async fn a_response_that_takes_too_long_is_timeout() {
    for start in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"] {
        let url = servers::silent(start).await;
        let client = builder().timeout(SHORT).build().expect("a client");
        let result = async { client.get(&url).send().await?.bytes().await };
        assert_eq!(failure_of(&result.await.expect_err("a timeout")).as_str(), "timeout");

        let client = builder_0_12().timeout(SHORT).build().expect("a client");
        let result = async { client.get(&url).send().await?.bytes().await };
        assert_eq!(failure_of(&result.await.expect_err("a timeout")).as_str(), "timeout");
    }
    let elapsed = tokio::time::timeout(SHORT, hyper_util(&servers::silent(b"").await, LONG)).await;
    assert_eq!(failure_of(&elapsed.expect_err("a timeout")).as_str(), "timeout");
}

#[tokio::test]
async fn a_streamed_upload_that_fails_is_body() {
    let url = servers::silent(b"").await;
    // The application's own failure says nothing about the peer.
    let broken = || stream::iter([Ok("half"), Err(io::Error::from(io::ErrorKind::TimedOut))]);
    let client = builder().build().expect("a client");
    let upload = client.post(&url).body(reqwest::Body::wrap_stream(broken()));
    let error = upload.send().await.expect_err("the upload failed");
    assert_eq!(failure_of(&error).as_str(), "body", "{error:?}");

    let client = builder_0_12().build().expect("a client");
    let upload = client.post(&url).body(reqwest_0_12::Body::wrap_stream(broken()));
    let error = upload.send().await.expect_err("the upload failed");
    assert_eq!(failure_of(&error).as_str(), "body", "{error:?}");
}

#[test]
fn an_error_that_is_not_known_is_other() {
    assert_eq!(failure_of(&std::fmt::Error).as_str(), "_OTHER");
}
