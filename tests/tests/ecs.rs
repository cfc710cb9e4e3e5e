//! Each kind of log line fulfils the Elastic Common Schema and the rules of ecs-logging.

use std::{fmt, io};

use obs_core::{
    Events, LogFormat, LogOutput, Logs, Observer, Outcome, adapter::RequestHead, current, testing::TestLogs,
};
use obs_tracing::LogsExt as _;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use tracing::{debug, error, info, subscriber::with_default, warn};
use tracing_subscriber::layer::SubscriberExt as _;

/// The fields of our lines, with their kinds.
///
/// Source: elastic/ecs, `generated/csv/fields.csv`, and elastic/ecs-logging, `spec/spec.json`, both
/// under the Apache License 2.0.
const FIELDS: [(&str, Kind); 16] = [
    ("@timestamp", Kind::Date),
    ("log.level", Kind::Keyword),
    ("message", Kind::Text),
    ("ecs.version", Kind::Keyword),
    ("labels", Kind::Labels),
    ("service.name", Kind::Keyword),
    ("service.version", Kind::Keyword),
    ("service.environment", Kind::Keyword),
    ("service.node.name", Kind::Keyword),
    ("event.dataset", Kind::Keyword),
    ("log.logger", Kind::Keyword),
    ("log.origin.file.name", Kind::Keyword),
    ("log.origin.file.line", Kind::Long),
    ("trace.id", Kind::Keyword),
    ("transaction.id", Kind::Keyword),
    ("http.request.id", Kind::Keyword),
];

/// The fields that ecs-logging requires. The first three must be the first of the line, and the
/// names of all must be written with a dot, at the top level.
const REQUIRED: [&str; 4] = ["@timestamp", "log.level", "message", "ecs.version"];

/// The limit of a keyword in Lucene, in bytes.
const LONGEST_KEYWORD: usize = 32_766;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Date,
    Keyword,
    Text,
    Long,
    Labels,
}

/// A value of JSON that keeps the order of members, and members with the same name.
#[derive(Debug, PartialEq)]
enum Json {
    Text(String),
    Number(i64),
    Object(Vec<(String, Self)>),
    /// A kind of value for which no field of ours has room.
    Other,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfJson;
        impl<'de> Visitor<'de> for OfJson {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
                Ok(i64::try_from(number).map_or(Json::Other, Json::Number))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
                Ok(Json::Number(number))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Other)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Other)
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
                while items.next_element::<Json>()?.is_some() {}
                Ok(Json::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = members.next_entry()? {
                    all.push(member);
                }
                Ok(Json::Object(all))
            }
        }
        from.deserialize_any(OfJson)
    }
}

/// Returns the fields of a line, with dots between the names of nested objects. Labels stay an
/// object.
fn fields(prefix: &str, members: Vec<(String, Json)>, all: &mut Vec<(String, Json)>) {
    for (name, value) in members {
        let name = format!("{prefix}{name}");
        match value {
            Json::Object(members) if name != "labels" => fields(&format!("{name}."), members, all),
            value => all.push((name, value)),
        }
    }
}

/// Judges a line, and returns its labels.
fn judge(line: &str) -> Vec<(String, String)> {
    assert!(!line.contains(|c: char| c < ' '), "{line:?}");
    let Ok(Json::Object(members)) = serde_json::from_str(line) else { panic!("{line}") };
    let names: Vec<_> = members.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names[..3], REQUIRED[..3], "{line}");
    assert!(REQUIRED.iter().all(|required| names.iter().any(|name| name == required)), "{line}");
    let mut all = Vec::new();
    fields("", members, &mut all);
    let mut labels = Vec::new();
    for (at, (name, value)) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|(earlier, _)| earlier != name), "{name} is there twice: {line}");
        let known = FIELDS.iter().find(|(known, _)| known == name);
        let (_, kind) = known.unwrap_or_else(|| panic!("ECS has no {name}: {line}"));
        match (kind, value) {
            (Kind::Date, Json::Text(time)) => assert!(is_time(time), "{time}"),
            (Kind::Keyword, Json::Text(text)) => assert!(text.len() <= LONGEST_KEYWORD, "{line}"),
            (Kind::Text, Json::Text(_)) => {}
            (Kind::Long, Json::Number(_)) => {}
            (Kind::Labels, Json::Object(members)) => labels.extend(members.iter().map(label)),
            (kind, value) => panic!("{name} is {value:?}, but {kind:?}: {line}"),
        }
    }
    for (at, (name, _)) in labels.iter().enumerate() {
        assert!(labels[..at].iter().all(|(earlier, _)| earlier != name), "{name} is there twice: {line}");
    }
    labels
}

/// Returns the name and the text of a label. ecs-logging forbids three characters in its name.
fn label((name, value): &(String, Json)) -> (String, String) {
    assert!(!name.trim().is_empty() && !name.contains(['.', '*', '\\']), "{name:?}");
    match value {
        Json::Text(text) if text.len() <= LONGEST_KEYWORD => (name.clone(), text.clone()),
        value => panic!("the label {name} is {value:?}"),
    }
}

