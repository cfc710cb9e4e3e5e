//! The receiver of a span's attributes, independent of their encoding.

use crate::{
    base::value::Value,
    record::{identity::Client, route::Route},
};

/// A receiver of attributes. Each name is set at most once.
pub(in crate::outputs) trait Attributes {
    fn text(&mut self, name: &'static str, text: &str);

    /// Sets a static text.
    #[inline]
    fn word(&mut self, name: &'static str, word: &'static str) {
        self.text(name, word);
    }

    /// Sets a route.
    #[inline]
    fn route(&mut self, name: &'static str, route: &Route) {
        self.text(name, route.as_str());
    }

    fn number(&mut self, name: &'static str, number: i64);

    fn client(&mut self, name: &'static str, client: &Client);

    fn texts(&mut self, name: String, texts: &[String]);

    fn field(&mut self, name: &str, value: &Value);
}
