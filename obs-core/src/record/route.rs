//! Routes. The text of each route is stored once.
//!
//! Routes have no reference counts. They come from code and their number is limited, so each text
//! stays for as long as the process runs.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{base::read_mostly::ReadMostly, http::grpc, write::json_text};

/// The route label of requests that matched no route.
pub(crate) const UNMATCHED: &str = "unmatched";

/// The route label of routes above the limit.
const OVERFLOW: &str = "overflow";

/// The maximum number of routes that one observer keeps. Routes come from code, so only a mistake
/// reaches it.
const MAX_ROUTES: usize = 16_384;

/// The largest [id](Route::id) of a route.
pub(crate) const MAX_ROUTE_ID: usize = MAX_ROUTES + RouteTable::FIRST;

/// The maximum number of routes that only clients have named.
const MAX_GUESSES: usize = 64;

/// A route, such as `/items/{id}`: never a path.
///
/// Each text is kept once, until the process ends. So a clone costs nothing and outlives its
/// observer.
///
/// ```
/// use obs_core::{Observer, output::{Record, RecordSink}};
///
/// struct Items;
/// impl RecordSink for Items {
///     fn name(&self) -> &str { "items" }
///     fn on_finish(&self, record: &Record) {
///         if record.request().is_some_and(|request| request.route_label() == "/items/{id}") {
///             println!("an item took {:?}", record.duration);
///         }
///     }
/// }
/// let observer = Observer::builder("shop").no_environment().sink(Items).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Route {
    id: u32,
    excluded: Excluded,
    /// True if nothing in it needs an escape in JSON.
    plain: bool,
    template: &'static str,
}

/// The outputs from which a request is excluded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Excluded {
    pub(crate) metrics: bool,
    pub(crate) events: bool,
    #[cfg_attr(not(feature = "otel"), allow(dead_code))]
    pub(crate) spans: bool,
}

impl Excluded {
    const fn or(self, other: Self) -> Self {
        Self {
            metrics: self.metrics || other.metrics,
            events: self.events || other.events,
            spans: self.spans || other.spans,
        }
    }
}

impl Route {
    /// The route's text.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.template
    }

    pub(crate) const fn is_plain(&self) -> bool {
        self.plain
    }

    /// The gRPC method of the route, without its first slash.
    pub(crate) fn grpc_method(&self) -> Option<&'static str> {
        grpc::method(self.template)
    }

    /// The route's number, unique within the observer: a part of the key of a time series.
    pub(crate) const fn id(&self) -> u32 {
        self.id
    }

    pub(crate) const fn excluded(&self) -> Excluded {
        self.excluded
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.template == other.template
    }
}

impl Eq for Route {}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({self})")
    }
}

/// All routes that an observer has seen.
pub(crate) struct RouteTable {
    routes: ReadMostly<&'static str, Route>,
    overflow: Route,
    excluded: Exclusions,
    unmatched_excluded: Excluded,
    completed_at_end: bool,
    /// Prefixes of routes that end with `*`. All routes that match one of them are that route.
    groups: Vec<String>,
    guesses: AtomicUsize,
}

/// The exclusions of each output: routes, or prefixes of routes that end with `*`.
#[derive(Default)]
pub(crate) struct Exclusions {
    /// The routes that all outputs exclude.
    pub(crate) routes: Vec<String>,
    pub(crate) metrics: Vec<String>,
    pub(crate) events: Vec<String>,
    /// The statuses that the metrics and the events exclude.
    pub(crate) statuses_of_metrics: Vec<u16>,
    pub(crate) statuses_of_events: Vec<u16>,
}

/// Returns true for a route that may end in `*`, and false for text that can only be meant as a
/// regular expression. Inside braces, frameworks allow expressions: `/items/{id:[0-9]+}`.
pub(crate) fn is_pattern(route: &str) -> bool {
    let mut depth = 0_u32;
    let outside: String = (route.chars())
        .filter(|char| {
            depth = depth.saturating_add(u32::from(*char == '{'));
            let outside = depth == 0;
            depth = depth.saturating_sub(u32::from(*char == '}'));
            outside
        })
        .collect();
    let body = outside.strip_suffix('*').unwrap_or(&outside);
    let expression = body.contains(['*', '^', '$', '|', '\\', '[']) || body.ends_with('.');
    !route.is_empty() && !expression
}

