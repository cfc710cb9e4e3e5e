//! The methods that write event members of types that JSON does not have, such as ids and routes.

use std::sync::Arc;

use super::template;
use crate::{
    record::{fields::Fields, identity::Client, route::Route},
    trace::ids::{SpanId, TraceId},
    write::json::{JsonKey, Object},
};

#[allow(
    clippy::inline_always,
    reason = "see `Object`: a key that is known at compile time costs a few stores"
)]
impl Object<'_, '_> {
    /// Writes the address of a client, or its hash.
    #[inline(always)]
    pub(super) fn client(&mut self, key: JsonKey, client: Client) {
        match client {
            Client::Address(address) => self.address(key, address),
            Client::Hash(hash) => self.word(key, hash),
        }
    }

    /// Writes the id of a trace.
    #[inline(always)]
    pub(super) fn trace_id(&mut self, key: JsonKey, id: &TraceId) {
        self.word(key, id.hex());
    }

    /// Writes the id of a span.
    #[inline(always)]
    pub(super) fn span_id(&mut self, key: JsonKey, id: &SpanId) {
        self.word(key, id.hex());
    }

    /// Writes a route.
    #[inline(always)]
    pub(super) fn route(&mut self, key: JsonKey, route: &Route) {
        self.known_text(key, route.as_str(), route.is_plain());
    }

    /// Writes the application's own fields as an object.
    #[inline(always)]
    pub(super) fn fields(&mut self, key: JsonKey, fields: &Fields) {
        self.object(key, |object| template::write(object, fields));
    }

    /// Writes a member for each list of texts, with the list's name in place of `<name>`.
    #[inline(always)]
    pub(super) fn texts_by_name(&mut self, name: &'static str, lists: &[(Arc<str>, Vec<String>)]) {
        for (list, texts) in lists {
            self.prefixed_texts(name.trim_end_matches("<name>"), list, texts);
        }
    }
}
