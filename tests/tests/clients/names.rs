//! The names of calls, and the properties that belong to one client.

use std::{error::Error as _, time::Duration};

use http::{Extensions, HeaderMap, HeaderValue, header::AUTHORIZATION};
use obs_client::{
    CallBody, ClientExt,
    reqwest::{CallMiddleware, RequestBuilderExt, ReqwestExt},
};
use obs_core::{current, output::Record};
use obs_tests::{
    peers::{
        abrupt,
        answer::answering,
        fails_first::{Failure, RECOVERED, failing_first},
        redirect::{ARRIVED, redirecting},
        slow::slow_response,
    },
    watch::Watch,
};
use reqwest_middleware::{Middleware, Next};
use tower::{Layer, Service, ServiceExt};

use super::{
    exchange::Exchange,
    kinds::{NAME, REQWEST, v013},
    seen::{Call, in_request},
};

fn builder() -> reqwest::ClientBuilder {
    v013::builder(&Exchange::get(""))
}

fn dependency(record: &Record) -> &'static str {
    record.call().expect("a call").start.dependency.as_str()
}

#[tokio::test]
async fn without_a_name_the_host_is_the_dependency() {
    let peer = answering(200, "paid");
    let watch = Watch::default();
    let url = peer.url("/payments/7");

    let client = watch.observer.reqwest().client(builder()).build().expect("a client");
    client.get(&url).operation("GET /payments/{id}").send().await.expect("a response");
    let tower = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    let mut tower = watch.observer.client_layer().layer(tower.build_http());
    let request = http::Request::get(&url).body(http_body_util::Empty::<bytes::Bytes>::new());
    let response: http::Response<CallBody<_>> = tower.call(request.unwrap()).await.expect("a response");
    drop(response); // the application needs only the head
    let middleware = reqwest_middleware::ClientBuilder::new(builder().build().expect("a client"))
        .with(CallMiddleware::new(&watch.observer))
        .build();
    middleware.get(&url).send().await.expect("a response");

    let records = watch.calls();
    assert_eq!(records.len(), 3);
    for record in &records {
        assert_eq!(dependency(record), peer.addr().to_string());
        assert_eq!(record.call().unwrap().end.error_type(), None, "{record:#?}");
    }
    assert_eq!(records[0].call().unwrap().start.operation.as_deref(), Some("GET /payments/{id}"));
}

#[tokio::test]
async fn outside_of_work_an_existing_client_needs_an_observer() {
    let peer = answering(200, "paid");
    let watch = Watch::default();
    let client = builder().build().expect("a client");
    let unobserved = client.get(peer.url("/")).observed(NAME).send().await.expect("a response");
    assert_eq!(unobserved.text().await.expect("a body"), "paid");
    assert_eq!(peer.received()[0].header("traceparent"), None);

    let observed = client.get(peer.url("/")).observed(NAME).observer(&watch.observer);
    observed.send().await.expect("a response");
    assert!(peer.received()[1].header("traceparent").is_some());
    let records = watch.calls();
    assert_eq!((records.len(), dependency(&records[0])), (1, NAME));
}

#[tokio::test]
async fn an_existing_client_of_an_internal_peer_sends_baggage() {
    let peer = answering(200, "paid");
    let client = builder().build().expect("a client");
    let (answer, seen) = in_request(
        |builder| builder,
        async |_| {
            let request = client.get(peer.url("/")).observed(NAME).internal();
            request.send().await.expect("a response").text().await
        },
    )
    .await;
    assert_eq!(answer.expect("a body"), "paid");
    super::seen::check_internal("internal", &peer.received()[0], true);
    seen.is_parent(0, &peer.received()[0]);
}

#[tokio::test]
async fn a_client_is_a_tower_service() {
    let peer = redirecting(302, "/end");
    let (answer, seen) = in_request(
        |builder| builder,
        async |observer| {
            let mut client =
                observer.reqwest().client(self::builder()).named(NAME).build().expect("a client");
            let request = client.get(peer.url("/")).build().expect("a request");
            client.ready().await.expect("ready").call(request).await.expect("a response").text().await
        },
    )
    .await;
    assert_eq!(answer.expect("a body"), ARRIVED);
    seen.check("a service", &[Call::success(302), Call::success(200).resend(1)]);
}

