//! The facts of all kinds of work.

use std::borrow::Cow;

use super::facts;
use crate::record::{
    calls::{Call, DependencyCalls},
    finished::Record,
    identity::User,
    repeated::RepeatedQuery,
    service::Service,
    spans::SpanTotals,
    start::Start,
};

#[cfg(test)]
use crate::record::outcome::Outcome;

/// The version of the schema. It changes when a field changes its meaning or is removed. New fields
/// and new kinds of work may be added at any time.
pub(super) const SCHEMA: u32 = 1;

/// The kinds of work in events.
#[cfg(test)]
pub(super) const KINDS: [&str; 1] = ["request"];

facts! {
    /// The time at which the work began.
    TimeFacts of all;
    #[inline]
    event(start: &Start);
    {
        /// The start of the work, in UTC, with microseconds.
        "time": time {
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z$"
        } = start.since_1970;
    }
}

facts! {
    /// The service and the kind of the work, which are the same in each event of a kind.
    ServiceFacts of all;
    #[inline]
    event(service: &Service, kind: &'static str);
    {
        /// The version of the schema.
        "schema": number { "const": SCHEMA } = SCHEMA;

        /// The name of the service.
        "service.name": text { "minLength": 1 } = &service.name;

        /// The version of the service.
        "service.version": text if "it is set" = &service.version;

        /// The id of the service's instance. Unless it is set, each start creates a new UUID.
        "service.instance.id": text = &service.instance;

        /// The environment in which the service runs.
        "deployment.environment.name": text if "it is set" = &service.environment;

        /// The kind of the work.
        "kind": word { "enum": KINDS } = kind;
    }
}

facts! {
    /// The ids of the work and its place in its trace.
    IdFacts of all;
    #[inline]
    event(start: &Start);
    {
        /// The id of the work.
        "request_id": word { "pattern": "^[A-Za-z0-9._:/][A-Za-z0-9._:/+=@-]{0,127}$" } = start.id.as_bytes();

        /// The trace to which the work belongs.
        "trace_id": trace_id = &start.trace.trace_id;

        /// The span of the work.
        "span_id": span_id = &start.trace.span_id;

        /// The caller's span.
        "parent_span_id": span_id if "the caller's trace was continued" = &start.trace.parent_id;

        /// The trace of the caller, which was not continued.
        "link.trace_id": trace_id if "the caller is not trusted"
            = start.trace.link.as_ref().map(|link| &link.trace_id);

        /// The caller's span in that trace.
        "link.span_id": span_id if "the caller is not trusted"
            = start.trace.link.as_ref().map(|link| &link.span_id);
    }
}

facts! {
    /// The way in which the work ended.
    OutcomeFacts of all;
    #[inline]
    event(record: &Record);
    {
        /// The way in which the work ended: see `docs/endings.md`.
        "outcome": word { "enum": Outcome::ALL.map(Outcome::as_str) } = record.outcome.as_str();
    }
}

facts! {
    /// The failure of the work, its error and its panic.
    FailureFacts of all;
    #[inline(never)]
    event(record: &Record, error_type: Option<&'static str>);
    {
        /// The type of the failure: the reported kind or type, the 5xx status, the gRPC status, or
        /// the outcome.
        "error.type": text if "it failed", at_end(any, by_rules) = error_type;

        /// The kind or type of a reported error that did not make the work fail.
        "exception.type": text if "an error was reported, and the work did not fail"
            = reported(record).filter(|_| error_type.is_none());

        /// The text of the panic, or else of the error.
        "error.message": text if "an error was reported, or it panicked" = message(record);

        /// The source location of the panic: `file:line:column`.
        "error.location": text if "it panicked"
            = location(record).as_deref();

        /// The sources of the error, the outermost first.
        "error.sources": texts { "maxItems": 16 } if "the error has any" = sources(record);
    }
}

fn reported(record: &Record) -> Option<&'static str> {
    record.error.as_ref()?.type_name
}

fn location(record: &Record) -> Option<String> {
    record.panic.as_ref()?.location.as_ref().map(ToString::to_string)
}

fn message(record: &Record) -> Option<&str> {
    let panic = record.panic.as_ref().map(|panic| &panic.message);
    panic.or(record.error.as_ref().map(|error| &error.message)).map(String::as_str)
}

fn sources(record: &Record) -> Option<&[String]> {
    let error = record.error.as_ref().filter(|_| record.panic.is_none())?;
    Some(error.sources.as_slice()).filter(|sources| !sources.is_empty())
}

facts! {
    /// The duration of the work.
    DurationFacts of all;
    #[inline]
    event(record: &Record);
    {
        /// The time from the start to the end of the work. For a request, it ends with the last
        /// byte of the response.
        "duration_ms": millis = record.duration;
    }
}

facts! {
    /// The state of the service when the work ended.
    ServiceStateFacts of all;
    #[inline]
    event(record: &Record);
    {
        /// True if the work ended while the service was shutting down.
        "draining": flag if "it is true" = record.draining;
    }
}

facts! {
    /// The user that the work served.
    UserFacts of all;
    #[inline]
    event(user: &User);
    attributes at_start(), at_end(user: &User);
    {
        /// The id of the user that the work served.
        "user.id": text if "`current().user(..)` was called, and ids are kept", at_end(any)
            = user.id();

        /// The keyed hash of the user's id.
        "user.hash": text plain_if(true) { "pattern": "^[0-9a-f]{32}$" }
            if "`current().user(..)` was called, and users are hashed", at_end(any)
            = user.hash();
    }
}

facts! {
    /// Feature flags and calls. They are lists of objects, in which each name, such as the name of
    /// a dependency, is a value. So a name does not become a column in a database of events.
    ActivityFacts of all;
    #[inline(never)]
    event(record: &Record);
    {
        /// The feature flags that were evaluated.
        "feature_flags": [FlagFacts] { "maxItems": 32 } if "`current().flag(..)` was called"
            = record.flags;

        /// The calls that the work made, summed by dependency: up to 16 dependencies, and all
        /// others as `other`.
        "calls": [DependencyFacts] { "maxItems": 17 } if "there were any"
            = record.calls.by_dependency();

        /// The 16 slowest calls individually, in the order in which they ended.
        "slowest_calls": [CallFacts] { "maxItems": 16 } if "there were any"
            = record.calls.slowest();

        /// The queries of databases that the work repeated at least 10 times, usually in a loop.
        "repeated_queries": [RepeatedQueryFacts] { "maxItems": 64 } if "there are any"
            = record.calls.repeated();

        /// The spans of the application, summed by name: up to 16 names, and all others as `other`.
        "spans": [SpanFacts] { "maxItems": 17 } if "`current().span(..)` was called"
            = record.spans();
    }
}

facts! {
    /// A feature flag.
    FlagFacts of all;
    #[inline]
    event(flag: &(Cow<'static, str>, Cow<'static, str>));
    {
        /// The name of the flag.
        "key": text = &flag.0;

        /// The variant that the evaluation returned.
        "variant": text = &flag.1;
    }
}

facts! {
    /// The calls of one dependency.
    DependencyFacts of all;
    #[inline]
    event(calls: &DependencyCalls);
    {
        /// The name of the dependency.
        "dependency": text = calls.dependency.as_str();

        /// The number of calls.
        "count": number { "minimum": 1 } = calls.count;

        /// The number of calls that failed.
        "errors": number = calls.errors;

        /// The number of rows that a database returned or changed.
        "rows": number if "a database says it" = calls.rows;

        /// The sum of the times of all calls.
        "total_ms": millis = calls.total;

        /// The time of the longest call.
        "longest_ms": millis = calls.longest;
    }
}

facts! {
    /// The spans of one name.
    SpanFacts of all;
    #[inline]
    event(span: &SpanTotals);
    {
        /// The name of the span.
        "name": text = &span.name;

        /// The number of spans.
        "count": number { "minimum": 1 } = span.count;

        /// The number of spans that failed.
        "errors": number = span.errors;

        /// The sum of the times of all spans.
        "total_ms": millis = span.total;

        /// The time of the longest span.
        "longest_ms": millis = span.longest;
    }
}

facts! {
    /// One call.
    CallFacts of all;
    #[inline]
    event(call: &Call);
    {
        /// The name of the dependency.
        "dependency": text = call.dependency.as_str();

        /// The operation of the call.
        "operation": text if "it is known" = call.operation.as_deref();

        /// The span of the call. The called service has it as its `parent_span_id`.
        "span_id": span_id = &call.span_id;

        /// The HTTP status of the response.
        "status": number { "maximum": 65535 } if "it is known" = call.status;

        /// True if the call failed.
        "failed": flag if "it is true" = call.failed();

        /// The type of the failure: see `docs/clients.md`.
        "error.type": text if "it failed" = call.error_type;

        /// The code that a database returned, such as an SQLSTATE.
        "code": text if "a database returned one" = call.code.as_deref();

        /// The number of earlier attempts to send the same request.
        "resend_count": number { "minimum": 1 } if "there are any"
            = Some(call.resend).filter(|resend| *resend > 0);

        /// The number of rows that a database returned or changed.
        "rows": number if "a database says it" = call.rows;

        /// The time from the start of the work to the start of the call.
        "start_ms": millis = call.start;

        /// The time from the start of the call to the head of its response.
        "time_to_head_ms": millis if "there was a response" = call.time_to_head;

        /// The duration of the call, with the body of its response.
        "duration_ms": millis if "it is known" = call.duration;
    }
}

facts! {
    /// A query that was repeated. Queries with the same summary count as the same.
    RepeatedQueryFacts of all;
    #[inline]
    event(query: &RepeatedQuery);
    {
        /// The name of the database.
        "dependency": text = query.dependency.as_str();

        /// The summary of the query.
        "operation": text = &query.operation;

        /// The number of times.
        "count": number { "minimum": 2 } = query.count;

        /// The sum of the times of all of them.
        "total_ms": millis = query.total;
    }
}

facts! {
    /// The application's own fields, and the sample rate of the event.
    FieldFacts of all;
    #[inline]
    event(record: &Record, sample_rate: f64);
    {
        /// The application's own fields: at most 64, and at most 16 KiB. A text that is cut ends
        /// with `…`. Dots in names create nested objects.
        "fields": fields { "minProperties": 1 } if "`current().set(..)` was called"
            = Some(&record.fields).filter(|fields| fields.iter().next().is_some());

        /// The number of fields that did not fit.
        "fields_dropped": number { "minimum": 1 } if "there are any"
            = Some(record.fields.dropped()).filter(|dropped| *dropped > 0);

        /// The rate at which the event was kept. The event represents `1/sample_rate` units of
        /// work.
        "sample_rate": share { "exclusiveMinimum": 0, "maximum": 1 } = sample_rate;
    }
}
