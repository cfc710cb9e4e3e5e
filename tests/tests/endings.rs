//! Tests of each way in which a request can end, on both example services. The event of each
//! request has the outcome.

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use obs_tests::{
    client::{Answer, Client, get},
    process::{Service, temporary},
    programs::example,
    watch::BOUND,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A running service and its name.
struct Tried {
    service: Service,
    name: &'static str,
}

/// A request whose id is made from its path, to find its event.
fn named(path: &str) -> Request<Full<Bytes>> {
    let mut request = get(path);
    request.headers_mut().insert("x-request-id", HeaderValue::from_str(&id(path)).expect("a value"));
    request
}

/// The request id for a path: its letters and digits.
fn id(path: &str) -> String {
    path.chars().filter(char::is_ascii_alphanumeric).collect()
}

impl Tried {
    async fn client(&self) -> Client {
        Client::connect(self.service.addr, false).await
    }

    async fn event(&self, path: &str) -> Value {
        self.service.event(self.name, &id(path)).await
    }

    /// Sends a request, reads the complete response, and checks the event.
    async fn whole(&self, path: &str, status: u16, outcome: &str) -> (Answer, Value) {
        let answer = self.client().await.send(named(path)).await.expect("an answer");
        let event = self.event(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(event["http.response.status_code"], status, "{event}");
        assert_eq!(event["outcome"], outcome, "{event}");
        assert!(event.get("stream").is_none(), "{event}");
        (answer, event)
    }

    /// Disconnects after the first frame of the body, and checks the event.
    async fn disconnect_in_body(&self, path: &str) -> Value {
        let mut client = self.client().await;
        let mut response = client.open(named(path)).await.expect("a head");
        response.frame().await.expect("a frame").expect("no error");
        client.disconnect().await;
        let event = self.event(path).await;
        assert_eq!(event["outcome"], "cancelled_in_body", "{event}");
        assert_eq!(event["http.response.status_code"], 200, "{event}");
        event
    }

    async fn disconnect_before_head(&self, path: &str) -> Value {
        let mut client = self.client().await;
        let answer = {
            let mut open = Box::pin(client.open(named(path)));
            tokio::select! {
                answer = &mut open => Some(answer),
                () = self.in_flight(2) => None, // this request and the scrape
            }
        };
        assert!(answer.is_none(), "there is no response yet");
        client.disconnect().await;
        self.event(path).await
    }

    /// Waits until `n` requests are running.
    async fn in_flight(&self, n: u32) {
        let sample = format!("http_requests_in_flight{{method=\"GET\"}} {n}\n");
        let seen = async {
            while !self
                .client()
                .await
                .send(get("/metrics"))
                .await
                .expect("an answer")
                .text()
                .contains(&sample)
            {}
        };
        tokio::time::timeout(BOUND, seen).await.expect("so many requests run");
    }

    /// Checks that the WebSocket echoes `hi`.
    async fn echo(&self) {
        let mut request = named("/ws");
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let response = self.client().await.open(request).await.expect("a head");
        assert_eq!(response.status(), 101);
        let mut socket = TokioIo::new(hyper::upgrade::on(response).await.expect("a socket"));
        // A final text frame of two bytes. A client must mask its frames, and zeros are a valid
        // mask.
        socket.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.expect("sent");
        let mut said = [0; 4];
        socket.read_exact(&mut said).await.expect("an echo");
        assert_eq!(said, [0x81, 0x02, b'h', b'i']);
    }
}

async fn every_ending(tried: Tried) {
    let (_, event) = tried.whole("/items", 200, "completed").await;
    assert_eq!(event["http.route"], "/items");
    let (_, event) = tried.whole("/items/1", 200, "completed").await;
    assert_eq!((&event["http.route"], &event["fields"]["item"]["id"]), (&json!("/items/{id}"), &json!(1)));
    let (_, event) = tried.whole("/items/99", 404, "completed").await;
    assert_eq!(event["error.message"], "there is no item 99");
    assert!(event.get("error.type").is_none(), "not a failure of the service: {event}");
    tried.whole("/items/x", 400, "completed").await;
    tried.whole("/slow?ms=x", 400, "completed").await;

    tried.whole("/slow?ms=1", 200, "completed").await;
    let event = tried.disconnect_before_head("/slow?ms=60000").await;
    assert_eq!(event["outcome"], "cancelled_before_response", "{event}");
    assert!(event.get("http.response.status_code").is_none(), "{event}");

    let (answer, _) = tried.whole("/stream?chunks=3&ms=1", 200, "completed").await;
    assert_eq!(answer.text(), "chunk 1\nchunk 2\nchunk 3\n");
    let event = tried.disconnect_in_body("/stream?chunks=1000&ms=10").await;
    assert!(event.get("stream").is_none(), "a long download is not a stream: {event}");
    let event = tried.disconnect_in_body("/ticks").await;
    assert_eq!(event["stream"], true, "{event}");

    tried.echo().await;
    let event = tried.event("/ws").await;
    assert_eq!((&event["outcome"], &event["stream"]), (&json!("upgraded"), &json!(true)), "{event}");

    let (answer, event) = tried.whole("/boom", 500, "panic").await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(problem["request_id"], id("/boom"));
    assert!(event["error.location"].as_str().expect("a location").contains("endings.rs"), "{event}");

    let mut response = tried.client().await.open(named("/boom-body")).await.expect("a head");
    assert_eq!(response.status(), 200);
    response.frame().await.expect("a frame").expect("a first chunk");
    assert!(response.frame().await.expect("an end").is_err(), "the connection is closed");
    let event = tried.event("/boom-body").await;
    assert_eq!((&event["outcome"], &event["error.type"]), (&json!("panic"), &json!("panic")), "{event}");
    assert_eq!(event["http.response.status_code"], 200, "{event}");

    let (_, event) = tried.whole("/fail", 500, "completed").await;
    let sources = event["error.sources"].as_array().expect("sources");
    assert!(sources.contains(&json!("invalid digit found in string")), "{event}");
    assert!(event["error.message"].as_str().expect("a message").contains("cannot be"), "{event}");

    let Tried { service, .. } = tried;
    service.signal("TERM");
    let (status, events) = service.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert_eq!(events.len(), 14, "one event per request: {events:#?}");
}

#[tokio::test]
async fn endings_of_the_shop_on_axum() {
    let file = temporary("endings.db");
    let database = format!("sqlite://{}?mode=rwc", file.display());
    let service = Service::announced("shop", &example("axum-shop"), &[("DATABASE_URL", &database)]).await;
    every_ending(Tried { service, name: "shop" }).await;
    std::fs::remove_file(file).expect("removed");
}

#[tokio::test]
async fn endings_of_payments_on_actix() {
    let service = Service::announced("payments", &example("actix-payments"), &[]).await;
    every_ending(Tried { service, name: "payments" }).await;
}
