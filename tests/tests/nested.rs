//! A test of the application's own spans, from OpenTelemetry's API and from `tracing`: they are
//! children of the request's span. The subscriber is global, so this is the only test of its
//! process.

use std::collections::BTreeMap;

use obs_core::otel::{Otel, opentelemetry::trace::TracerProvider as _};
use obs_tests::{
    client::get,
    collector::Collector,
    stacks::{Framework, Setup, Stack},
    watch::{BOUND, Watch},
};
use tracing_subscriber::layer::SubscriberExt as _;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_children_of_the_request_on_every_stack() {
    let collector = Collector::start();
    let watch = Watch::with(|builder| builder.otel(Otel::new().endpoint(collector.endpoint())));
    let tracer = watch.observer.tracer_provider().tracer("application");
    // Only the spans of the application, not those of the frameworks.
    let own = tracing_subscriber::filter::filter_fn(|metadata| metadata.target().starts_with("obs_tests"));
    let layer = tracing_opentelemetry::layer().with_tracer(tracer.clone());
    let layer = tracing_subscriber::Layer::with_filter(layer, own);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).expect("the first");

    let frameworks = [Framework::Axum, Framework::Tower, Framework::Actix];
    for framework in frameworks {
        let setup = Setup::new(&watch);
        setup.world.tracer.set(tracer.clone()).expect("set once");
        let server = Stack { framework, http2: false }.serve(setup).await;
        let mut client = server.connect().await;
        assert_eq!(client.send(get("/nested")).await.expect("a response").status, 200);
        client.disconnect().await;
        server.stop().await;
    }
    assert!(watch.observer.shutdown(BOUND).flushed);
    let records = watch.ended(frameworks.len()).await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 6 * frameworks.len(), "each is exported once: {spans:#?}");
    for record in &records {
        let trace = record.start().trace.trace_id.to_string();
        let of_trace = spans.iter().filter(|span| span.trace_id == trace);
        let by_name: BTreeMap<_, _> = of_trace.map(|span| (span.name.as_str(), span)).collect();
        let parent = |name: &str| by_name[name].parent_span_id.as_deref();
        let id = |name: &str| Some(by_name[name].span_id.as_str());
        assert_eq!(by_name.len(), 6, "{by_name:#?}");
        assert_eq!(parent("GET /nested"), None);
        assert_eq!(id("GET /nested"), Some(record.start().trace.span_id.to_string().as_str()));
        for (child, above) in [
            ("by-api", "GET /nested"),
            ("below-api", "by-api"),
            ("instrumented", "GET /nested"),
            ("below-tracing", "instrumented"),
            ("spawned", "GET /nested"),
        ] {
            assert_eq!(parent(child), id(above), "{child}");
            assert_eq!(by_name[child].kind, "INTERNAL");
            assert!(by_name[child].scope == "application");
        }
        // A call inside a span is a child of that span.
        let injected = format!("{:?}", record.fields.get("injected").expect("a field"));
        assert!(injected.contains(&by_name["by-api"].span_id), "{injected}");
    }
}
