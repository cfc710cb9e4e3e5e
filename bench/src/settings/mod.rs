//! What is measured. A setting is a framework, bare or with one middleware; each middleware has its own file.

pub(crate) mod actix;
pub(crate) mod axum;
mod floor;
pub(crate) mod obs;
#[cfg(feature = "peers")]
mod peers;
mod redact;
mod share;
mod tower;

pub(crate) use share::Share;

use crate::drive::Drive;

/// One thing to measure.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// The same without the middleware, to be taken off; `None` if it is bare itself.
    pub(crate) bare: Option<&'static Self>,
    /// Builds the application, drives it, and checks that the middleware did its work.
    pub(crate) run: fn(Drive),
}

/// Those of this repository, in the order of the report.
static OURS: &[&Setting] = &[
    &axum::BARE,
    &axum::LAYER,
    &floor::AXUM,
    &obs::AXUM,
    &obs::AXUM_UNSAMPLED,
    &obs::AXUM_ONE_PERCENT,
    &obs::AXUM_SAMPLED,
    &tower::BARE,
    &obs::TOWER,
    &actix::BARE,
    &obs::ACTIX,
    &obs::ACTIX_UNSAMPLED,
    &obs::ACTIX_ONE_PERCENT,
    &obs::ACTIX_SAMPLED,
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

/// All of them, in the order of the report.
fn all() -> impl Iterator<Item = &'static Setting> {
    OURS.iter().chain(PEERS).copied()
}

/// Those whose names start with one of the prefixes; without a prefix, all.
pub(crate) fn chosen(prefixes: &[&str]) -> Result<Vec<&'static Setting>, String> {
    let chosen = |setting: &&Setting| {
        prefixes.is_empty() || prefixes.iter().any(|prefix| setting.name.starts_with(prefix))
    };
    let settings: Vec<_> = all().filter(chosen).collect();
    if settings.is_empty() { Err(format!("no setting starts so; {}", names())) } else { Ok(settings) }
}

impl Setting {
    pub(crate) fn named(name: &str) -> Result<&'static Self, String> {
        all()
            .find(|setting| setting.name == name)
            .ok_or_else(|| format!("there is no setting `{name}`; {}", names()))
    }

    /// Whether it has a server. Only applications of the two frameworks have.
    pub(crate) fn is_served(&self) -> bool {
        ["axum-", "actix-"].iter().any(|framework| self.name.starts_with(framework))
    }

    /// Whether it is somebody else's middleware.
    pub(crate) fn is_peer(&self) -> bool {
        PEERS.iter().any(|peer| peer.name == self.name)
    }
}

fn names() -> String {
    format!("there are {}", all().map(|setting| setting.name).collect::<Vec<_>>().join(", "))
}
