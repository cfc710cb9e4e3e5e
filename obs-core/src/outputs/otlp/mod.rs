//! OTLP over HTTP with binary protobuf, the export protocol for all signals of OpenTelemetry
//! (feature `otlp`).
//!
//! This folder does not depend on the OpenTelemetry SDK, nor on the items of a signal. A signal
//! encodes its items and passes them to an [`Envelope`](envelope::Envelope). A
//! [`CollectorClient`](client::CollectorClient) sends the resulting message.
//!
//! ```text
//! items ─▶ attribute.rs, protobuf.rs ─▶ envelope.rs ─▶ client.rs ─▶ response.rs
//!                                       resource.rs    tls.rs
//! settings: export.rs; environment variables: environment.rs; URLs: url.rs; names of a signal:
//! signal.rs
//! ```

pub(crate) mod attribute;
pub(crate) mod client;
pub(crate) mod envelope;
pub(crate) mod environment;
pub(crate) mod export;
pub(crate) mod protobuf;
pub(crate) mod resource;
pub(crate) mod response;
pub(crate) mod signal;
pub(crate) mod tls;
pub(crate) mod url;
