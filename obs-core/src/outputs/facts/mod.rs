//! The table of facts: one row for each fact about finished work that events and spans contain.
//!
//! A row has the name of the event's field, its JSON type, the condition of its presence, its
//! description, and the expression that reads it. The rows generate:
//!
//! * the members of an event (`event`),
//! * the attributes of a span (`at_start` and `at_end`),
//! * the check for their names (`has_attribute`): in a span, a field of the application cannot have
//!   such a name,
//! * the JSON Schema of an event (`schema/event-1.json`) and the reference in `docs/events.md`. A
//!   test compares both with the rows. With `UPDATE_DOCS=1`, the test writes both documents.
//!
//! Rows form groups, and one function writes a group. The function of a rare group is not inlined.
//! Otherwise its code would lie inside the code that runs for every event, and that code would be
//! slower.

#[cfg(feature = "otel")]
pub(crate) mod attributes;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod fact;
#[cfg(test)]
mod generated;
mod members;
mod nested;
pub(crate) mod request;
pub(crate) mod template;
pub(crate) mod work;

/// Defines the functions over all groups, in the order of an event's members.
macro_rules! groups {
    ($($group:ty),+ $(,)?) => {
        /// Returns true if a fact is a span attribute of this name.
        #[cfg(feature = "otel")]
        pub(in crate::outputs) fn has_attribute(name: &str) -> bool {
            false $(|| <$group>::has_attribute(name))+
        }

        /// Returns all facts in their order in an event.
        #[cfg(test)]
        fn all() -> Vec<fact::Fact> {
            [$(<$group>::facts()),+].into_iter().flatten().collect()
        }
    };
}

groups!(
    work::TimeFacts,
    work::ServiceFacts,
    work::IdFacts,
    request::OperationFacts,
    request::HeadFacts,
    request::GrpcFacts,
    work::OutcomeFacts,
    work::FailureFacts,
    work::DurationFacts,
    request::TransferFacts,
    work::ServiceStateFacts,
    work::UserFacts,
    work::ActivityFacts,
    work::FieldFacts,
);

