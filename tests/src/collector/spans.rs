//! A received span, and its checks.

use std::collections::BTreeMap;

use serde_json::Value;

pub type Attributes = BTreeMap<String, Value>;

/// A span with its resource and its scope, flattened.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub resource: Attributes,
    pub scope: String,
    pub scope_version: String,
    pub name: String,
    /// `SERVER`, `INTERNAL`, …
    pub kind: &'static str,
    pub trace_id: String,
    pub span_id: String,
    pub parent_span_id: Option<String>,
    /// `None` if the sender did not set it.
    pub parent_is_remote: Option<bool>,
    /// All bits of the flags. The lowest eight are those of `traceparent`.
    pub flags: u32,
    pub trace_state: String,
    pub start_nanos: u64,
    pub end_nanos: u64,
    /// The code (`UNSET`, `OK` or `ERROR`) and the message.
    pub status: (&'static str, String),
    pub attributes: Attributes,
    pub events: Vec<Event>,
    pub links: Vec<Link>,
    pub dropped_attributes: u32,
    pub dropped_events: u32,
    pub dropped_links: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub nanos: u64,
    pub attributes: Attributes,
    pub dropped_attributes: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub trace_id: String,
    pub span_id: String,
    pub trace_state: String,
    pub flags: u32,
    pub attributes: Attributes,
    pub dropped_attributes: u32,
}

impl Span {
    /// Panics unless the span has this attribute with this value.
    #[track_caller]
    pub fn has(&self, key: &str, value: impl Into<Value>) -> &Self {
        let value = value.into();
        let found = self.attributes.get(key);
        assert_eq!(found, Some(&value), "{key} of {:?}: {:#?}", self.name, self.attributes);
        self
    }

    /// Panics if the span has this attribute.
    #[track_caller]
    pub fn has_no(&self, key: &str) -> &Self {
        let found = self.attributes.get(key);
        assert_eq!(found, None, "{key} of {:?}: {:#?}", self.name, self.attributes);
        self
    }

    /// Panics unless the span has these attributes and no others.
    #[track_caller]
    pub fn only(&self, keys: &[&str]) -> &Self {
        self.exactly(keys, &[])
    }

    /// Panics unless the span has the required attributes, and no others except the allowed ones.
    #[track_caller]
    pub fn exactly(&self, required: &[&str], allowed: &[&str]) -> &Self {
        let known = |key: &str| required.contains(&key) || allowed.contains(&key);
        let missing: Vec<_> = required.iter().filter(|key| !self.attributes.contains_key(**key)).collect();
        let unknown: Vec<_> = self.attributes.keys().filter(|key| !known(key)).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "attributes of {:?}: missing {missing:?}, unknown {unknown:?} in {:#?}",
            self.name,
            self.attributes
        );
        self
    }
}
