//! What is measured. A setting is a framework, bare or with one middleware; each middleware has its own file.

pub(crate) mod actix;
pub(crate) mod axum;
mod obs;
mod redact;
pub(crate) mod tower;

/// One thing to measure.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// The same without the middleware, to be taken off; `None` if it is bare itself.
    pub(crate) bare: Option<&'static Self>,
    /// Builds the service and sends it so many requests, one after the other, on this thread.
    pub(crate) run: fn(u64),
}

/// All of them, in the order of the report.
pub(crate) static ALL: &[&Setting] = &[
    &axum::BARE,
    &obs::AXUM,
    &obs::AXUM_UNSAMPLED,
    &obs::AXUM_SAMPLED,
    &tower::BARE,
    &obs::TOWER,
    &actix::BARE,
    &obs::ACTIX,
    &obs::ACTIX_UNSAMPLED,
    &obs::ACTIX_SAMPLED,
    &redact::PATH,
    &redact::USER_AGENT,
    &redact::TEXT,
    &redact::QUERY,
    &redact::NAME,
];

impl Setting {
    pub(crate) fn named(name: &str) -> Result<&'static Self, String> {
        ALL.iter().copied().find(|setting| setting.name == name).ok_or_else(|| {
            let names: Vec<_> = ALL.iter().map(|setting| setting.name).collect();
            format!("there is no setting `{name}`; there are {}", names.join(", "))
        })
    }
}