impl Exclusions {
    fn of(&self, template: &str) -> Excluded {
        let spans = excludes(&self.routes, template);
        Excluded {
            metrics: spans || excludes(&self.metrics, template),
            events: spans || excludes(&self.events, template),
            spans,
        }
    }
}

impl RouteTable {
    /// The id of the overflow route. 0 stands for requests that matched no route.
    const OVERFLOW: u32 = 1;
    const FIRST: usize = 2;

    pub(crate) fn new(excluded: Exclusions, groups: Vec<String>) -> Self {
        Self {
            routes: ReadMostly::new(),
            overflow: Route {
                id: Self::OVERFLOW,
                excluded: Excluded::default(),
                plain: true,
                template: OVERFLOW,
            },
            unmatched_excluded: excluded.of(UNMATCHED),
            completed_at_end: !(groups.is_empty()
                && excluded.statuses_of_metrics.is_empty()
                && excluded.statuses_of_events.is_empty()),
            excluded,
            groups,
            guesses: AtomicUsize::new(0),
        }
    }

    /// Returns true if some statuses are excluded, or if requests without a route may have a group.
    /// Then [`complete`](Self::complete) is necessary.
    #[inline]
    pub(crate) const fn is_completed_at_end(&self) -> bool {
        self.completed_at_end
    }

    /// Adds what only the end of a request decides: the group of its path if it has no route, and
    /// the exclusion of its status.
    #[cold]
    #[inline(never)]
    pub(crate) fn complete(&self, route: &mut Option<Route>, path: &str, status: u16) -> Excluded {
        if route.is_none() {
            *route = pattern_of(&self.groups, path).and_then(|group| self.intern(group));
        }
        let mut excluded = self.excludes(route.as_ref());
        excluded.metrics |= self.excluded.statuses_of_metrics.contains(&status);
        excluded.events |= self.excluded.statuses_of_events.contains(&status);
        excluded
    }

    /// Returns true if some routes are excluded from all outputs.
    #[cfg(feature = "otel")]
    pub(crate) const fn excludes_spans(&self) -> bool {
        !self.excluded.routes.is_empty()
    }

    /// The outputs from which requests of this route are excluded.
    #[inline]
    pub(crate) fn excludes(&self, route: Option<&Route>) -> Excluded {
        route.map_or(self.unmatched_excluded, Route::excluded)
    }

    /// Returns the route with this text; `None` for the label of unmatched requests.
    #[inline]
    pub(crate) fn intern(&self, template: &str) -> Option<Route> {
        if let Some(route) = self.routes.read(template, Route::clone) {
            return Some(route);
        }
        self.add(template)
    }

    #[inline(never)]
    fn add(&self, template: &str) -> Option<Route> {
        // These labels are reserved.
        if template == UNMATCHED {
            return None;
        }
        if template == OVERFLOW {
            return Some(self.overflow.clone());
        }
        if self.routes.len() >= MAX_ROUTES {
            return Some(self.overflow.clone());
        }
        let template = intern_text(template);
        let excluded = self.excluded.of(template);
        let group = pattern_of(&self.groups, template).filter(|group| *group != template);
        let group = group.and_then(|group| self.intern(group));
        let make = |n: usize| match group {
            // The outputs see the group only. A route of it may be excluded alone.
            Some(group) => Route { excluded: group.excluded.or(excluded), ..group },
            None => Route {
                id: u32::try_from(n.saturating_add(Self::FIRST)).unwrap_or(Self::OVERFLOW),
                excluded,
                plain: json_text::is_plain(template),
                template,
            },
        };
        let route = self.routes.get_or_insert(template, MAX_ROUTES, make);
        Some(route.unwrap_or_else(|| self.overflow.clone()))
    }
}

