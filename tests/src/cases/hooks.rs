//! Cases of the functions of the application that an observer calls for each request.

use http::HeaderValue;
use obs_core::{Value, adapter::first_header, current};

use super::{send_all, spans::Traced};
use crate::{
    client::get,
    of_request::OfRequest as _,
    stacks::{Setup, Stack},
    watch::Watch,
};

/// A function sees the head at the start, in the scope of the request, and sets fields and the
/// user. Secrets in them are masked. It is not called for endpoints.
pub async fn at_the_start(stack: Stack) {
    let watch = Watch::with(|builder| {
        builder.on_start(|head, work| {
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let tenant = first_header(head.headers, "x-tenant", text).unwrap_or_default();
            work.set("tenant", tenant);
            work.set("query", head.query.unwrap_or("none"));
            current().set("same.request", current().id() == work.id());
            work.user("42");
        })
    });
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    for (n, tenant) in ["blue", "canary@example.com"].into_iter().enumerate() {
        let mut request = get("/items/7?a=b");
        request.headers_mut().insert("x-tenant", HeaderValue::from_static(tenant));
        assert_eq!(client.send(request).await.expect("a response").status, 200);
        watch.ended(n + 1).await;
    }
    client.send(get("/livez")).await.expect("a response");
    let records = watch.ended(3).await;
    client.disconnect().await;
    server.stop().await;
    let field = |n: usize, key: &str| records[n].fields.get(key).cloned();
    assert_eq!(field(0, "tenant"), Some(Value::from("blue")));
    assert_eq!(field(1, "tenant"), Some(Value::from("[REDACTED]")));
    assert_eq!(field(0, "query"), Some(Value::from("a=b")));
    assert_eq!(field(0, "same.request"), Some(Value::from(true)));
    assert_eq!(field(0, "greeting"), Some(Value::from("hi")), "with the fields of the handler");
    assert_eq!(field(2, "tenant"), None);
    assert_eq!(watch.lines()[0]["fields"]["tenant"], "blue");
    assert_eq!(watch.lines()[0]["user.id"], "42");
}

/// A function that panics affects no request.
pub async fn that_panic(stack: Stack) {
    let watch = Watch::with(|builder| {
        let builder = builder.on_start(|_, _| panic!("at the start"));
        builder.classify_errors(|_| panic!("in the classifier"))
    });
    send_all(stack, &watch, &["/plain", "/fail"]).await;
    let records = watch.ended(2).await;
    let ends: Vec<_> = records.iter().map(|record| (record.outcome.as_str(), record.end().status)).collect();
    assert_eq!(ends, [("completed", Some(200)), ("completed", Some(500))]);
    assert!(records.iter().all(|record| record.panic.is_none()));
    assert!(records[0].error_type().is_none() && records[1].error_type().is_some());
}

/// A function decides which requests count as failed. All outputs follow it.
pub async fn classify_errors(stack: Stack) {
    let traced = Traced::with(
        |otel| otel,
        |builder| {
            builder.classify_errors(|record| {
                current().set("classified", true);
                match record.request()?.end.status {
                    Some(418) => Some("teapot"),
                    Some(500) => None,
                    _ => record.error_type(),
                }
            })
        },
    );
    let watch = &traced.watch;
    send_all(stack, watch, &["/teapot", "/fail", "/fail-kind", "/plain"]).await;
    let records = watch.ended(4).await;
    let kinds: Vec<_> = records.iter().map(|record| record.error_type()).collect();
    assert_eq!(kinds, [Some("teapot"), None, Some("bank_is_closed"), None]);
    assert_eq!(watch.metric("http_request_errors_total", r#"endpoint="/teapot",error_type="teapot""#), 1.0);
    assert_eq!(watch.metric("http_request_errors_total", r#"endpoint="/fail""#), 0.0);
    assert_eq!(watch.metric("http_request_errors_total", ""), 2.0);
    let of_events: Vec<_> = watch.lines().iter().map(|line| line["error.type"].clone()).collect();
    assert_eq!(of_events, [Some("teapot"), None, Some("bank_is_closed"), None].map(serde_json::Value::from));
    let spans = traced.spans();
    let failed: Vec<_> = spans.iter().map(|span| span.status.0).collect();
    assert_eq!(failed, ["ERROR", "UNSET", "ERROR", "UNSET"]);
}
