//! The attributes of a span, wherever they go.

use crate::{base::value::Value, record::identity::Client};

/// Takes attributes, each once.
pub(in crate::outputs) trait Attributes {
    fn text(&mut self, name: &'static str, text: &str);

    /// A text that is there for ever.
    #[inline]
    fn word(&mut self, name: &'static str, word: &'static str) {
        self.text(name, word);
    }

    fn number(&mut self, name: &'static str, number: i64);

    fn client(&mut self, name: &'static str, client: &Client);

    fn texts(&mut self, name: String, texts: &[String]);

    fn field(&mut self, name: &str, value: &Value);
}
