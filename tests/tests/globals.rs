//! A test of the one call that sets the globals of the process, for libraries that read them. It is
//! the only test of its process.

use std::collections::HashMap;

use obs_core::{
    Outcome,
    adapter::{HeaderLookup, RequestHead},
    current,
    otel::{
        Otel,
        opentelemetry::{
            Context,
            baggage::BaggageExt as _,
            global,
            trace::{TraceContextExt as _, Tracer as _},
        },
    },
    trace::Propagator,
};
use obs_tests::{
    collector::Collector,
    watch::{BOUND, Watch},
};

struct Pairs(&'static [(&'static str, &'static str)]);

impl HeaderLookup for Pairs {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| f(value.as_bytes()));
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn libraries_use_the_provider_and_the_formats_of_the_observer() {
    let collector = Collector::start();
    let watch = Watch::with(|builder| {
        let formats = [Propagator::TraceContext, Propagator::Baggage, Propagator::B3];
        builder.propagators(formats).otel(Otel::new().endpoint(collector.endpoint()))
    });
    // Before the call, obs has set no global.
    let mut nothing = HashMap::new();
    global::get_text_map_propagator(|global| global.inject(&mut nothing));
    assert!(nothing.is_empty());
    global::tracer("library").in_span("before", |_| ());

    watch.observer.install_otel_globals();
    // A `tracestate` key of Trace Context level 2, which the SDK does not support.
    let headers = Pairs(&[
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"),
        ("tracestate", "1tenant@@vendor=a"),
        ("baggage", "tenant=blue%20team"),
    ]);
    let observation = watch.observer.start(&RequestHead::new("GET", "/", &headers));
    let mut carried = HashMap::new();
    observation.work().run(|| {
        assert!(current().is_active());
        global::tracer("library").in_span("library", |context| {
            assert_eq!(context.baggage().get("tenant").map(|value| value.as_str()), Some("blue team"));
            global::get_text_map_propagator(|global| global.inject_context(&context, &mut carried));
        });
    });
    observation.finish(Outcome::Completed);
    assert!(watch.observer.shutdown(BOUND).flushed);
    let spans = collector.spans();
    let library = spans.iter().find(|span| span.name == "library").expect("a span of the library");
    let request = spans.iter().find(|span| span.name == "GET").expect("the request's span");
    assert_eq!((spans.len(), library.parent_span_id.as_ref()), (2, Some(&request.span_id)));
    assert_eq!(carried["traceparent"], format!("00-{TRACE}-{}-03", library.span_id));
    assert_eq!(carried["tracestate"], "1tenant@@vendor=a");
    assert_eq!(carried["baggage"], "tenant=blue%20team");
    assert_eq!(carried["b3"], format!("{TRACE}-{}-1", library.span_id));

    // The other direction, with strict parsers: an invalid `traceparent` is ignored.
    let read = |carrier: &HashMap<String, String>| {
        global::get_text_map_propagator(|global| global.extract_with_context(&Context::new(), carrier))
    };
    let context = read(&carried);
    assert_eq!(context.span().span_context().trace_id().to_string(), TRACE);
    assert!(context.span().span_context().is_remote());
    assert_eq!(context.baggage().get("tenant").map(|value| value.as_str()), Some("blue team"));
    let broken = HashMap::from([("traceparent".to_owned(), carried["traceparent"].to_uppercase())]);
    assert!(!read(&broken).span().span_context().is_valid());
}
