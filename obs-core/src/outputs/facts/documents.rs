//! The documents that are generated from the table of facts: the schema of an event, and the
//! reference of its fields.

use std::{collections::HashSet, fmt::Write as _};

use serde_json::{Value, json};

use super::{
    all,
    fact::{Fact, Json, required},
    generated::{check_file, with_part},
    work::{KINDS, SCHEMA},
};

/// The marks before and after the generated part of a document.
const BEGIN: &str = "<!-- generated: UPDATE_DOCS=1 cargo test -p obs-web-core documents -->\n";
const END: &str = "<!-- end of the generated part -->\n";

#[test]
fn the_schema_matches_the_table() {
    check_file("obs-core/schema/event-1.json", |_| schema(&all()));
}

#[test]
fn the_reference_matches_the_table() {
    check_file("docs/events.md", |document| with_part(document, BEGIN, END, &reference(&all())));
}

#[test]
fn no_two_facts_have_one_name() {
    let facts = all();
    let names: HashSet<_> = facts.iter().map(|fact| fact.name).collect();
    assert_eq!(names.len(), facts.len());
    assert!(facts.iter().all(|fact| fact.kind == "all" || KINDS.contains(&fact.kind)));
}

/// Returns the JSON Schema of an event, with one line for each fact.
fn schema(facts: &[Fact]) -> String {
    let (patterns, properties): (Vec<_>, Vec<_>) =
        facts.iter().partition(|fact| fact.name.ends_with("<name>"));
    let of_kinds = KINDS.map(|kind| {
        let required = required(facts.iter().filter(|fact| fact.kind == kind));
        json!({"if": {"properties": {"kind": {"const": kind}}}, "then": {"required": required}})
    });
    let definitions = [
        ("trace_id", json!({"type": "string", "pattern": "^[0-9a-f]{32}$"})),
        ("span_id", json!({"type": "string", "pattern": "^[0-9a-f]{16}$"})),
        (
            "millis",
            json!({
                "description": "Milliseconds with three decimals.", "type": "number", "minimum": 0,
            }),
        ),
    ];
    let id = format!("urn:obs:event:{SCHEMA}");
    let description = "Names follow OpenTelemetry where it defines one. New fields may be added at any \
                           time, so other fields are allowed. New kinds of work may be added, too, so readers \
                           filter by kind. The version changes when a field changes its meaning or is removed.";
    let members = [
        member("$schema", &"https://json-schema.org/draft/2020-12/schema".into()),
        member("$id", &id.into()),
        member("title", &"An event of obs: one finished unit of work".into()),
        member("description", &description.into()),
        member("type", &"object".into()),
        member("required", &required(facts.iter().filter(|fact| fact.kind == "all")).into()),
        list("allOf", '[', of_kinds.iter().map(line), ']'),
        list(
            "patternProperties",
            '{',
            patterns.iter().map(|fact| member(&pattern(fact), &fact.schema())),
            '}',
        ),
        list("properties", '{', properties.iter().map(|fact| member(fact.name, &fact.schema())), '}'),
        list("$defs", '{', definitions.iter().map(|(name, schema)| member(name, schema)), '}'),
    ];
    format!("{{\n  {}\n}}\n", members.join(",\n  "))
}

/// Returns the pattern for fields whose names contain the name of a header.
fn pattern(fact: &Fact) -> String {
    let prefix = fact.name.trim_end_matches("<name>").replace('.', r"\.");
    format!("^{prefix}[!#$%&'*+.^_`|~0-9a-z-]+$")
}

fn member(name: &str, value: &Value) -> String {
    format!("{}: {}", Value::from(name), line(value))
}

/// Formats JSON on one line with spaces. Descriptions come first, then types.
fn line(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let rank = |name: &str| match name {
                "description" => 0,
                "type" | "$ref" => 1,
                _ => 2,
            };
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| rank(name));
            let members: Vec<_> = members.iter().map(|(name, value)| member(name, value)).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn list(name: &str, open: char, items: impl Iterator<Item = String>, close: char) -> String {
    let items: Vec<_> = items.collect();
    format!("\"{name}\": {open}\n    {}\n  {close}", items.join(",\n    "))
}

/// Returns the reference: a table of the fields of all events, and one for each kind of work.
fn reference(facts: &[Fact]) -> String {
    let of_kinds = KINDS.map(|kind| table(&format!("Fields of events of the kind `{kind}`"), facts, kind));
    format!("{}{}\n", table("Fields of all events", facts, "all"), of_kinds.concat())
}

fn table(title: &str, facts: &[Fact], kind: &str) -> String {
    let mut text =
        format!("\n### {title}\n| field | type | present | description | span |\n|---|---|---|---|---|\n");
    for fact in facts.iter().filter(|fact| fact.kind == kind) {
        let present = match fact.condition {
            None => "always".to_owned(),
            Some(condition) => format!("if {condition}"),
        };
        let Fact { name, description, .. } = fact;
        let (json, members, span) = (fact.json_type(), members(fact), span(fact));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{name}` | {json} | {present} | {description}{members} |{span} |");
    }
    text
}

/// Names the members of the objects in a list.
fn members(fact: &Fact) -> String {
    let Json::Objects(facts) = &fact.json else { return String::new() };
    let names: Vec<_> = facts.iter().map(|fact| format!("`{}`", fact.name)).collect();
    format!(" Members: {}.", names.join(", "))
}

/// Names the spans that have the fact as an attribute.
fn span(fact: &Fact) -> String {
    let Some((phase, protocol)) = fact.attribute else { return String::new() };
    let phase = phase.trim_start_matches("at_");
    match protocol {
        "http" => format!(" HTTP, {phase}"),
        "grpc" => format!(" gRPC, {phase}"),
        _ => format!(" all, {phase}"),
    }
}
