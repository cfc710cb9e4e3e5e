//! OTLP over HTTP with binary protobuf: the wire on which all signals of OpenTelemetry travel
//! (feature `otlp`).
//!
//! Nothing here knows the OpenTelemetry SDK, or what an item of a signal is. A signal encodes its
//! items and gives them to an [`Envelope`](envelope::Envelope), whose message a
//! [`CollectorClient`](client::CollectorClient) sends.
//!
//! ```text
//! items ─▶ attribute.rs, protobuf.rs ─▶ envelope.rs ─▶ client.rs ─▶ response.rs ─▶ delivered, rejected, or a failure
//!                                       resource.rs    tls.rs
//! settings: export.rs, from the environment environment.rs, url.rs; names of a signal: signal.rs
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
