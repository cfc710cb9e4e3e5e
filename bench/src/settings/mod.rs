//! The settings that are measured. A setting is a framework, bare or with one middleware. Each
//! middleware has its own file.

pub(crate) mod actix;
pub(crate) mod axum;
mod calls;
mod floor;
mod lines;
pub(crate) mod obs;
#[cfg(feature = "peers")]
mod peers;
mod queries;
mod redact;
mod share;
mod tower;

pub(crate) use share::Share;

use crate::drive::Drive;

/// A framework to measure, bare or with one middleware.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// The setting without the middleware, whose cost is subtracted. `None` if this setting is
    /// bare.
    pub(crate) bare: Option<&'static Self>,
    /// Builds the application, drives it, and checks that the middleware did its work.
    pub(crate) run: fn(Drive),
}

/// The settings of this repository, in the order of the report.
static OURS: &[&Setting] = &[
    &axum::BARE,
    &axum::LAYER,
    &floor::AXUM,
    &obs::AXUM,
    &obs::AXUM_UNSAMPLED,
    &obs::AXUM_ONE_PERCENT,
    &obs::AXUM_NO_COLLECTOR,
    &obs::AXUM_SAMPLED,
    &tower::BARE,
    &obs::TOWER,
    &actix::BARE,
    &obs::ACTIX,
    &obs::ACTIX_UNSAMPLED,
    &obs::ACTIX_ONE_PERCENT,
    &obs::ACTIX_NO_COLLECTOR,
    &obs::ACTIX_SAMPLED,
    &lines::NONE,
    &lines::WRITTEN,
    &lines::FILTERED,
    &lines::FILTERED_NO_QUERIES,
    &lines::FILTERED_BY_TARGET,
    &lines::COLLECTED,
    &queries::NONE,
    &queries::REPORTED,
    &queries::EVENT,
    &calls::BARE,
    &calls::OBSERVED,
    &calls::SAMPLED,
    &redact::PATH,
    &redact::USER_AGENT,
    &redact::TEXT,
    &redact::QUERY,
    &redact::NAME,
];

#[cfg(feature = "peers")]
use peers::ALL as PEERS;
#[cfg(not(feature = "peers"))]
static PEERS: &[&Setting] = &[];

/// All settings, in the order of the report.
fn all() -> impl Iterator<Item = &'static Setting> {
    OURS.iter().chain(PEERS).copied()
}

/// Returns the settings whose names start with one of the prefixes. Without a prefix, returns all.
pub(crate) fn chosen(prefixes: &[&str]) -> Result<Vec<&'static Setting>, String> {
    let chosen = |setting: &&Setting| {
        prefixes.is_empty() || prefixes.iter().any(|prefix| setting.name.starts_with(prefix))
    };
    let settings: Vec<_> = all().filter(chosen).collect();
    if settings.is_empty() {
        Err(format!("no setting starts with these prefixes; {}", names()))
    } else {
        Ok(settings)
    }
}

impl Setting {
    pub(crate) fn named(name: &str) -> Result<&'static Self, String> {
        all()
            .find(|setting| setting.name == name)
            .ok_or_else(|| format!("there is no setting `{name}`; {}", names()))
    }

    /// Returns `true` if the setting has a server. Only applications of the two frameworks have
    /// one.
    pub(crate) fn is_served(&self) -> bool {
        ["axum-", "actix-"].iter().any(|framework| self.name.starts_with(framework))
    }

    /// Returns `true` if the middleware is not from this repository.
    pub(crate) fn is_peer(&self) -> bool {
        PEERS.iter().any(|peer| peer.name == self.name)
    }
}

fn names() -> String {
    format!("there are {}", all().map(|setting| setting.name).collect::<Vec<_>>().join(", "))
}
