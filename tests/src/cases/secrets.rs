//! Cases of secrets in each place of a request. No output contains one.

use http::HeaderValue;
use obs_core::{EventOutput, Events, otel::Otel};

use crate::{
    app::CANARIES,
    client::get,
    collector::Collector,
    stacks::{Setup, Stack},
    watch::Watch,
};

pub async fn no_output_has_a_secret(stack: Stack) {
    let (output, events) = EventOutput::channel();
    let events_settings =
        Events::new().headers(["authorization", "cookie", "x-note", "x-tenant"]).output(output);
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
        for (name, value) in [
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
    assert!(watch.observer.shutdown(crate::watch::BOUND).flushed);
    let lines: Vec<_> = std::iter::from_fn(|| events.try_recv()).collect();
    assert_eq!(lines.len(), 2);
    let metrics = watch.observer.metrics_text();
    let spans = collector.spans();
    assert_eq!(spans.len(), 2);
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
    assert_eq!(event["fields"]["order"]["password"], "[REDACTED]");
    assert_eq!(event["error.message"], "no mail to [REDACTED]");
    assert_ne!(event["request_id"], jwt, "an id that is a secret is replaced");
}
