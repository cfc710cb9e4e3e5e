//! The answer to a scrape: page, format and compression. Concurrent scrapes share the gathered
//! metrics.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

#[cfg(feature = "tokio")]
use super::flights::Flights;
use super::{
    exposition::{accept, format::Format, page::Page, page_request::PageRequest},
    family::Family,
    gatherer::Gatherer,
    sending::PagesBeingSent,
};
use crate::{
    base::text::percent_decoded,
    http::{
        answer::Answer,
        answer_body::{AnswerBody, Pieces as _},
        head::RequestHead,
        method::Method,
    },
};

/// The largest age of a snapshot that another scrape shares, if many pages are being sent.
const SHARED: Duration = Duration::from_secs(1);

/// The last snapshot and its time.
type LastSnapshot = Mutex<Option<(Instant, Weak<[Family]>)>>;

/// The request of a scrape. Scrapes with equal requests may get the same page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scrape {
    format: Format,
    gzip: bool,
    names: Vec<String>,
}

impl Scrape {
    pub(crate) fn of(head: &RequestHead<'_>) -> Self {
        let pairs = head.query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        // Sorted and without duplicates, so that equal requests compare as equal.
        let mut names = Vec::new();
        for (_, value) in pairs.filter(|(key, _)| percent_decoded(key) == "name[]") {
            let name = percent_decoded(value).into_owned();
            if let Err(place) = names.binary_search(&name) {
                names.insert(place, name);
            }
        }
        Self {
            format: accept::format(head.headers),
            #[cfg(feature = "gzip")]
            gzip: accept::accepts_gzip(head.headers),
            #[cfg(not(feature = "gzip"))]
            gzip: false,
            names,
        }
    }

    /// The page with these families.
    fn page(&self, gatherer: &Gatherer, families: &Arc<[Family]>) -> Page {
        let created = gatherer.shows_created();
        let request = PageRequest { format: self.format, names: &self.names, created, gzip: self.gzip };
        request.page(families, &|what| gatherer.skipped(what))
    }

    fn answer(&self, body: AnswerBody) -> Answer {
        let answer =
            Answer::new(200, self.format.content_type(), body).header("vary", "accept, accept-encoding");
        if self.gzip { answer.header("content-encoding", "gzip") } else { answer }
    }
}

/// The scrapes of one observer.
pub(crate) struct Scrapes {
    gatherer: Arc<Gatherer>,
    sent: Arc<PagesBeingSent>,
    /// Only the pages that are being sent keep the snapshot in memory.
    last: Arc<LastSnapshot>,
    #[cfg(feature = "tokio")]
    flights: Flights<Scrape, Page>,
}

impl Scrapes {
    pub(crate) fn new(gatherer: Gatherer, timeout: Duration) -> Self {
        Self {
            gatherer: Arc::new(gatherer),
            sent: Arc::new(PagesBeingSent::new(timeout)),
            last: Arc::default(),
            #[cfg(feature = "tokio")]
            flights: Flights::default(),
        }
    }

    #[cfg(feature = "prometheus")]
    pub(crate) fn registry(&self) -> &prometheus::Registry {
        self.gatherer.registry()
    }

    /// The whole page in Prometheus' text format, made on this thread.
    pub(crate) fn text(&self) -> Vec<u8> {
        let scrape = Scrape { format: Format::Text, gzip: false, names: Vec::new() };
        let page = scrape.page(&self.gatherer, &self.gatherer.families().into());
        let (mut pieces, mut text) = (page.pieces(), Vec::new());
        while !pieces.has_ended() {
            text.extend_from_slice(&pieces.next());
        }
        text
    }

    /// Answers a scrape. Every step that can fail is done when this returns; only the page remains
    /// to be written.
    pub(crate) async fn answer(&self, scrape: &Scrape, method: Method) -> Answer {
        if method == Method::Head {
            return scrape.answer(AnswerBody::omitted_page());
        }
        let page = match self.shared(scrape) {
            Some(page) => Some(page),
            None => self.page(scrape).await,
        };
        let Some(page) = page else {
            // An empty page would look like a service without metrics.
            return failed(500, "the metrics page could not be generated\n");
        };
        let mut pieces = page.pieces();
        let first = pieces.next();
        if pieces.has_ended() {
            return scrape.answer(first.into());
        }
        match self.sent.start(Box::new(pieces), Instant::now()) {
            Some(pieces) => scrape.answer(AnswerBody::written(first, pieces)),
            None => failed(503, "too many pages of metrics are being sent\n").header("retry-after", "1"),
        }
    }

