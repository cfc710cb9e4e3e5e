//! Cases of request ids in requests and responses.

use http::HeaderValue;

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
    let watch = Watch::with(|builder| builder.request_id_generator(|| "made-here".to_owned()));
    assert_eq!(id_of(stack, &watch, &[], "x-request-id").await, "made-here");
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
