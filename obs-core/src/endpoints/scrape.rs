//! Answers a scrape: page, format, compression; scrapes at the same time share what was gathered.

use std::sync::Arc;

use crate::outputs::metrics::{
    exposition::{self, Format, Wanted, page::Page},
    family::Family,
    gatherer::Gatherer,
};
use crate::{
    base::text::percent_decoded,
    endpoints::{answer::Answer, answer_body::AnswerBody},
    http::{head::RequestHead, method::Method},
};

/// What a scrape asks for: those that ask for the same may get the same page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scrape {
    format: Format,
    gzip: bool,
    names: Vec<String>,
}

impl Scrape {
    pub(crate) fn of(head: &RequestHead<'_>) -> Self {
        let pairs = head.query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        // In order and each once, so that two that ask for the same are equal.
        let mut names = Vec::new();
        for (_, value) in pairs.filter(|(key, _)| percent_decoded(key) == "name[]") {
            let name = percent_decoded(value).into_owned();
            if let Err(place) = names.binary_search(&name) {
                names.insert(place, name);
            }
        }
        Self {
            format: exposition::accept::format(head.headers),
            #[cfg(feature = "gzip")]
            gzip: exposition::accept::accepts_gzip(head.headers),
            #[cfg(not(feature = "gzip"))]
            gzip: false,
            names,
        }
    }

    /// The page of these families.
    fn page(&self, gatherer: &Gatherer, families: &Arc<[Family]>) -> Page {
        let created = gatherer.shows_created();
        let wanted = Wanted { format: self.format, names: &self.names, created, gzip: self.gzip };
        wanted.page(families, &|what| gatherer.left_out(what))
    }

    fn answer(&self, body: Option<AnswerBody>) -> Answer {
        let Some(body) = body else {
            // An empty page would look like a service without metrics.
            return Answer::new(500, "text/plain; charset=utf-8", "the page could not be made\n");
        };
        let answer =
            Answer::new(200, self.format.content_type(), body).header("vary", "accept, accept-encoding");
        if self.gzip { answer.header("content-encoding", "gzip") } else { answer }
    }
}

/// The scrapes of one observer.
pub(crate) struct Scrapes {
    gatherer: Arc<Gatherer>,
    #[cfg(feature = "tokio")]
    shared: shared::Shared,
}