    /// Returns a page of the last snapshot, if many pages are being sent and it is not older than a
    /// second. Otherwise, a page shows every request that ended before its scrape.
    fn shared(&self, scrape: &Scrape) -> Option<Page> {
        if !self.sent.are_many() {
            return None;
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (_, families) = last.filter(|(time, _)| time.elapsed() <= SHARED)?;
        Some(scrape.page(&self.gatherer, &families.upgrade()?))
    }

    #[cfg(feature = "tokio")]
    async fn page(&self, scrape: &Scrape) -> Option<Page> {
        let (gatherer, last) = (Arc::clone(&self.gatherer), Arc::clone(&self.last));
        let pages = move |scrapes: Vec<Scrape>| {
            let families = gathered(&gatherer, &last);
            let page = |scrape: Scrape| {
                let page = scrape.page(&gatherer, &families);
                (scrape, page)
            };
            scrapes.into_iter().map(page).collect()
        };
        self.flights.get(scrape, pages).await
    }

    #[cfg(not(feature = "tokio"))]
    async fn page(&self, scrape: &Scrape) -> Option<Page> {
        Some(scrape.page(&self.gatherer, &gathered(&self.gatherer, &self.last)))
    }
}

/// Gathers all families, and notes the snapshot.
fn gathered(gatherer: &Gatherer, last: &LastSnapshot) -> Arc<[Family]> {
    let time = Instant::now();
    let families = gatherer.families().into();
    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((time, Arc::downgrade(&families)));
    families
}

fn failed(status: u16, reason: &'static str) -> Answer {
    Answer::new(status, "text/plain; charset=utf-8", reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        observer::Observer,
        outputs::{events::settings::Events, metrics::settings::Metrics},
        record::outcome::Outcome,
    };

    fn fail(observer: &Observer, route: u32) {
        let mut observation = observer.start(&RequestHead::new("GET", "/", &()).body_bytes(Some(1)));
        observation.set_route(&format!("/route/{route}"));
        observation.responded(500, &());
        observation.finish(Outcome::Completed);
    }

    /// A page shows one moment, even if it is read late.
    #[test]
    fn a_page_shows_the_values_of_one_time() {
        const ROUTES: u32 = 500;
        let builder = Observer::builder("test").no_environment().events(Events::off());
        let observer = builder.metrics(Metrics::new()).build();
        let observer = observer.expect("valid");
        (0..ROUTES).for_each(|route| fail(&observer, route));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let scrape = observer.endpoint(&RequestHead::new("GET", "/metrics", &())).expect("an endpoint");
        let body = runtime.block_on(scrape).into_body();
        assert_eq!(body.size(), None, "not all of it is written yet");
        (0..2 * ROUTES).for_each(|route| fail(&observer, route));
        let page = String::from_utf8(body.into_bytes().to_vec()).expect("UTF-8");
        for name in [
            "http_requests_total",
            "http_request_duration_seconds_count",
            "http_request_size_bytes_count",
            "http_request_size_bytes_sum",
            "http_response_size_bytes_count",
            "http_request_errors_total",
        ] {
            let values = page.lines().filter(|line| line.starts_with(&format!("{name}{{")));
            let values: Vec<_> = values.filter_map(|line| line.rsplit(' ').next()).collect();
            assert_eq!(values.iter().filter(|value| **value == "1").count(), ROUTES as usize, "{name}");
            assert!(values.iter().all(|value| matches!(*value, "0" | "1")), "{name}");
        }
    }

    #[test]
    fn names_are_read_from_the_query() {
        let of = |query| Scrape::of(&RequestHead::new("GET", "/metrics", &()).query(Some(query))).names;
        assert_eq!(of("name[]=b&x=1&name%5B%5D=a%5fc&name[]=b"), ["a_c", "b"]);
        assert!(of("").is_empty() && of("name=a").is_empty());
    }
}
