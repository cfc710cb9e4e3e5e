//! Templates of the application's fields. A template is the JSON text around the values of the
//! fields. It is created once for each list of names.
//!
//! A handler usually sets the same names in the same order for every request. Sorting, nesting and
//! escaping the names for each event would be most of the cost of a field.

use std::{cell::RefCell, collections::HashMap};

use rustc_hash::FxBuildHasher;

use super::nested;
use crate::{record::fields::Fields, write::json::Object};

/// The members of an object, with a hole in place of each value.
#[derive(Default)]
pub(super) struct Template {
    pub(super) text: Box<[u8]>,
    pub(super) holes: Vec<Hole>,
}

/// The place of a value.
pub(super) struct Hole {
    /// The number of bytes of the text before the value.
    pub(super) at: usize,
    /// The index of the field among all fields.
    pub(super) field: usize,
}

impl Template {
    fn fill(&self, object: &mut Object<'_, '_>, fields: &Fields) {
        let mut from = 0;
        for hole in &self.holes {
            object.members(self.text.get(from..hole.at).unwrap_or_default());
            if let Some(value) = fields.value(hole.field) {
                object.bare_value(value);
            }
            from = hole.at;
        }
        object.members(self.text.get(from..).unwrap_or_default());
    }
}

/// Writes the fields as members of an object.
// It is not inlined, because most events have no fields, and their code is smaller and faster
// without it.
#[inline(never)]
pub(crate) fn write(object: &mut Object<'_, '_>, fields: &Fields) {
    thread_local! {
        static TEMPLATES: RefCell<Templates> = const { RefCell::new(Templates::new()) };
    }
    // The thread-local is gone if the request ends while its thread ends.
    let shared = TEMPLATES.try_with(|templates| templates.borrow_mut().write(object, fields));
    if shared.is_err() {
        nested::template(fields).fill(object, fields);
    }
}

/// The templates of a thread, each with its names, by the hash of the names.
struct Templates(HashMap<u64, (Vec<&'static str>, Template), FxBuildHasher>);

/// The limit of templates, which most services do not reach. Beyond it, all are dropped.
const MOST: usize = 128;

/// The limit of a kept text, in bytes.
const LONGEST: usize = 4 * 1024;

impl Templates {
    const fn new() -> Self {
        Self(HashMap::with_hasher(FxBuildHasher))
    }

    fn write(&mut self, object: &mut Object<'_, '_>, fields: &Fields) {
        let hash = fields.hash_of_names();
        match self.0.get(&hash) {
            Some((names, template)) if fields.has_names(names) => template.fill(object, fields),
            _ => {
                let template = nested::template(fields);
                template.fill(object, fields);
                self.keep(hash, fields, template);
            }
        }
    }

    /// Keeps a template, unless its names are created at run time, because these may differ in each
    /// event.
    fn keep(&mut self, hash: u64, fields: &Fields, template: Template) {
        let Some(names) = fields.own_names() else { return };
        if template.text.len() > LONGEST {
            return;
        }
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(hash, (names, template));
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::{base::value::Value, write::buffer};

    const NAMES: [&str; 12] =
        ["a", "a.b", "a.c", "b.a", "b.a.c", "b", "c.x", "c.y", "c.z", "\"quoted\".x", "d..e", "f"];

    fn fields(names: &[usize], first: i64) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in names.iter().zip(first..) {
            fields.set(NAMES[*name].into(), Value::I64(value));
        }
        fields
    }

    fn written(write: impl Fn(&mut Object<'_, '_>)) -> String {
        let out = buffer::written(|out| {
            let mut object = Object::open(out);
            write(&mut object);
            object.close();
        });
        String::from_utf8(out).expect("UTF-8")
    }

    fn with_stored_template(templates: &RefCell<Templates>, fields: &Fields) -> String {
        written(|object| templates.borrow_mut().write(object, fields))
    }

    fn with_new_template(fields: &Fields) -> String {
        written(|object| nested::template(fields).fill(object, fields))
    }

    proptest! {
        #[test]
        fn a_stored_template_writes_the_same_text_as_a_new_one(
            requests in prop::collection::vec(prop::collection::vec(0..NAMES.len(), 0..8), 1..40)
        ) {
            let templates = RefCell::new(Templates::new());
            // All requests run twice, so each set of names occurs again.
            for (request, first) in requests.iter().chain(&requests).zip((0..).step_by(100)) {
                let fields = fields(request, first);
                prop_assert_eq!(with_stored_template(&templates, &fields), with_new_template(&fields));
            }
        }
    }

    #[test]
    fn the_same_names_share_a_template_and_another_order_does_not() {
        let templates = RefCell::new(Templates::new());
        for (names, kept) in [(&[1, 2][..], 1), (&[1, 2], 1), (&[2, 1], 2), (&[1], 3), (&[1, 2, 1], 3)] {
            with_stored_template(&templates, &fields(names, 0));
            assert_eq!(templates.borrow().0.len(), kept, "{names:?}");
        }
    }

    #[test]
    fn other_names_with_the_same_hash_have_another_template() {
        let (mine, other) = (fields(&[1, 2], 0), fields(&[6, 7], 0));
        let mut templates = Templates::new();
        templates.keep(mine.hash_of_names(), &other, nested::template(&other));
        let templates = RefCell::new(templates);
        for _ in 0..2 {
            assert_eq!(with_stored_template(&templates, &mine), r#"{"a":{"b":0,"c":1}}"#);
        }
    }

    #[test]
    fn the_number_of_stored_templates_is_bounded() {
        let one = |name| {
            let mut fields = Fields::default();
            fields.set(name, 1.into());
            fields
        };
        let leaked = |name: String| one(Cow::Borrowed(name.leak()));
        let templates = RefCell::new(Templates::new());
        for n in 0..MOST * 3 {
            with_stored_template(&templates, &leaked(format!("name{n}")));
            assert!((1..=MOST).contains(&templates.borrow().0.len()));
        }
        templates.borrow_mut().0.clear();
        with_stored_template(&templates, &leaked("x".repeat(LONGEST)));
        with_stored_template(&templates, &one("made at run time".to_owned().into()));
        assert_eq!(templates.borrow().0.len(), 0);
    }
}
