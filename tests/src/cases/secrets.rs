//! Cases of secrets in each place of a request. No output contains one.

use std::{io, process::Command};

use http::HeaderValue;
use obs_core::{
    EventOutput, Events, Redaction,
    otel::Otel,
    output::{Batch, BatchSink, Delivered, Failure},
};

use crate::{
    app::CANARIES,
    client::get,
    collector::{Behaviour, Collector},
    stacks::{Setup, Stack},
    watch::{BOUND, Watch},
};

/// The variable that tells a process to do the work of which its parent checks the standard error.
const CHILD: &str = "OBS_TEST_STANDARD_ERROR";

/// A secret of the application, and one in a URL. Each message on standard error contains both.
const TICKET: &str = "TCK-12345678";
const DATABASE: &str = "postgres://shop:hunter2-canary@db.internal/shop";

/// A key in a `tracestate`.
const KEY: &str = "ghp_0123456789abcdefABCDEF0123456789abcd";

/// Characters that change colours or the direction of a text, or begin a new line.
const UNPRINTABLE: &str = "\u{1b}[31m\u{202e}\r\nobs: forged\u{2028}";

/// A sink that accepts nothing. Its error contains secrets.
struct SinkThatRefuses;

impl BatchSink for SinkThatRefuses {
    fn send(&mut self, _: &Batch<'_>) -> Result<Delivered, Failure> {
        Err(Failure::never(said()))
    }
}

fn said() -> String {
    let [.., password] = CANARIES;
    format!("{DATABASE} refused {TICKET}{UNPRINTABLE}: {} password={password}", CANARIES[..5].join(", "))
}

/// The errors of health checks, the answers of a collector and the errors of sinks reach the
/// standard error of a process without secrets, each on one line.
///
/// The test starts itself as a process, whose standard error nothing else writes to.
pub async fn standard_error_has_no_secret(stack: Stack) {
    if std::env::var_os(CHILD).is_some() {
        return fail_in_every_way(stack).await;
    }
    let protocol = if stack.http2 { "h2" } else { "h1" };
    let framework = format!("{:?}", stack.framework).to_lowercase();
    let test = format!("{framework}_{protocol}::secrets::standard_error_has_no_secret");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "--nocapture", &test]).env(CHILD, "1");
    let output = command.output().expect("the process runs");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{text}");
    for expected in [
        "obs: warning: health check `db` fails: postgres://[REDACTED]@db.internal/shop refused [REDACTED]",
        "obs: warning: cannot deliver events to the output refuses: postgres://[REDACTED]@db.internal/shop",
        "rejected 1 spans of a batch: \"postgres://[REDACTED]@db.internal/shop refused [REDACTED]",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    for secret in CANARIES.iter().chain(&[TICKET, DATABASE]) {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let hidden = |c: char| c != '\n' && (c.is_control() || ['\u{202e}', '\u{2028}'].contains(&c));
    assert!(!text.contains(hidden), "{text:?}");
    assert!(!text.contains("\nobs: forged"), "{text:?}");
}

async fn fail_in_every_way(stack: Stack) {
    let collector = Collector::start();
    collector.answer(Behaviour::Reject { spans: 1, message: said() });
    let otel = Otel::new().endpoint(collector.endpoint());
    let events = Events::new().output(EventOutput::batches(SinkThatRefuses).named("refuses"));
    let watch = Watch::with(|builder| {
        builder
            .redaction(Redaction::new().pattern("ticket", "TCK-[0-9]{8}"))
            .events(events)
            .otel(otel)
            .check("db", || async { Err(io::Error::other(said())) })
    });
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    assert_eq!(client.send(get("/readyz")).await.expect("an answer").status, 503);
    assert_eq!(client.send(get("/plain")).await.expect("an answer").status, 200);
    client.disconnect().await;
    server.stop().await;
    watch.observer.shutdown(BOUND);
}

pub async fn no_output_has_a_secret(stack: Stack) {
    let (output, events) = EventOutput::channel();
    let events_settings =
        Events::new().headers(["authorization", "cookie", "referer", "x-note", "x-tenant"]).output(output);
    let collector = Collector::start();
    let otel = Otel::new().endpoint(collector.endpoint());
    let watch = Watch::with(|builder| builder.events(events_settings).otel(otel));
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let [email, jwt, card, iban, bearer, password] = CANARIES;
    let (email_in_url, card_in_url) = (email.replace('@', "%40"), card.replace(' ', "%20"));
    for path in ["/canary", "/canary-panic"] {
        let path = format!(
            "{path}/{email_in_url}?token={password}&next={jwt}&card={card_in_url}&to={email_in_url}&page=2"
        );
        let mut request = get(&path);
        let state = format!("congo={KEY},rojo=00f067aa0ba902b7");
        let referer =
            format!("https://app:{password}@shop.example.com/{email_in_url}?state={password}&page=3");
        // The client of HTTP/2 takes the host from the URL.
        let host = (!stack.http2).then(|| ("host", jwt.to_owned()));
        let more = [("tracestate", state), ("referer", referer)].into_iter().chain(host);
        for (name, value) in more {
            request.headers_mut().insert(name, HeaderValue::from_str(&value).expect("valid"));
        }
        for (name, value) in [
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("authorization", bearer),
            ("cookie", password),
            ("x-note", iban),
            ("x-tenant", email),
            ("user-agent", jwt),
            ("x-request-id", jwt),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let answer = client.send(request).await.expect("a response");
        assert_eq!(answer.status, 500);
        let answered = format!("{answer:?}");
        CANARIES.iter().for_each(|canary| assert!(!answered.contains(canary), "{canary} in {answered}"));
    }
    let records = watch.ended(2).await;
    client.disconnect().await;
    server.stop().await;
    assert!(watch.observer.shutdown(BOUND).flushed);
    let lines: Vec<_> = std::iter::from_fn(|| events.try_recv()).collect();
    assert_eq!(lines.len(), 2);
    let metrics = watch.observer.metrics_text();
    let spans = collector.spans();
    assert_eq!(spans.len(), 4, "each request makes one call");
    let outputs = [lines.join("\n"), format!("{records:#?}"), metrics, format!("{spans:#?}")];
    for output in &outputs {
        for canary in CANARIES.iter().copied().chain([email_in_url.as_str(), card_in_url.as_str()]) {
            assert!(!output.contains(canary), "{canary} in {output}");
        }
    }
    let event: serde_json::Value = serde_json::from_str(&lines[0]).expect("JSON");
    crate::watch::fulfils_the_schema(&event);
    assert!(
        event["url.query"].as_str().is_some_and(|query| query.contains("page=2")),
        "the rest of the query is kept: {event}"
    );
    let referer = &event["http.request.header.referer"][0];
    assert_eq!(*referer, "https://[REDACTED]@shop.example.com/[REDACTED]?state=REDACTED&page=3", "{event}");
    // A record keeps the original, which is passed on.
    assert!(!format!("{spans:#?}{lines:?}").contains(KEY));
    assert_eq!(spans[0].trace_state, "congo=[REDACTED],rojo=00f067aa0ba902b7");
    assert_eq!(event["fields"]["order"]["password"], "[REDACTED]");
    assert_eq!(event["error.message"], "no mail to [REDACTED]");
    assert_ne!(event["request_id"], jwt, "an id that is a secret is replaced");
}
