//! A row of the table of facts as data, for the generated documents.

use serde_json::{Map, Value, json};

/// A fact: see [`facts!`](super::facts).
pub(in crate::outputs) struct Fact {
    pub(super) name: &'static str,
    /// The kind of work that has it, or `all`.
    pub(super) kind: &'static str,
    pub(super) json: Json,
    /// The members of its schema in addition to those of its type.
    pub(super) schema: Value,
    /// The condition of its presence; `None` if it is always present.
    pub(super) condition: Option<&'static str>,
    pub(super) description: &'static str,
    /// The phase in which spans get it, and the protocol of these spans.
    pub(super) attribute: Option<(&'static str, &'static str)>,
}

/// The type of a fact in JSON.
pub(in crate::outputs) enum Json {
    /// The type of this name.
    Type(&'static str),
    /// A list of objects with these facts.
    Objects(Vec<Fact>),
}

impl Json {
    /// Returns the members of its schema, and its name in the reference.
    fn base(&self) -> (Value, &'static str) {
        let kind = match self {
            Self::Type(kind) => *kind,
            Self::Objects(facts) => {
                let items = object(facts);
                return (json!({"type": "array", "minItems": 1, "items": items}), "array of objects");
            }
        };
        match kind {
            "text" | "word" | "time" | "client" | "route" => (json!({"type": "string"}), "string"),
            "number" => (json!({"type": "integer", "minimum": 0}), "integer"),
            "trace_id" => (json!({"$ref": "#/$defs/trace_id"}), "string"),
            "span_id" => (json!({"$ref": "#/$defs/span_id"}), "string"),
            "millis" => (json!({"$ref": "#/$defs/millis"}), "number"),
            "share" => (json!({"type": "number"}), "number"),
            "flag" => (json!({"const": true}), "`true`"),
            "texts" | "texts_by_name" => {
                (json!({"type": "array", "minItems": 1, "items": {"type": "string"}}), "array of strings")
            }
            "fields" => (json!({"type": "object"}), "object"),
            other => panic!("the type `{other}` has no schema"),
        }
    }
}

impl Fact {
    /// Returns its JSON Schema.
    pub(super) fn schema(&self) -> Value {
        let mut own = self.schema.as_object().cloned().unwrap_or_default();
        let decides = ["const", "enum"].iter().any(|member| own.contains_key(*member));
        if !decides {
            let (base, _) = self.json.base();
            let base = base.as_object().cloned().unwrap_or_default();
            own = base.into_iter().chain(own).collect();
        }
        own.insert("description".to_owned(), self.text().into());
        own.into()
    }

    /// Returns its description with its condition, without backticks.
    fn text(&self) -> String {
        let condition = match self.condition {
            Some("it is true") | None => String::new(),
            Some(condition) => format!(" Present if {condition}."),
        };
        format!("{}{condition}", self.description).replace('`', "")
    }

    /// Returns the name of its type in the reference.
    pub(super) fn json_type(&self) -> &'static str {
        self.json.base().1
    }
}

/// Returns the schema of an object with only these facts.
fn object(facts: &[Fact]) -> Value {
    let properties: Map<_, _> = facts.iter().map(|fact| (fact.name.to_owned(), fact.schema())).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required(facts),
        "properties": properties,
    })
}

/// Returns the names of the facts that are always present.
pub(super) fn required<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Vec<&'static str> {
    facts.into_iter().filter(|fact| fact.condition.is_none()).map(|fact| fact.name).collect()
}
