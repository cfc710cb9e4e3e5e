//! Cases of request ids in requests and responses.

use http::HeaderValue;
use obs_core::{ObserverBuilder, adapter::first_header};

use crate::{
    client::get,
    stacks::{Setup, Stack},
    watch::Watch,
};

/// Sends `/plain` with these headers, and returns the id in the response. Checks that record and
/// event have the same id.
async fn id_of(stack: Stack, watch: &Watch, headers: &[(&'static str, &'static str)], name: &str) -> String {
    let server = stack.serve(Setup::new(watch)).await;
    let mut client = server.connect().await;
    let mut request = get("/plain");
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    let answer = client.send(request).await.expect("a response");
    let record = &watch.ended(1).await[0];
    client.disconnect().await;
    server.stop().await;
    let id = answer.header(name).expect("an id").to_owned();
    assert_eq!(record.start().id.as_str(), id);
    assert_eq!(watch.lines()[0]["request_id"], id);
    id
}

/// Returns `true` for 36 characters with the version at its place.
fn is_uuid_v7(id: &str) -> bool {
    id.len() == 36 && id.as_bytes()[14] == b'7'
}

pub async fn generated(stack: Stack) {
    assert!(is_uuid_v7(&id_of(stack, &Watch::default(), &[], "x-request-id").await));
}

pub async fn inbound_kept(stack: Stack) {
    let id =
        id_of(stack, &Watch::default(), &[("x-request-id", "order-7/a.b:c+d=e@f")], "x-request-id").await;
    assert_eq!(id, "order-7/a.b:c+d=e@f");
}

pub async fn inbound_invalid(stack: Stack) {
    let id = id_of(stack, &Watch::default(), &[("x-request-id", "two words")], "x-request-id").await;
    assert!(is_uuid_v7(&id), "{id}");
}

pub async fn inbound_untrusted(stack: Stack) {
    let watch = Watch::with(|builder| builder.trust_inbound(false));
    let id = id_of(stack, &watch, &[("x-request-id", "mine")], "x-request-id").await;
    assert!(is_uuid_v7(&id), "{id}");
}

pub async fn several_names(stack: Stack) {
    let watch = Watch::with(|b| b.request_id_headers(["X-Correlation-Id", "x-request-id"]));
    let id = id_of(stack, &watch, &[("x-request-id", "theirs")], "x-correlation-id").await;
    assert_eq!(id, "theirs");
}

pub async fn own_generator(stack: Stack) {
    let watch = Watch::with(|builder| builder.request_id_generator(|_| "made-here".to_owned()));
    assert_eq!(id_of(stack, &watch, &[], "x-request-id").await, "made-here");
}

/// The generator reads the method, the path and the headers of the request.
pub async fn generated_from_the_head(stack: Stack) {
    let watch = Watch::with(|builder| {
        builder.request_id_generator(|head| {
            let tenant = first_header(head.headers, "x-tenant", |t| String::from_utf8_lossy(t).into_owned());
            format!("{}:{}:{}", head.method, head.path, tenant.unwrap_or_default())
        })
    });
    let id = id_of(stack, &watch, &[("x-tenant", "blue")], "x-request-id").await;
    assert_eq!(id, "GET:/plain:blue");
}

/// Sends `/seen` with these headers. Returns the id of its record, and the values that the service
/// found in the headers of the request.
async fn seen(
    stack: Stack,
    settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder,
    headers: &[(&'static str, &'static str)],
) -> [String; 3] {
    let watch = Watch::with(settings);
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let mut request = get("/seen");
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    let answer = client.send(request).await.expect("a response");
    let id = watch.ended(1).await[0].start().id.to_string();
    client.disconnect().await;
    server.stop().await;
    assert_eq!(answer.header("x-request-id"), Some(id.as_str()));
    let event = &watch.lines()[0];
    let text = |name: &str| match event["fields"]["seen"][name].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("no `{name}` in {event:#}"),
    };
    [id, text("id"), text("correlation")]
}

/// By default, the headers of the request stay as the caller sent them.
pub async fn request_unchanged(stack: Stack) {
    let [id, seen, correlation] = seen(stack, |builder| builder, &[("x-request-id", "two words")]).await;
    assert!(is_uuid_v7(&id), "{id}");
    assert_eq!((&*seen, &*correlation), ("two words", ""));
}

/// The service finds our id in every header of the request: new, kept, and in place of an invalid
/// or a repeated one.
pub async fn in_the_request(stack: Stack) {
    let cases: [&[(&'static str, &'static str)]; 5] = [
        &[],
        &[("x-request-id", "theirs")],
        &[("x-request-id", "two words"), ("x-request-id", "theirs"), ("x-request-id", "third")],
        &[("x-correlation-id", "theirs")],
        &[("x-request-id", "two words"), ("x-correlation-id", "4111 1111 1111 1111")],
    ];
    for headers in cases {
        let settings = |builder: ObserverBuilder| {
            let names = ["X-Request-Id", "x-correlation-id"];
            builder.request_id_headers(names).request_id_in_request(true)
        };
        let [id, seen, correlation] = seen(stack, settings, headers).await;
        assert_eq!((&seen, &correlation), (&id, &id), "{headers:?}");
        assert_eq!(id == "theirs", headers.iter().any(|(_, value)| *value == "theirs"), "{headers:?}");
    }
    // A header that is not configured stays as it is.
    let settings = |builder: ObserverBuilder| builder.trust_inbound(false).request_id_in_request(true);
    let headers = [("x-request-id", "theirs"), ("x-correlation-id", "other")];
    let [id, seen, correlation] = seen(stack, settings, &headers).await;
    assert!(is_uuid_v7(&id), "{id}");
    assert_eq!((&*seen, &*correlation), (&*id, "other"));
}

/// Our id replaces one that the response has, unless a setting keeps it. Other responses carry our
/// id in both cases.
pub async fn of_the_response(stack: Stack) {
    for keep in [false, true] {
        let watch = Watch::with(|builder| builder.keep_response_id(keep));
        let server = stack.serve(Setup::new(&watch)).await;
        let mut client = server.connect().await;
        for path in ["/own-id", "/plain", "/livez", "/panic-before"] {
            let answer = client.send(get(path)).await.expect("a response");
            let id = answer.header("x-request-id").expect("an id");
            assert_eq!(id == "of-the-response", keep && path == "/own-id", "{path}: {id}");
        }
        let records = watch.ended(4).await;
        assert!(records.iter().all(|record| is_uuid_v7(record.start().id.as_str())));
        client.disconnect().await;
        server.stop().await;
    }
}

/// Responses to errors, panics and unknown paths have the id, too.
pub async fn always_returned(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    for path in ["/fail", "/panic-before", "/panic-call", "/nowhere", "/early", "/no-content", "/livez"] {
        let mut request = get(path);
        request.headers_mut().insert("x-request-id", HeaderValue::from_static("given"));
        let answer = client.send(request).await.expect("a response");
        assert_eq!(answer.header("x-request-id"), Some("given"), "{path}");
    }
    client.disconnect().await;
    server.stop().await;
}
