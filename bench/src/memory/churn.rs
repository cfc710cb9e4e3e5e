//! Memory of a service with a fault: it sets ever new routes, with every method and status, for the
//! number of requests of a day.

use obs_core::{Observer, Outcome, adapter::RequestHead};

use super::{Report, observer, settled};

/// The number of routes before the measurement: more than an observer keeps, so more label sets
/// than the limit of a family.
const FIRST: usize = 40_000;
/// The number of measured requests: five a second for a day.
const DAY: usize = 5 * 86_400;

/// The largest number of label sets in a family by default: the limit, eight times as many for the
/// first success of each route and method, half as many in advance, and the overflow series.
const LIMIT: usize = 2_000 + 16_000 + 1_000 + 1;
const TOLERANCE: f64 = 128.0 * 1024.0;

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "BREW", "get"];
const STATUSES: [u16; 9] = [200, 201, 204, 301, 400, 404, 418, 500, 503];

pub(super) fn measure(report: &mut Report) {
    let observer = observer();
    (0..FIRST).for_each(|number| request(&observer, number));
    let before = settled();
    (FIRST..FIRST + DAY).for_each(|number| request(&observer, number));
    let grown = (settled() - before).max(0);
    report.at_most(&format!("{DAY} more routes after {FIRST}"), grown as f64, TOLERANCE);

    let text = observer.metrics_text();
    // The values of the samples of this name whose labels contain a text.
    let samples = |name: &str, labels: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let lines = lines.filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels));
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok());
        values.collect::<Vec<_>>()
    };
    let families = ["http_requests_total", "http_request_errors_total"];
    for name in families {
        report.must(&format!("`{name}` has at most {LIMIT} label sets"), samples(name, "").len() <= LIMIT);
    }
    let counted: usize = samples("http_requests_total", "").iter().sum();
    report.must("every request is counted", counted == FIRST + DAY);
    let counted: usize = samples("obs_series_overflow_total", "").iter().sum();
    let overflowed: usize = families.iter().flat_map(|name| samples(name, "{method=\"overflow\"")).sum();
    report.must("the overflow is counted", overflowed > 0 && counted == overflowed);
}

fn request(observer: &Observer, number: usize) {
    let method = METHODS[number % METHODS.len()];
    let mut observation = observer.start(&RequestHead::new(method, "/", &()));
    observation.set_route(&format!("/made-up/{number}"));
    observation.responded(STATUSES[number % STATUSES.len()], &());
    observation.finish(Outcome::Completed);
}
