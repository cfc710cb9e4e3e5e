//! A span as a test looks at it.

use std::collections::BTreeMap;

use serde_json::Value;

pub type Attributes = BTreeMap<String, Value>;

/// A span with all that belongs to it, flattened.
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
    /// `None` if the sender does not say so.
    pub parent_is_remote: Option<bool>,
    /// All of the bits; the lowest eight are those of `traceparent`.
    pub flags: u32,
    pub trace_state: String,
    pub start_nanos: u64,
    pub end_nanos: u64,
    /// `UNSET`, `OK` or `ERROR`, and the message.
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
    /// Fails unless it has this attribute with this value.
    #[track_caller]
    pub fn has(&self, key: &str, value: impl Into<Value>) -> &Self {
        let value = value.into();
        let found = self.attributes.get(key);
        assert_eq!(found, Some(&value), "{key} of {:?}: {:#?}", self.name, self.attributes);
        self
    }

    /// Fails if it has this attribute.
    #[track_caller]
    pub fn has_no(&self, key: &str) -> &Self {
        let found = self.attributes.get(key);
        assert_eq!(found, None, "{key} of {:?}: {:#?}", self.name, self.attributes);
        self
    }

    /// Fails unless it has these attributes and no others.
    #[track_caller]
    pub fn only(&self, keys: &[&str]) -> &Self {
        self.exactly(keys, &[])
    }

    /// Fails unless it has the required attributes and, besides, none but the allowed.
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