#[tokio::test]
async fn json_and_forms_are_sent() {
    let peer = answering(200, "paid");
    let watch = Watch::default();
    let client = watch.observer.reqwest().client(builder()).build().expect("a client");
    client.post(peer.url("/")).json(&serde_json::json!({ "a": 1 })).send().await.expect("a response");
    client.post(peer.url("/")).query(&[("q", "x y")]).form(&[("b", "2")]).send().await.expect("a response");
    let received = peer.received();
    assert_eq!(received[0].body, br#"{"a":1}"#);
    assert_eq!(received[0].header("content-type"), Some("application/json"));
    assert_eq!((received[1].body.as_slice(), received[1].target.query()), (&b"b=2"[..], Some("q=x+y")));
}

/// A proxy copies the headers of its caller.
#[tokio::test]
async fn the_parent_of_a_forwarded_request_is_replaced() {
    let peer = answering(200, "paid");
    let (answer, seen) = in_request(
        |builder| builder,
        async |observer| {
            let client = observer.reqwest().client(self::builder()).named(NAME).build().expect("a client");
            let request = client.get(peer.url("/")).header("tracestate", "stale=1").header("x-own", "kept");
            let request =
                request.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
            request.send().await.expect("a response").text().await
        },
    )
    .await;
    assert_eq!(answer.expect("a body"), "paid");
    seen.is_parent(0, &peer.received()[0]);
    assert_eq!(peer.received()[0].header("tracestate"), None, "it belongs to the other parent");
    assert_eq!(peer.received()[0].header("x-own"), Some("kept"));
}

/// The call by hand names the observed call that runs inside of it.
#[tokio::test]
async fn a_call_by_hand_does_not_count_twice() {
    for kind in REQWEST {
        let peer = answering(200, "paid");
        let exchange = Exchange::get(peer.url("/payments"));
        let (_, seen) = in_request(
            |builder| builder,
            async |observer| {
                current().call(NAME).observe(kind.send(observer, &exchange)).await.expect("a response")
            },
        )
        .await;
        seen.check(&format!("{kind:?}"), &[Call::success(200)]);
    }
}

#[tokio::test]
async fn a_client_with_credentials_in_its_default_headers_is_rejected() {
    let watch = Watch::default();
    let mut credentials = HeaderMap::new();
    credentials.insert(AUTHORIZATION, HeaderValue::from_static("Bearer hunter2"));
    let built = watch.observer.reqwest().client(builder().default_headers(credentials.clone())).build();
    let error = built.expect_err("reqwest would send them to any host");
    assert!(error.to_string().contains("`authorization`"), "{error}");
    assert!(error.source().is_none() && !format!("{error:?}").contains("hunter2"));

    // Here they are known, so they do not go to another host.
    let other = redirecting(302, "/");
    let peer = redirecting(302, &other.url("/end"));
    credentials.insert("x-own", HeaderValue::from_static("kept"));
    let harmless = HeaderMap::from_iter([("x-harmless".parse().unwrap(), HeaderValue::from_static("yes"))]);
    let client = watch.observer.reqwest().client(builder().default_headers(harmless));
    let client = client.default_headers(credentials).build().expect("a client");
    client.get(peer.url("/")).send().await.expect("a response");
    let (first, second) = (&peer.received()[0], &other.received()[0]);
    assert_eq!(first.header("authorization"), Some("Bearer hunter2"));
    assert_eq!(second.header("authorization"), None);
    for request in [first, second] {
        assert_eq!((request.header("x-own"), request.header("x-harmless")), (Some("kept"), Some("yes")));
    }
}

#[tokio::test]
async fn redirects_and_retries_can_be_switched_off() {
    let peer = redirecting(302, "/");
    let watch = Watch::default();
    let client = watch.observer.reqwest().client(builder()).no_redirects().build().expect("a client");
    assert_eq!(client.get(peer.url("/")).send().await.expect("a response").status(), 302);
    let client = watch.observer.reqwest().client(builder()).redirects(2).referer(false).build();
    let error = client.expect("a client").get(peer.url("/")).send().await.expect_err("too many");
    assert!(error.is_redirect(), "{error:?}");
    assert_eq!(peer.received().len(), 1 + 3);
    assert!(peer.received().iter().all(|request| request.header("referer").is_none()));

    let peer = obs_tests::peers::http2::refusing_streams(1);
    let http2 = builder().http2_prior_knowledge();
    let client = watch.observer.reqwest().client(http2).retries(0).build().expect("a client");
    client.get(peer.url("/")).send().await.expect_err("a refusal");
    assert_eq!(peer.received().len(), 1);
}

/// The time includes all attempts and the body.
#[tokio::test]
async fn a_timeout_is_for_all_attempts() {
    let (slow, _gate) = slow_response();
    let stalled = abrupt::stalled_body();
    for (peer, status) in [(&slow, None), (&stalled, Some(200))] {
        let redirecting = redirecting(302, &peer.url("/"));
        let (answer, seen) = in_request(
            |builder| builder,
            async |observer| {
                let client = observer.reqwest().client(self::builder()).named(NAME);
                let client = client.timeout(Duration::from_secs(1)).build().expect("a client");
                client.get(redirecting.url("/")).send().await?.text().await
            },
        )
        .await;
        assert!(answer.expect_err("a timeout").is_timeout());
        let last = Call { status, ..Call::failed("timeout") };
        seen.check("a timeout", &[Call::success(302), last.resend(1)]);
    }
}

/// A middleware that sends a request again until it succeeds.
struct Stubborn;

#[async_trait::async_trait]
impl Middleware for Stubborn {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        loop {
            let again = request.try_clone().expect("a whole body");
            match next.clone().run(again, extensions).await {
                Ok(response) if response.status().is_success() => return Ok(response),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_retry_of_another_middleware_is_a_call() {
    for (failure, failed) in [
        (Failure::Status(503), Call { error: Some("503"), ..Call::success(503) }),
        (Failure::Close, Call::failed("incomplete")),
    ] {
        let peer = failing_first(2, failure);
        let (answer, seen) = in_request(
            |builder| builder,
            async |observer| {
                let client =
                    reqwest_middleware::ClientBuilder::new(self::builder().build().expect("a client"))
                        .with(Stubborn)
                        .with(CallMiddleware::new(observer).named(NAME))
                        .build();
                client.get(peer.url("/")).send().await.expect("a response").text().await
            },
        )
        .await;
        assert_eq!(answer.expect("a body"), RECOVERED);
        seen.check("a retry", &[failed, failed.resend(1), Call::success(200).resend(2)]);
        for (n, request) in peer.received().iter().enumerate() {
            seen.is_parent(n, request);
        }
    }
}
