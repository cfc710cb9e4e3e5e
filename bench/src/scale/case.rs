//! A growth case: the kind of growth, its amount, the framework, with or without the middleware.

use super::{actix, axum};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Routes,
    Fields,
    Frames,
    /// Frames of a request with a span that is not sampled.
    Traced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Framework {
    Axum,
    Actix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(super) kind: Kind,
    pub(super) framework: Framework,
    pub(super) amount: usize,
    pub(super) observed: bool,
}

/// Runs the case with this name, if it exists.
pub(crate) fn run(name: &str, requests: u64) -> Option<()> {
    let case = Case::named(name)?;
    match case.framework {
        Framework::Axum => axum::run(case, requests),
        Framework::Actix => actix::run(case, requests),
    }
    Some(())
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Routes, Self::Fields, Self::Frames, Self::Traced];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Routes => "routes",
            Self::Fields => "fields",
            Self::Frames => "frames",
            Self::Traced => "traced",
        }
    }

    pub(super) fn named(name: &str) -> Result<Self, String> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| format!("there is no kind of growth `{name}`"))
    }

    /// The title of the last column of the table.
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Routes => "more than with 10",
            Self::Fields => "for each field",
            Self::Frames | Self::Traced => "for each further frame",
        }
    }

    pub(super) const fn amounts(self, framework: Framework) -> &'static [usize] {
        match (self, framework) {
            (Self::Routes, Framework::Axum) => &[10, 100, 1_000, 10_000],
            // actix tries one route after the other, so its own cost would hide the cost of the
            // middleware.
            (Self::Routes, Framework::Actix) => &[10, 100, 1_000],
            (Self::Fields, _) => &[0, 1, 8, 16, 32, 64],
            (Self::Frames, _) => &[1, 10, 100, 1_000],
            (Self::Traced, _) => &[1, 1_000],
        }
    }

    /// Returns `true` if the target applies to this amount. With few frames, the random part of a
    /// request's cost is too large for each frame.
    pub(super) fn is_held(self, framework: Framework, amount: usize) -> bool {
        match self {
            Self::Routes | Self::Fields => true,
            Self::Frames | Self::Traced => self.amounts(framework).last() == Some(&amount),
        }
    }

    /// The number of requests in the shorter run. The warm-up requests each route, and each route
    /// keeps a random number of exemplars. On axum, with many routes, this cost is shared by more
    /// requests.
    pub(super) const fn requests(self, framework: Framework) -> u32 {
        match (self, framework) {
            (Self::Routes, Framework::Axum) => 20_000,
            (Self::Routes, Framework::Actix) => 2_000,
            (Self::Fields | Self::Frames | Self::Traced, _) => 1_000,
        }
    }

    /// The number of measurements. One is enough for frames, because the cost of a thousand frames
    /// varies little.
    pub(super) const fn times(self) -> usize {
        match self {
            Self::Routes | Self::Fields => 3,
            Self::Frames | Self::Traced => 1,
        }
    }
}

impl Framework {
    pub(super) const ALL: [Self; 2] = [Self::Axum, Self::Actix];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Actix => "actix",
        }
    }
}

impl Case {
    /// The name of the case for `bench run`, such as `routes-axum-100-observed`.
    pub(super) fn name(&self) -> String {
        let Self { kind, framework, amount, observed } = *self;
        let observed = if observed { "observed" } else { "bare" };
        format!("{}-{}-{amount}-{observed}", kind.name(), framework.name())
    }

    fn named(name: &str) -> Option<Self> {
        let [kind, framework, amount, observed] = name.split('-').collect::<Vec<_>>().try_into().ok()?;
        Some(Self {
            kind: Kind::named(kind).ok()?,
            framework: Framework::ALL.into_iter().find(|other| other.name() == framework)?,
            amount: amount.parse().ok()?,
            observed: ["bare", "observed"].iter().position(|other| *other == observed)? == 1,
        })
    }

    /// The routes of the case. Cases that do not measure routes have one.
    pub(super) fn paths(&self) -> Vec<String> {
        let routes = if self.kind == Kind::Routes { self.amount } else { 1 };
        (0..routes).map(|number| format!("/route-{number}")).collect()
    }

    /// The number of requests before the measurement. Finding a new route takes a lock until new
    /// routes have been found often enough, so the warm-up goes through all routes a few times.
    pub(super) fn warm_up(&self) -> usize {
        3 * self.paths().len()
    }

    /// The number of fields that a handler sets. Without the middleware, there is no event for
    /// fields.
    pub(super) fn fields(&self) -> usize {
        if self.kind == Kind::Fields && self.observed { self.amount } else { 0 }
    }

    /// The number of frames of a response. `None` if the response is a text.
    pub(super) fn frames(&self) -> Option<usize> {
        matches!(self.kind, Kind::Frames | Kind::Traced).then_some(self.amount)
    }

    /// Returns `true` if the requests have spans.
    pub(super) fn is_traced(&self) -> bool {
        self.kind == Kind::Traced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parsed_name_gives_the_same_case() {
        let case = Case { kind: Kind::Frames, framework: Framework::Actix, amount: 7, observed: true };
        assert_eq!(Case::named(&case.name()), Some(case));
        assert_eq!(Case::named("axum-observed"), None);
        assert_eq!(Case::named("frames-actix-7-maybe"), None);
    }
}
