//! The facts of a request that labels can show, and the key by which its series is found.

use std::borrow::Cow;

use super::settings::LabelSource;
use crate::{
    http::{
        grpc::status::GrpcStatus,
        method::Method,
        protocol::{HttpVersion, UrlScheme},
    },
    record::{
        finished::{FinishedRequest, Record},
        route::{MAX_ROUTE_ID, Route},
    },
    write::digits,
};

/// The facts of a request that labels can show.
#[derive(Clone, Copy)]
pub(super) struct LabelFacts<'a> {
    pub(super) method: Method,
    pub(super) route: Option<&'a Route>,
    /// The status that was sent.
    pub(super) status: Option<u16>,
    /// The status that the metrics count.
    pub(super) status_label: u16,
    pub(super) error_type: Option<&'static str>,
    pub(super) grpc: bool,
    pub(super) grpc_status: Option<GrpcStatus>,
    pub(super) scheme: UrlScheme,
    pub(super) version: Option<HttpVersion>,
    /// The number of the combination of values of the application's own labels.
    pub(super) custom: u32,
    /// The record from which these values come.
    pub(super) record: Option<&'a Record>,
}

impl<'a> LabelFacts<'a> {
    pub(super) fn of(record: &'a Record, request: &FinishedRequest<'a>) -> Self {
        let FinishedRequest { start, end, .. } = *request;
        // A stranger can send any method to any route. So the methods that a route does not serve
        // are one.
        let method = if end.status == Some(405) { Method::Other } else { start.method };
        Self {
            method,
            route: end.route.as_ref(),
            status: end.status,
            status_label: request.status_label(),
            error_type: record.error_type_of(end),
            grpc: end.grpc.is_some(),
            grpc_status: end.grpc_status(),
            scheme: start.scheme,
            version: start.version,
            custom: 0,
            record: Some(record),
        }
    }

    /// Returns the facts of a future request, as far as they are known.
    pub(super) const fn expected(method: Method, route: &'a Route) -> Self {
        Self {
            method,
            route: Some(route),
            status: None,
            status_label: 0,
            error_type: None,
            grpc: false,
            grpc_status: None,
            scheme: UrlScheme::Http,
            version: Some(HttpVersion::Http11),
            custom: 0,
            record: None,
        }
    }

    /// Returns true if a route has served the request with success, or if no route matched. Only
    /// code decides how many routes and methods there are.
    pub(super) fn is_served(&self) -> bool {
        let failed = self.status_label >= 400
            || self.error_type.is_some()
            || self.grpc_status.is_some_and(|status| status != GrpcStatus::Ok);
        self.route.is_none() || !failed && !self.is_easily_sent()
    }

    /// Returns true for a method to which many routes respond without a handler for it, and for the
    /// methods that a route does not serve.
    pub(super) const fn is_easily_sent(&self) -> bool {
        matches!(self.method, Method::Head | Method::Options | Method::Other)
    }

    /// Returns the facts of the same request with the response status `status`.
    pub(super) fn answered(self, status: u16) -> Self {
        let error_type = (status >= 500).then(|| digits::status(status));
        Self { status: Some(status), status_label: status, error_type, ..self }
    }

    /// Returns the facts of the same request with a failure. With gRPC, failures also have the HTTP
    /// status 200.
    pub(super) fn failed(self) -> Self {
        if !self.grpc {
            return self.answered(500);
        }
        let status = GrpcStatus::Internal;
        Self { error_type: Some(status.as_str()), grpc_status: Some(status), ..self.answered(200) }
    }
}

/// The key of a label set. It contains only the facts that some label shows.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct SeriesKey {
    /// The application's own labels (17 bits), route (15), status (16), method (6), gRPC status
    /// (5), scheme (2) and version (3) in one number, because one number is hashed faster than
    /// seven.
    packed: u64,
    error_type: Option<&'static str>,
}

impl SeriesKey {
    /// The bits of the status and of the gRPC status.
    const STATUSES: u64 = 0xffff << 16 | 0b1_1111 << 5;
    /// The bits of the application's own labels. Clients may choose their values.
    const CUSTOM: u64 = !0 << Self::CUSTOM_PLACE;
    const CUSTOM_PLACE: u32 = 47;

    /// Returns the key of a label set of a test.
    #[cfg(test)]
    pub(super) const fn of_number(n: u32) -> Self {
        Self { packed: (n as u64) << 32, error_type: None }
    }

    /// Returns the key without the result of the request and without the application's own labels.
    pub(super) const fn without_result(&self) -> Self {
        Self { packed: self.packed & !(Self::STATUSES | Self::CUSTOM), error_type: None }
    }
}

/// The number of combinations of values of the application's own labels that a key can have.
pub(super) const MAX_COMBINATIONS: usize = 100_000;

const _: () = assert!(MAX_COMBINATIONS <= 1 << 17 && MAX_ROUTE_ID < 1 << 15);

/// A builder of the keys of one family.
pub(super) struct SeriesKeys {
    /// The bits of [`SeriesKey::packed`] that some label shows.
    label_bits: u64,
    /// True if the key contains only the class of the status.
    class_only: bool,
    error_type: bool,
}

impl SeriesKeys {
    const STATUS: u64 = 0xffff << 16;

    pub(super) fn new(labels: &[(LabelSource, Cow<'static, str>)]) -> Self {
        let mut this = Self { label_bits: 0, class_only: false, error_type: false };
        let has_code = labels.iter().any(|(source, _)| *source == LabelSource::Status);
        for (source, _) in labels {
            this.label_bits |= match source {
                LabelSource::Route => 0x7fff << 32,
                LabelSource::Custom(_) => SeriesKey::CUSTOM,
                LabelSource::Status => Self::STATUS,
                // If both labels exist, the code determines the class.
                LabelSource::StatusClass => {
                    this.class_only = !has_code;
                    Self::STATUS
                }
                LabelSource::Method => 0b11_1111 << 10,
                LabelSource::GrpcStatus => 0b1_1111 << 5,
                LabelSource::Scheme => 0b11 << 3,
                LabelSource::ProtocolVersion => 0b111,
                LabelSource::ErrorType => {
                    this.error_type = true;
                    0
                }
            };
        }
        this
    }

    /// Returns the builder of the keys of gRPC calls. These contain the status that the caller of
    /// [`of`](Self::of) chooses, which no label shows.
    pub(super) fn of_calls(labels: &[(LabelSource, Cow<'static, str>)]) -> Self {
        let keys = Self::new(labels);
        Self { label_bits: keys.label_bits | Self::STATUS, ..keys }
    }

    pub(super) fn of(&self, facts: &LabelFacts<'_>, status: Option<u16>) -> SeriesKey {
        let status = status.unwrap_or_default();
        let status = if self.class_only { status / 100 } else { status };
        let grpc = facts.grpc_status.map_or(0, |status| status.code().saturating_add(1));
        let version = facts.version.map_or(0, |version| (version as u64).saturating_add(1));
        let packed = u64::from(facts.custom) << SeriesKey::CUSTOM_PLACE
            | u64::from(facts.route.map_or(0, Route::id)) << 32
            | u64::from(status) << 16
            | (facts.method as u64) << 10
            | u64::from(grpc) << 5
            | (facts.scheme as u64) << 3
            | version;
        SeriesKey {
            packed: packed & self.label_bits,
            error_type: facts.error_type.filter(|_| self.error_type),
        }
    }
}
