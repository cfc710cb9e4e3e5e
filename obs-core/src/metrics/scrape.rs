//! Answers a scrape: page, format, compression; scrapes at the same time share one page.

use std::{io::Write as _, sync::Arc};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use super::{
    Bridge,
    exposition::{self, Format, Page},
};
use crate::{Answer, Method, RequestHead, text::percent_decoded};

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
        let mut names: Vec<_> = pairs
            .filter(|(key, _)| percent_decoded(key) == "name[]")
            .map(|(_, value)| percent_decoded(value).into_owned())
            .collect();
        names.sort_unstable();
        names.dedup();
        Self { format: exposition::format(head.headers), gzip: exposition::accepts_gzip(head.headers), names }
    }

    fn page(&self, bridge: &Bridge) -> Bytes {
        let page = Page { format: self.format, names: &self.names, created: bridge.shows_created() };
        let text = page.render(&bridge.families(), &|what| bridge.left_out(what));
        if !self.gzip {
            return text.into();
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to a vector cannot fail.
        let _ = gzip.write_all(&text);
        gzip.finish().unwrap_or_default().into()
    }

    fn answer(&self, page: Bytes) -> Answer {
        let answer =
            Answer::new(200, self.format.content_type(), page).header("vary", "accept, accept-encoding");
        if self.gzip { answer.header("content-encoding", "gzip") } else { answer }
    }
}

/// The scrapes of one observer.
pub(crate) struct Scrapes {
    bridge: Arc<Bridge>,
    #[cfg(feature = "tokio")]
    shared: shared::Shared,
}

impl Scrapes {
    pub(crate) fn new(bridge: Bridge) -> Self {
        Self {
            bridge: Arc::new(bridge),
            #[cfg(feature = "tokio")]
            shared: shared::Shared::default(),
        }
    }

    pub(crate) fn registry(&self) -> &prometheus::Registry {
        self.bridge.registry()
    }

    /// The whole page in Prometheus' text format, made on this thread.
    pub(crate) fn text(&self) -> Vec<u8> {
        let scrape = Scrape { format: Format::Text, gzip: false, names: Vec::new() };
        scrape.page(&self.bridge).into()
    }

    /// The answer to a scrape.
    pub(crate) async fn answer(&self, scrape: &Scrape, method: Method) -> Answer {
        scrape.answer(if method == Method::Head { Bytes::new() } else { self.page(scrape).await })
    }

    #[cfg(feature = "tokio")]
    async fn page(&self, scrape: &Scrape) -> Bytes {
        self.shared.page(&self.bridge, scrape).await
    }

    #[cfg(not(feature = "tokio"))]
    async fn page(&self, scrape: &Scrape) -> Bytes {
        scrape.page(&self.bridge)
    }
}

/// The registry may live on, and another observer may be built with it.
impl Drop for Scrapes {
    fn drop(&mut self) {
        self.bridge.leave();
    }
}

#[cfg(feature = "tokio")]
mod shared {
    use std::sync::{Arc, Mutex, PoisonError, Weak};

    use bytes::Bytes;
    use tokio::sync::{OnceCell, Semaphore, oneshot};

    use super::{Bridge, Scrape};

    /// A page to come. It belongs to those who wait for it.
    struct Flight {
        scrape: Scrape,
        page: OnceCell<Bytes>,
    }

    /// One page is made at a time, and what has not begun yet may be joined. So a page always shows what had happened before
    /// its scrape, and however many scrapes come at once, few pages are made.
    pub(super) struct Shared {
        waiting: Mutex<Vec<Weak<Flight>>>,
        turn: Arc<Semaphore>,
    }

    impl Default for Shared {
        fn default() -> Self {
            Self { waiting: Mutex::default(), turn: Arc::new(Semaphore::new(1)) }
        }
    }

    impl Shared {
        pub(super) async fn page(&self, bridge: &Arc<Bridge>, scrape: &Scrape) -> Bytes {
            let flight = self.join(scrape);
            // Where the one who waits for the turn leaves, another of the flight takes its place.
            let page = flight.page.get_or_init(|| async {
                let turn = Arc::clone(&self.turn).acquire_owned().await;
                self.begins(&flight);
                let (scrape, bridge) = (flight.scrape.clone(), Arc::clone(bridge));
                off_the_runtime(move || {
                    let page = scrape.page(&bridge);
                    drop(turn);
                    page
                })
                .await
            });
            page.await.clone()
        }

        /// The flight of this request that has not begun yet.
        fn join(&self, scrape: &Scrape) -> Arc<Flight> {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.retain(|flight| flight.strong_count() > 0);
            let found = waiting.iter().filter_map(Weak::upgrade).find(|flight| flight.scrape == *scrape);
            found.unwrap_or_else(|| {
                let flight = Arc::new(Flight { scrape: scrape.clone(), page: OnceCell::new() });
                waiting.push(Arc::downgrade(&flight));
                flight
            })
        }

        /// Who comes from now on is to see what happens from now on.
        fn begins(&self, flight: &Arc<Flight>) {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(flight)));
        }
    }

    /// Runs `make` on a thread of its own.
    ///
    /// It is not one of the runtime's blocking threads: a service whose database hangs may have used them all up, and that is
    /// when its metrics are wanted most.
    async fn off_the_runtime(make: impl FnOnce() -> Bytes + Send + 'static) -> Bytes {
        let (send, page) = oneshot::channel();
        let make = Arc::new(Mutex::new(Some(make)));
        let take = move |make: &Mutex<Option<_>>| make.lock().unwrap_or_else(PoisonError::into_inner).take();
        let theirs = Arc::clone(&make);
        let thread = std::thread::Builder::new().name("obs-scrape".to_owned()).spawn(move || {
            if let Some(make) = take(&theirs) {
                let _ = send.send(make());
            }
        });
        if thread.is_err()
            && let Some(make) = take(&make)
        {
            // No thread to be had: the page matters more than the time it takes.
            return make();
        }
        page.await.unwrap_or_default()
    }
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_query() {
        let of = |query| Scrape::of(&RequestHead::new("GET", "/metrics", &()).query(Some(query))).names;
        assert_eq!(of("name[]=b&x=1&name%5B%5D=a%5fc&name[]=b"), ["a_c", "b"]);
        assert!(of("").is_empty() && of("name=a").is_empty());
    }
}