impl Scrapes {
    pub(crate) fn new(gatherer: Gatherer) -> Self {
        Self {
            gatherer: Arc::new(gatherer),
            #[cfg(feature = "tokio")]
            shared: shared::Shared::default(),
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

    /// The answer to a scrape. What can fail has been done when it is there; what is left is to write the page.
    pub(crate) async fn answer(&self, scrape: &Scrape, method: Method) -> Answer {
        scrape.answer(if method == Method::Head {
            Some(AnswerBody::default())
        } else {
            self.page(scrape).await.map(|page| AnswerBody::written(page.pieces()))
        })
    }

    #[cfg(feature = "tokio")]
    async fn page(&self, scrape: &Scrape) -> Option<Page> {
        self.shared.page(&self.gatherer, scrape).await
    }

    #[cfg(not(feature = "tokio"))]
    async fn page(&self, scrape: &Scrape) -> Option<Page> {
        Some(scrape.page(&self.gatherer, &self.gatherer.families().into()))
    }
}

#[cfg(feature = "tokio")]
mod shared {
    use std::{
        mem,
        sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    };

    use tokio::sync::{OnceCell, Semaphore, oneshot};

    use super::{Gatherer, Page, Scrape};
    use crate::base::thread::spawn;

    /// Pages to come, all of one gathering. They belong to those who wait for them.
    #[derive(Default)]
    struct Flight {
        /// What they want, each once.
        wanted: Mutex<Vec<Scrape>>,
        pages: OnceCell<Vec<(Scrape, Page)>>,
    }

    /// One gathering runs at a time, and what has not begun yet may be joined. So a page always shows what had happened before
    /// its scrape, and however many scrapes come at once, few gatherings are made.
    pub(super) struct Shared {
        waiting: Mutex<Weak<Flight>>,
        turn: Arc<Semaphore>,
    }

    impl Default for Shared {
        fn default() -> Self {
            Self { waiting: Mutex::new(Weak::new()), turn: Arc::new(Semaphore::new(1)) }
        }
    }

    impl Shared {
        pub(super) async fn page(&self, gatherer: &Arc<Gatherer>, scrape: &Scrape) -> Option<Page> {
            let flight = self.join(scrape);
            // Where the one who waits for the turn leaves, another of the flight takes its place.
            let pages = flight.pages.get_or_init(|| async {
                let turn = Arc::clone(&self.turn).acquire_owned().await;
                let wanted = self.begin(&flight);
                let gatherer = Arc::clone(gatherer);
                off_the_runtime(move || {
                    let families = gatherer.families().into();
                    let page = |scrape: Scrape| {
                        let page = scrape.page(&gatherer, &families);
                        (scrape, page)
                    };
                    let pages = wanted.into_iter().map(page).collect();
                    drop(turn);
                    pages
                })
                .await
            });
            let pages = pages.await;
            pages.iter().find(|(of, _)| of == scrape).map(|(_, page)| page.clone())
        }

        /// The flight that has not begun yet.
        fn join(&self, scrape: &Scrape) -> Arc<Flight> {
            let mut waiting = lock(&self.waiting);
            let flight = waiting.upgrade().unwrap_or_else(|| {
                let flight = Arc::new(Flight::default());
                *waiting = Arc::downgrade(&flight);
                flight
            });
            let mut wanted = lock(&flight.wanted);
            if !wanted.contains(scrape) {
                wanted.push(scrape.clone());
            }
            drop(wanted);
            flight
        }

        /// Who comes from now on is to see what happens from now on.
        fn begin(&self, flight: &Arc<Flight>) -> Vec<Scrape> {
            let mut waiting = lock(&self.waiting);
            if std::ptr::eq(waiting.as_ptr(), Arc::as_ptr(flight)) {
                *waiting = Weak::new();
            }
            // Kept, for whoever begins again if this one leaves.
            lock(&flight.wanted).clone()
        }
    }

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `make` on a thread of its own; nothing if it panics.
    ///
    /// It is not one of the runtime's blocking threads: a service whose database hangs may have used them all up, and that is
    /// when its metrics are wanted most.
    async fn off_the_runtime<T: Default + Send + 'static>(make: impl FnOnce() -> T + Send + 'static) -> T {
        let (send, made) = oneshot::channel();
        let make = Arc::new(Mutex::new(Some(make)));
        let theirs = Arc::clone(&make);
        let run = move || {
            let make = mem::take(&mut *lock(&theirs));
            if let Some(make) = make {
                let _ = send.send(make());
            }
        };
        if spawn("obs-scrape", Box::new(run)).is_err() {
            // No thread to be had: the page matters more than the time it takes.
            let make = mem::take(&mut *lock(&make));
            return make.map(|make| make()).unwrap_or_default();
        }
        made.await.unwrap_or_default()
    }
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use super::*;
    use crate::{observer::Observer, outputs::metrics::settings::Metrics, record::outcome::Outcome};

    fn fail(observer: &Observer, route: u32) {
        let mut observation = observer.start(&RequestHead::new("GET", "/", &()).body_bytes(Some(1)));
        observation.set_route(&format!("/route/{route}"));
        observation.responded(500, &());
        observation.finish(Outcome::Completed);
    }

    /// However late the page is read.
    #[test]
    fn a_page_is_of_one_time() {
        const ROUTES: u32 = 500;
        let observer = Observer::builder("test").no_environment().metrics(Metrics::new()).build();
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
    fn names_come_from_the_query() {
        let of = |query| Scrape::of(&RequestHead::new("GET", "/metrics", &()).query(Some(query))).names;
        assert_eq!(of("name[]=b&x=1&name%5B%5D=a%5fc&name[]=b"), ["a_c", "b"]);
        assert!(of("").is_empty() && of("name=a").is_empty());
    }
}
