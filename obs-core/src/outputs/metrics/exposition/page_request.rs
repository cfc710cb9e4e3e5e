//! A request for a page: the families that the client wants, and the metric type that the page
//! shows for each family.

use std::sync::Arc;

use super::{
    format::Format,
    labels,
    openmetrics::{family_is_legal, reserved_names, text_names},
    page::{FamilyPart, Page, PageSection},
};
use crate::outputs::metrics::family::{Family, Kind};

/// The content that a client requests from a page.
pub(crate) struct PageRequest<'a> {
    pub(crate) format: Format,
    /// The names of families or samples. Empty for all families.
    pub(crate) names: &'a [String],
    /// True if OpenMetrics shows the time since which a series counts.
    pub(crate) created: bool,
    pub(crate) gzip: bool,
}

impl PageRequest<'_> {
    /// Returns the page of these families. Calls `on_skipped` for each family that it cannot show.
    pub(crate) fn page(&self, families: &Arc<[Family]>, on_skipped: &dyn Fn(&str)) -> Page {
        let mut taken = Vec::new();
        // Our families reserve their names first, regardless of their position in the page.
        let kinds = [true, false].map(|own| {
            let kinds = families.iter().map(|family| {
                (family.own == own).then(|| self.shown_kind(family, &mut taken, on_skipped)).flatten()
            });
            kinds.collect::<Vec<_>>()
        });
        let [own, others] = kinds;
        let kinds = own.into_iter().zip(others).map(|(own, other)| own.or(other));
        let mut runs = Vec::new();
        for (number, (family, kind)) in families.iter().zip(kinds).enumerate() {
            if let Some(kind) = kind
                && self.wants(family)
            {
                let parts = parts(family, kind).iter();
                runs.extend(parts.map(|part| PageSection { family: number, kind, part: *part }));
            }
        }
        let Self { format, created, gzip, .. } = *self;
        Page { families: Arc::clone(families), runs: runs.into(), format, created, gzip }
    }

    fn wants(&self, family: &Family) -> bool {
        let names = self.names;
        names.is_empty() || reserved_names(family, family.kind).iter().any(|name| names.contains(name))
    }

    /// Returns the kind with which a family can be shown without making the page invalid. `None` if
    /// it cannot be shown.
    fn shown_kind(
        &self,
        family: &Family,
        taken: &mut Vec<String>,
        on_skipped: &dyn Fn(&str),
    ) -> Option<Kind> {
        if family.is_empty() {
            return None;
        }
        if !labels::is_metric_name(&family.name) {
            on_skipped("the registry contains a metric with an invalid name, so /metrics skips it");
            return None;
        }
        let mut take = |names: Vec<String>| {
            let free = names.iter().all(|name| taken.binary_search(name).is_err());
            for name in names.into_iter().filter(|_| free) {
                let (Ok(place) | Err(place)) = taken.binary_search(&name);
                taken.insert(place, name);
            }
            free
        };
        if self.format == Format::Text {
            if take(text_names(family)) {
                return Some(family.kind);
            }
            on_skipped("two metrics have names that collide, so /metrics skips one of them");
            return None;
        }
        // A family that violates OpenMetrics' rules for its kind is shown without a kind, under the
        // same names.
        let legal = family_is_legal(family).then_some(family.kind);
        let shown = legal.into_iter().chain([Kind::Untyped]).find(|kind| take(reserved_names(family, *kind)));
        if shown.is_none() {
            on_skipped(
                "two metrics have names that collide in OpenMetrics, so /metrics skips one of them in that format",
            );
        }
        shown
    }
}

/// Returns the parts of a family. If it is shown without its kind, each of its names becomes a
/// separate family.
const fn parts(family: &Family, kind: Kind) -> &'static [FamilyPart] {
    match (kind, family.kind) {
        (Kind::Untyped, Kind::Histogram) => &[Some("_bucket"), Some("_sum"), Some("_count")],
        (Kind::Untyped, Kind::Summary) => &[Some(""), Some("_sum"), Some("_count")],
        _ => &[None],
    }
}
