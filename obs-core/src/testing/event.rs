//! An event in a test.

use std::fmt;

use serde_json::Value;

/// An event, parsed from its JSON line.
///
/// A path names a field: `http.route`. For a nested field it joins the names with dots:
/// `fields.user.plan` or `slowest_calls.0.dependency`.
///
/// ```
/// # use obs_core::{Outcome, adapter::RequestHead, testing::TestObserver};
/// let test = TestObserver::new();
/// let observation = test.observer().start(&RequestHead::new("GET", "/items/7", &()));
/// observation.finish(Outcome::ServiceError);
/// let event = test.event();
/// event.has("url.path", "/items/7").has("error.type", "service_error").has_no("http.route");
/// ```
#[derive(Clone, PartialEq)]
pub struct TestEvent(Value);

impl TestEvent {
    pub(super) fn of_line(line: &[u8]) -> Self {
        match serde_json::from_slice(line) {
            Ok(value) => Self(value),
            Err(error) => {
                panic!("the event is not valid JSON: {error}: {}", String::from_utf8_lossy(line))
            }
        }
    }

    /// The value at `path`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        find(&self.0, path)
    }

    /// The whole event.
    #[must_use]
    pub const fn json(&self) -> &Value {
        &self.0
    }

    /// Checks that the value at `path` is `expected`.
    ///
    /// A request that matched no route has no `http.route`, by the conventions of OpenTelemetry. In
    /// metrics its `endpoint` is `unmatched`.
    ///
    /// # Panics
    /// Panics if the value is different or missing.
    pub fn has(&self, path: &str, expected: impl Into<Value>) -> &Self {
        let expected = expected.into();
        match self.get(path) {
            Some(found) if same(found, &expected) => self,
            Some(found) => panic!("`{path}` should be {expected}, but is {found}, in {self:#?}"),
            None if path == "http.route" => panic!(
                "`http.route` should be {expected}, but the request matched no route, in {self:#?}; \
                 `has_no(\"http.route\")` checks that"
            ),
            None => panic!("`{path}` should be {expected}, but is missing, in {self:#?}"),
        }
    }

    /// Checks that there is no value at `path`.
    ///
    /// # Panics
    /// Panics if there is a value.
    pub fn has_no(&self, path: &str) -> &Self {
        if let Some(found) = self.get(path) {
            panic!("`{path}` should not be there, but is {found}, in {self:#?}");
        }
        self
    }
}

/// Finds the value at a path. Top-level names contain dots, so the longest name that matches is
/// used.
fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
    let splits = ends
        .filter_map(|end| Some((path.get(..end)?, path.get(end.saturating_add(1)..).unwrap_or_default())));
    let mut splits: Vec<_> = splits.collect();
    splits.reverse();
    splits.into_iter().find_map(|(name, rest)| {
        let inner = match value {
            Value::Object(object) => object.get(name)?,
            Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
        find(inner, rest)
    })
}

/// Compares two values. `1` and `1.0` are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b,
    }
}

impl fmt::Debug for TestEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { write!(f, "{:#}", self.0) } else { write!(f, "{}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_into_objects_and_lists() {
        let event = TestEvent::of_line(
            br#"{"http.route":"/a","fields":{"user":{"plan":"pro"},"a.b":1},"calls":[{"count":2}]}"#,
        );
        event
            .has("http.route", "/a")
            .has("fields.user.plan", "pro")
            .has("fields.a.b", 1.0)
            .has("calls.0.count", 2);
        event.has_no("fields.user.age").has_no("calls.1");
    }

    #[test]
    #[should_panic(expected = "`http.route` should be \"unmatched\", but the request matched no route")]
    fn a_missing_route_is_explained() {
        TestEvent::of_line(br#"{"url.path":"/a"}"#).has("http.route", "unmatched");
    }

    #[test]
    #[should_panic(expected = "`http.route` should be \"/b\", but is \"/a\"")]
    fn a_failed_check_shows_the_actual_value() {
        TestEvent::of_line(br#"{"http.route":"/a"}"#).has("http.route", "/b");
    }
}