impl RouteTable {
    /// Returns the route of a text that only a client named. Only a few new ones are allowed,
    /// because clients can send any text.
    pub(crate) fn unverified(&self, template: &str) -> Option<Route> {
        let known = self.routes.read(template, Route::clone);
        known.or_else(|| {
            let free = self.guesses.fetch_add(1, Ordering::Relaxed) < MAX_GUESSES;
            free.then(|| self.intern(template)).flatten()
        })
    }
}

/// Keeps a text until the process ends. A reference count would be one memory location that all
/// cores write to at each request. Routes and dependencies are bounded and observers are few,
/// so this memory is bounded too.
pub(crate) fn intern_text(template: &str) -> &'static str {
    /// All kept texts, sorted.
    static KEPT: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match all.binary_search(&template) {
        Ok(place) => all.get(place).copied().unwrap_or_default(),
        Err(place) => {
            let text: &'static str = Box::leak(template.into());
            all.insert(place, text);
            text
        }
    }
}

fn excludes(patterns: &[String], template: &str) -> bool {
    pattern_of(patterns, template).is_some()
}

/// Returns the first pattern that matches a route.
fn pattern_of<'a>(patterns: &'a [String], template: &str) -> Option<&'a str> {
    let pattern = patterns.iter().find(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => template.starts_with(beginning),
        None => *pattern == template,
    });
    pattern.map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_expressions_are_no_routes() {
        for (route, valid) in [
            ("/internal/*", true),
            ("/items/{id:[0-9]+}", true),
            ("/{path:.*}", true),
            ("/Products({id})", true),
            ("/pkg.Service/Method", true),
            ("*", true),
            ("unmatched", true),
            ("", false),
            ("/internal/.*", false),
            ("^/internal", false),
            ("/internal$", false),
            ("/(a|b)", false),
            ("/items/[0-9]+", false),
            (r"/items/\d+", false),
            ("/*/items", false),
        ] {
            assert_eq!(is_pattern(route), valid, "{route}");
        }
    }

    #[test]
    fn a_group_is_one_route_and_its_routes_may_be_excluded_alone() {
        let excluded = Exclusions { events: vec!["/in/quiet".to_owned()], ..Exclusions::default() };
        let groups = ["/in/deep/*", "/in/*"].map(str::to_owned).into();
        let table = RouteTable::new(excluded, groups);
        let of = |template| table.intern(template).expect("a route");
        for (template, group) in [
            ("/in/{id}", "/in/*"),
            ("/in/deep/{id}", "/in/deep/*"),
            ("/in/deep", "/in/*"),
            ("/in", "/in"),
            ("/in/*", "/in/*"),
            ("/in/quiet", "/in/*"),
        ] {
            assert_eq!(of(template).as_str(), group, "{template}");
            assert_eq!(of(template).id(), of(group).id(), "{template}");
            assert_eq!(of(template).excluded().events, template == "/in/quiet", "{template}");
        }
    }

    #[test]
    fn observers_share_the_texts_of_routes() {
        let [one, other] = [(); 2].map(|()| RouteTable::new(Exclusions::default(), Vec::new()));
        let [a, b, again] = [&one, &other, &one].map(|table| table.intern("/shared/{id}").expect("a route"));
        assert!(std::ptr::eq(a.as_str(), b.as_str()) && std::ptr::eq(a.as_str(), again.as_str()));
        drop((one, other));
        assert_eq!((a.as_str(), a.id()), ("/shared/{id}", again.id()), "it outlives them");
    }

    #[test]
    fn routes_beyond_the_limit_become_the_overflow_route() {
        let table = RouteTable::new(Exclusions::default(), Vec::new());
        for n in 0..MAX_ROUTES + 10 {
            let route = table.intern(&format!("/many/{n}")).expect("a route");
            assert_eq!(route.as_str() == OVERFLOW, n >= MAX_ROUTES, "{n}");
        }
    }
}