/// Returns true for a time such as `2026-12-01T18:01:24.650114Z`, which Elasticsearch reads as
/// `strict_date_optional_time`.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000000Z"
}

#[derive(Debug)]
struct Full(io::Error);

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot save")
    }
}

impl std::error::Error for Full {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Writes one line of each kind.
fn write_each_kind(observer: &Observer) {
    info!("outside of a request");
    info!("");
    warn!("a bell \u{7}, a line\nfeed, a \"quote\", \\, \u{2028}, \u{7f}, \u{9f} and 🦀");
    let mut observation = observer.start(&RequestHead::new("GET", "/orders/7", &()));
    observation.set_route("/orders/{id}");
    let work = observation.work();
    work.run(|| {
        current().set("tenant", "acme");
        info!("in a request");
        debug!(step = 1, "written at the end of the request");
        let failed = Full(io::Error::other("the disk is full"));
        error!(error = &failed as &dyn std::error::Error, "with an error");
        info!(
            text = "a\tb", number = -7, large = u64::MAX, huge = u128::MAX, price = 1.5, nothing = f64::NAN,
            late = true, who = %"jane", parts = ?["a", "b"], order.id = 7, r#type = "express", long = "x".repeat(100_000),
            "fields of every kind"
        );
        // These have the names of labels that obs itself writes, or the same name after a change.
        info!(http.route = "mine", http_route = "mine, too", collected = 5, tenant = "own", "names that collide");
        current().set("rows", vec![1, 2]);
        for _ in 0..10 {
            info!("a loop");
        }
    });
    observation.responded(500, &());
    observation.finish(Outcome::Completed);
    work.run(|| info!("after the end"));
}

#[test]
fn each_kind_of_line_fulfils_the_schema() {
    let written = TestLogs::new();
    // The other test of this process panics on purpose.
    let logs = Logs::new()
        .levels("info,panic=off")
        .collect("ecs=debug")
        .fields(["tenant", "rows"])
        .lines_per_request(3)
        .output(LogOutput::writer(written.clone()).format(LogFormat::Ecs));
    let builder = Observer::builder("shop").no_environment().events(Events::off()).logs(logs);
    let builder = builder.service_version("1.4.2").deployment_environment("production");
    let observer = builder.build().expect("valid");
    with_default(tracing_subscriber::registry().with(observer.logs()), || write_each_kind(&observer));

    let text = written.text(&observer);
    let labels = |message: &str| {
        let found = text.lines().find(|line| line.contains(message));
        judge(found.unwrap_or_else(|| panic!("{message}: {text}")))
    };
    assert!(text.lines().all(|line| judge(line).len() < 20));
    assert_eq!(text.lines().count(), 13, "{text}");
    assert!(labels("outside of a request").is_empty());
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let of_request = [pair("http_route", "/orders/{id}"), pair("tenant", "acme")];
    assert_eq!(labels("in a request"), of_request);
    assert_eq!(labels("with an error").last(), Some(&pair("error", "cannot save: the disk is full")));
    let kinds = labels("fields of every kind");
    for (name, value) in [
        ("number", "-7"),
        ("large", "18446744073709551615"),
        ("price", "1.5"),
        ("late", "true"),
        ("order_id", "7"),
        ("type", "express"),
        ("text", "a\tb"),
    ] {
        assert!(kinds.contains(&pair(name, value)), "{name}: {kinds:?}");
    }
    let collide = [pair("http_route", "mine, too"), pair("tenant", "own"), pair("collected", "5")];
    assert_eq!(labels("names that collide"), collide);
    assert!(labels("written at the end").contains(&pair("collected", "true")));
    assert!(labels("after the end").contains(&pair("request_ended", "true")));
    assert!(labels("were held back").contains(&pair("held_back", "7")));
}

#[test]
fn the_judge_rejects_what_elasticsearch_or_ecs_logging_rejects() {
    const GOOD: &str = r#"{"@timestamp":"2026-12-01T18:01:24.650114Z","log.level":"info","message":"m","ecs.version":"9.2.0","labels":{"a":"b"}}"#;
    assert_eq!(judge(GOOD), [("a".to_owned(), "b".to_owned())]);
    for (from, to) in [
        (r#""log.level":"info","message":"m""#, r#""message":"m","log.level":"info""#),
        (r#""ecs.version":"9.2.0","#, ""),
        (r#""ecs.version":"9.2.0""#, r#""ecs":{"version":"9.2.0"}"#),
        (r#""message":"m""#, r#""message":7"#),
        ("650114Z", "650114"),
        (r#"{"a":"b"}"#, r#"{"a":1}"#),
        (r#"{"a":"b"}"#, r#"{"a":"b","a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a.b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"":"b"}"#),
        (r#"{"a":"b"}"#, r#""a""#),
        (r#""ecs.version""#, r#""order.id":"7","ecs.version""#),
        (r#""ecs.version""#, r#""log.origin":{"file":{"line":"7"}},"ecs.version""#),
    ] {
        let bad = GOOD.replace(from, to);
        assert_ne!(bad, GOOD);
        assert!(std::panic::catch_unwind(|| judge(&bad)).is_err(), "{bad}");
    }
}