/// Defines a group of facts, all of one kind of work, or of `all` kinds.
///
/// A row consists of `/// description`, `"name": type`, optional parts, and `= source;`. The
/// optional parts are:
///
/// * `plain_if(expression)`: if this is true, the text needs no escaping.
/// * `{ … }`: members of its JSON Schema in addition to those of its type.
/// * `if "condition"`: the condition of its presence. Then the source is an `Option`, or a `bool`
///   for a `flag`. A row without a condition has that of its group.
/// * `, at_start(protocol)` or `, at_end(protocol)`: it is also an attribute of the spans of
///   `http`, `grpc` or `any` requests. With `by_rules` after the protocol, code in
///   `otel::attributes` sets it, because spans have rules for it that events do not have.
///
/// A type is the method of [`Object`](crate::write::json::Object) that writes it. The type
/// `[Group]` is a list of objects with the facts of that group.
macro_rules! facts {
    // A group without attributes.
    (
        $(#[$about:meta])+
        $group:ident of $kind:ident $(if $condition:literal)?;
        #[$inline:meta]
        event $arguments:tt;
        $rows:tt
    ) => {
        $crate::outputs::facts::facts! {
            $(#[$about])+
            $group of $kind $(if $condition)?;
            #[$inline]
            event $arguments;
            #[allow(dead_code, reason = "they set nothing")]
            attributes at_start(), at_end();
            $rows
        }
    };
    (
        $(#[$about:meta])+
        $group:ident of $kind:ident $(if $condition:literal)?;
        #[$inline:meta]
        event($($argument:ident: $of:ty),*);
        $(#[$unused:meta])?
        attributes at_start($($start:ident: $of_start:ty),*), at_end($($end:ident: $of_end:ty),*);
        {$(
            $(#[doc = $what:literal])+
            $name:literal: $type:tt
            $(plain_if($plain:expr))? $({ $($schema:tt)* })? $(if $when:literal)?
            $(, $at:ident($protocol:ident $(, $by:ident)?))? = $source:expr;
        )+}
    ) => {
        $(#[$about])+
        pub(in crate::outputs) struct $group;

        impl $group {
            /// Writes the members of an event.
            #[$inline]
            pub(in crate::outputs) fn event(
                object: &mut $crate::write::json::Object<'_, '_>,
                $($argument: $of),*
            ) {
                $($crate::outputs::facts::member! {
                    object, $name, $type $(plain_if($plain))? $(if $when)? = $source
                })+
            }

            /// Sets the attributes of a span that are known at its start. `grpc` is true for a
            /// gRPC call.
            #[cfg(feature = "otel")]
            #[inline]
            $(#[$unused])?
            pub(in crate::outputs) fn at_start(
                all: &mut impl $crate::outputs::facts::attributes::Attributes,
                grpc: bool,
                $($start: $of_start),*
            ) {
                let _ = (&all, grpc);
                $($crate::outputs::facts::attribute! {
                    at_start $($at $protocol $($by)?)?:
                    all, grpc, $name, $type $(if $when)? = $source
                })+
            }

            /// Sets the attributes of a span that are known at its end.
            #[cfg(feature = "otel")]
            #[inline]
            $(#[$unused])?
            pub(in crate::outputs) fn at_end(
                all: &mut impl $crate::outputs::facts::attributes::Attributes,
                grpc: bool,
                $($end: $of_end),*
            ) {
                let _ = (&all, grpc);
                $($crate::outputs::facts::attribute! {
                    at_end $($at $protocol $($by)?)?:
                    all, grpc, $name, $type $(if $when)? = $source
                })+
            }

            /// Returns true if one of the facts is a span attribute of this name.
            #[cfg(feature = "otel")]
            #[allow(dead_code, reason = "an object in a list has no attributes")]
            pub(in crate::outputs) fn has_attribute(name: &str) -> bool {
                let _ = name;
                false $(|| $crate::outputs::facts::is_attribute!(name, $name $(, $at)?))+
            }

            /// Returns the rows as data.
            #[cfg(test)]
            pub(in crate::outputs) fn facts() -> Vec<$crate::outputs::facts::fact::Fact> {
                let condition: Option<&str> = None$(.or(Some($condition)))?;
                vec![$($crate::outputs::facts::fact::Fact {
                    name: $name,
                    kind: stringify!($kind),
                    json: $crate::outputs::facts::json_type!($type),
                    schema: serde_json::json!({ $($($schema)*)? }),
                    condition: None$(.or(Some($when)))?.or(condition),
                    description: concat!($($what),+).trim(),
                    attribute: None$(.or(Some((stringify!($at), stringify!($protocol)))))?,
                }),+]
            }
        }
    };
}

/// Writes a row's member of an event.
macro_rules! member {
    ($object:ident, $name:literal, flag if $when:literal = $is:expr) => {
        if $is {
            $object.flag($crate::write::json::key!($name));
        }
    };
    ($object:ident, $name:literal, texts_by_name if $when:literal = $lists:expr) => {
        $object.texts_by_name($name, $lists);
    };
    ($object:ident, $name:literal, [$group:ident] if $when:literal = $items:expr) => {
        $object.objects($crate::write::json::key!($name), $items.iter(), $group::event);
    };
    ($object:ident, $name:literal, text plain_if($plain:expr) if $when:literal = $text:expr) => {
        if let Some(text) = $text {
            $object.known_text($crate::write::json::key!($name), text, $plain);
        }
    };
    ($object:ident, $name:literal, text plain_if($plain:expr) = $text:expr) => {
        $object.known_text($crate::write::json::key!($name), $text, $plain);
    };
    ($object:ident, $name:literal, $type:ident if $when:literal = $value:expr) => {
        if let Some(value) = $value {
            $object.$type($crate::write::json::key!($name), value);
        }
    };
    ($object:ident, $name:literal, $type:ident = $value:expr) => {
        $object.$type($crate::write::json::key!($name), $value);
    };
}

/// Sets a row's attribute of a span, if it has one that is known in this phase.
#[cfg(feature = "otel")]
macro_rules! attribute {
    (at_start at_start $protocol:ident: $($row:tt)*) => {
        $crate::outputs::facts::attribute! { $protocol: $($row)* }
    };
    (at_end at_end $protocol:ident: $($row:tt)*) => {
        $crate::outputs::facts::attribute! { $protocol: $($row)* }
    };
    (http: $all:ident, $grpc:ident, $($row:tt)*) => {
        if !$grpc {
            $crate::outputs::facts::attribute! { any: $all, $grpc, $($row)* }
        }
    };
    (grpc: $all:ident, $grpc:ident, $($row:tt)*) => {
        if $grpc {
            $crate::outputs::facts::attribute! { any: $all, $grpc, $($row)* }
        }
    };
    (any: $all:ident, $grpc:ident, $name:literal, $type:ident if $when:literal = $value:expr) => {
        if let Some(value) = $value {
            $all.$type($name, value);
        }
    };
    (any: $all:ident, $grpc:ident, $name:literal, $type:ident = $value:expr) => {
        $all.$type($name, $value);
    };
    ($($other:tt)*) => {};
}

/// Returns true if a row is a span attribute of this name.
#[cfg(feature = "otel")]
macro_rules! is_attribute {
    ($name:ident, $own:literal) => {
        false
    };
    ($name:ident, $own:literal, $at:ident) => {
        $name == $own
    };
}

/// Returns the JSON type of a row as data.
#[cfg(test)]
macro_rules! json_type {
    ([$group:ident]) => {
        $crate::outputs::facts::fact::Json::Objects($group::facts())
    };
    ($type:ident) => {
        $crate::outputs::facts::fact::Json::Type(stringify!($type))
    };
}

#[cfg(test)]
pub(in crate::outputs) use json_type;
#[cfg(feature = "otel")]
pub(in crate::outputs) use {attribute, is_attribute};
pub(in crate::outputs) use {facts, member};
