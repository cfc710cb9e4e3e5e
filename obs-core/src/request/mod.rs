//! The life of one request, from its head to the end of its response.
//!
//! # Start
//!
//! The adapter searches the request's extensions for the handle of its own observer. It never uses
//! the current handle of the thread: a handler may call another service on the same thread, and
//! that is a separate request. If there is a handle, the adapter starts nothing. It only sets the
//! more exact route in that handle. So installing a layer twice is harmless, and a layer inside a
//! nested service names the route that the outer layer cannot see.
//!
//! # Scope
//!
//! An observation has one scope, which swaps the handle of the request into a thread-local around
//! `call`, each poll and each drop. This needs no runtime and no reference count. `catch_unwind`
//! surrounds the same places. A frame of a body is large. So the closure that runs in the scope and
//! in `catch_unwind` returns only the data of the frame, not the whole frame.
//!
//! Most bodies of requests without a span yield nothing but bytes. For them
//! [`BodyObservation::poll`](body::BodyObservation::poll) has a short path. An adapter that calls
//! `sees_only_bytes` before `poll` can inline this path. Long code that few requests need is in
//! functions that are not inlined. Between two requests, other code displaces ours from the
//! processor's caches. If rare code lay between common code, the processor would have to load the
//! rare code again, too.
//!
//! # End
//!
//! The observation moves into the response's body. A [`BodyRule`](body_rule::BodyRule), which the
//! adapter states for each response, decides what the end of the body means. The rules come from
//! trials on hyper and actix.
//!
//! - hyper does not poll a body that reports its end, and stops polling after `Content-Length`
//!   bytes. So the rule looks at the number of bytes, and at the state of the body when it is
//!   dropped. hyper also drops a body as soon as hyper has the last frame, even if the frame is not
//!   sent yet. So frames are handed over in chunks of 64 KiB.
//! - actix polls every body to its end, even one that it discards. So a response is complete
//!   only at that end.
//!
//! # Memory
//!
//! An observation is two pointers, to its observer and to the state in flight, because frameworks
//! move it a dozen times, in futures, responses and bodies. When it is dropped and nobody holds a
//! handle or a record, the state is reset, and the thread keeps its memory for the next request. So
//! the core usually allocates nothing for a request. A request changes only one reference count
//! that threads share: the observer's.

pub(crate) mod begin;
pub(crate) mod body;
pub(crate) mod body_rule;
pub(crate) mod end;
pub(crate) mod grpc_end;
pub(crate) mod in_flight;
pub(crate) mod observation;
pub(crate) mod observed;
#[cfg(feature = "otel")]
pub(crate) mod otel_propagator;
pub(crate) mod panic_answer;
pub(crate) mod panic_hook;
pub(crate) mod recycled;
pub(crate) mod request_body;
pub(crate) mod start;
