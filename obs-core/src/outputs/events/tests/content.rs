//! Tests of filters, formats and settings.

use std::io;

use super::{LONG, Shared, observer};
use crate::{
    http::head::RequestHead,
    observer::Observer,
    outputs::events::{
        output::{EventFormat, EventOutput},
        settings::Events,
    },
    record::{identity::Identity, outcome::Outcome},
};

#[test]
fn each_output_has_a_filter_and_rules_keep_events_that_the_rate_drops() {
    let (all, orders) = (Shared::default(), Shared::default());
    let only_orders = EventOutput::writer(orders.clone()).named("orders");
    let events = Events::new()
        .keep(|event| event.outcome == Outcome::ServiceError)
        .sample_rate(0.0)
        .exclude_routes(["/quiet/*"])
        .output(EventOutput::writer(all.clone()))
        .output(
            only_orders
                .filter(|event| event.request().is_some_and(|request| request.start.path() == "/orders")),
        );
    let observer = observer(events);
    for (path, route, outcome) in [
        ("/orders", "/orders", Outcome::ServiceError),
        ("/items", "/items", Outcome::ServiceError),
        ("/items", "/items", Outcome::Completed),
        ("/quiet/a", "/quiet/{id}", Outcome::ServiceError),
    ] {
        let mut observation = observer.start(&RequestHead::new("GET", path, &()));
        observation.set_route(route);
        observation.finish(outcome);
    }
    assert!(observer.shutdown(LONG).flushed);
    assert_eq!(all.text().lines().count(), 2);
    assert!(all.text().lines().all(|line| line.contains(r#""sample_rate":1"#)), "{}", all.text());
    assert_eq!(orders.text().lines().count(), 1);
}

#[test]
fn readable_events_are_one_line_without_control_characters() {
    let output = Shared::default();
    let observer = observer(EventOutput::writer(output.clone()).format(EventFormat::Readable));
    let observation = observer.start(&RequestHead::new("GET", "/\x1b[2Jitems\nfake", &()));
    let invisible = "\u{61c}\u{200f}\u{202e}\u{2028}\u{2029}\u{2066}\u{e0041}";
    observation.work().error(&io::Error::other(format!("x{invisible}y")));
    observation.work().set("name", "a\nb");
    observation.work().user("42");
    observation.finish(Outcome::ServiceError);
    assert!(observer.shutdown(LONG).flushed);
    let text = output.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("items") && !text.contains("\x1b[2J") && text.contains("a·b"), "{text}");
    assert!(text.contains("x·······y"), "{text}");
}

/// The readable line of a request of this service, without colours, and its trace id.
fn readable(service: &str, method: &str, path: &str, fields: usize) -> (String, String) {
    let (line, json) = (Shared::default(), Shared::default());
    let events = Events::new()
        .output(EventOutput::writer(line.clone()).format(EventFormat::Readable).without_colours())
        .output(EventOutput::writer(json.clone()).named("json"));
    let observer = Observer::builder(service).no_environment().events(events).build().expect("valid");
    let headers = Pairs(if method == "gRPC" {
        &[("content-type", "application/grpc"), ("grpc-status", "0")]
    } else {
        &[]
    });
    let method = if method == "gRPC" { "POST" } else { method };
    let mut observation = observer.start(&RequestHead::new(method, path, &headers));
    for n in 0..fields {
        observation.work().set(format!("field{n}"), n as u64);
    }
    observation.responded(200, &headers);
    observation.finish(Outcome::Completed);
    assert!(observer.shutdown(LONG).flushed);
    let event: serde_json::Value = serde_json::from_str(&json.text()).expect("JSON");
    (line.text(), event["trace_id"].as_str().expect("a trace id").to_owned())
}

struct Pairs(&'static [(&'static str, &'static str)]);

impl crate::http::headers::HeaderLookup for Pairs {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        let values = self.0.iter().filter(|(other, _)| *other == name);
        values.for_each(|(_, value)| f(value.as_bytes()));
    }
}

/// The columns are the same for any service, method and path. The trace id is the last one.
#[test]
fn readable_lines_of_all_services_have_the_same_columns() {
    for (service, method, path) in [
        ("shop", "GET", "/"),
        ("a-service-with-a-long-name", "OPTIONS", "/orders"),
        ("inventory", "gRPC", "/a.very.long.package.of.inventory.v1.InventoryOfEverything/ReserveEverything"),
        ("größe", "GET", "/a/path/that/is/much/longer/than/the/column/that/it/should/fit/into"),
    ] {
        let (line, trace) = readable(service, method, path, 0);
        let columns: Vec<_> = line.trim_end().chars().collect();
        let column = |from: usize, to: usize| columns[from..to].iter().collect::<String>();
        assert_eq!(columns.len(), 80, "{line}");
        assert!(column(12, 14) == "Z " && !column(14, 23).trim().is_empty(), "{line}");
        let status = if method == "gRPC" { "OK  " } else { "200 " };
        assert_eq!((column(24, 28).as_str(), columns[59]), (status, ' '), "{line}");
        assert!(column(60, 66).ends_with("ms") && column(67, 72).ends_with('B'), "{line}");
        assert_eq!(column(73, 80), trace[..7], "{line}");
    }
    assert!(readable("shop", "gRPC", "/shop.v1.Stock/Reserve", 0).0.contains(" gRPC   Stock/Reserve "));
}

#[test]
fn details_that_do_not_fit_on_a_readable_line_are_counted() {
    for fields in 0..64 {
        let (line, _) = readable("shop", "GET", "/items/1", fields);
        assert!(line.trim_end().chars().count() <= 120, "{line}");
        let shown = line.matches(" field").count();
        let counted =
            line.trim_end().rsplit_once(" +").map_or(0, |(_, more)| more.parse().expect("a number"));
        assert_eq!(shown + counted, fields, "{line}");
        assert!(shown >= fields.min(3), "{line}");
    }
}

#[test]
fn invalid_settings_are_rejected_with_a_reason() {
    for (events, expected) in [
        (Events::new().sample_rate(1.5), "`sample_rate` is \"1.5\""),
        (Events::new().sample_rate(f64::NAN), "`sample_rate` is \"NaN\""),
        (Events::new().user(Identity::Truncated), "`user` is \"Truncated\""),
        #[cfg(feature = "hash")]
        (Events::new().user(Identity::Hashed), "`hash_key` is \"0 bytes\""),
        #[cfg(feature = "hash")]
        (Events::new().hash_key("short"), "`hash_key` is \"5 bytes\""),
        (Events::new().exclude_routes([""]), "`exclude_routes`"),
        (EventOutput::stdout().capacity(10).into(), "`capacity` is \"10\""),
        (Events::new().output(EventOutput::stdout()).output(EventOutput::stdout()), "a different name"),
    ] {
        let message = Observer::builder("test").no_environment().events(events).build().expect_err("invalid");
        assert!(message.to_string().contains(expected), "{message}");
    }
}

/// The message must not contain the key.
#[cfg(not(feature = "hash"))]
#[test]
fn a_key_in_the_environment_needs_the_feature() {
    let events = Events { hash_key: Some(b"sixteen secret bytes".to_vec()), ..Events::new() };
    let message = Observer::builder("test").no_environment().events(events).build().expect_err("invalid");
    assert_eq!(
        message.to_string(),
        "`OBS_HASH_KEY` is \"a key\", but should be unset, because this service is built without the feature `hash`"
    );
}

#[test]
fn users_are_hashed_before_masking_and_written_masked() {
    let event_of = |identity, id: &str| {
        let output = Shared::default();
        let events = Events::new().user(identity);
        #[cfg(feature = "hash")]
        let events = events.hash_key("sixteen secret bytes");
        let observer = observer(events.output(EventOutput::writer(output.clone())));
        let observation = observer.start(&RequestHead::new("GET", "/", &()));
        observation.work().user(id);
        observation.work().set("pin", 1234);
        observation.work().set("card", 4_111_111_111_111_111_u64);
        observation.work().flag("password", "hunter2");
        observation.finish(Outcome::Completed);
        assert!(observer.shutdown(LONG).flushed);
        let event: serde_json::Value = serde_json::from_str(&output.text()).expect("JSON");
        assert_eq!(
            (&event["fields"]["pin"], &event["fields"]["card"]),
            (&"[REDACTED]".into(), &"[REDACTED]".into())
        );
        assert_eq!(event["feature_flags"][0]["variant"], "[REDACTED]");
        (event["user.id"].clone(), event["user.hash"].clone())
    };
    #[cfg(feature = "hash")]
    {
        let [alice, bob] =
            ["alice@example.com", "bob@example.com"].map(|id| event_of(Identity::Hashed, id).1);
        assert!(alice.is_string() && alice != bob, "{alice:?} {bob:?}");
    }
    assert_eq!(event_of(Identity::Kept, "42").0, "42");
    assert_eq!(event_of(Identity::Kept, "alice@example.com").0, "[REDACTED]");
    assert!(event_of(Identity::Off, "42").0.is_null());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// The event of any request is exactly one line, both as JSON and as readable text.
    #[test]
    fn any_event_is_one_line(
        texts in proptest::collection::vec("\\PC{0,20}|[\u{0}-\u{ff}]{0,20}|[a.]{0,12}", 8),
        number in proptest::num::f64::ANY,
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
    ) {
        struct Headers(Vec<u8>);
        impl crate::http::headers::HeaderLookup for Headers {
            fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
                if name != "content-length" {
                    f(&self.0);
                }
            }
        }
        let (json, readable) = (Shared::default(), Shared::default());
        let events = Events::new()
            .headers(["x-any"])
            .output(EventOutput::writer(json.clone()))
            .output(EventOutput::writer(readable.clone()).named("readable").format(EventFormat::Readable));
        let observer = observer(events);
        let headers = Headers(bytes);
        let head = RequestHead::new(&texts[0], &texts[1], &headers).query(Some(&texts[2]));
        let mut observation = observer.start(&head);
        observation.set_route(&texts[3]);
        let handle = observation.work();
        handle.set(texts[4].clone(), texts[5].as_str());
        handle.set(texts[6].clone(), number);
        handle.set("huge", u64::MAX);
        handle.user(&texts[7]);
        handle.flag(texts[5].clone(), texts[6].clone());
        drop(handle.call(texts[7].clone()).operation(texts[4].clone()));
        handle.error(&io::Error::other(texts[2].clone()));
        observation.finish(Outcome::ServiceError);
        proptest::prop_assert!(observer.shutdown(LONG).flushed);
        let text = json.text();
        proptest::prop_assert_eq!(text.matches('\n').count(), 1);
        let event: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        proptest::prop_assert_eq!(&event["fields"]["huge"], &serde_json::json!(u64::MAX));
        proptest::prop_assert_eq!(readable.text().matches('\n').count(), 1);
    }
}
