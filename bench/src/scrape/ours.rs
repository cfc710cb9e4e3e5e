//! The page of the middleware of this repository.

use std::{future::poll_fn, io};

use obs_core::{
    EventOutput, Metrics, Observer, Outcome,
    adapter::{HeaderLookup, RequestHead},
};

use super::{BYTES, DURATION, REQUESTS, ROUTES, SECONDS, STATUSES, Send, route};
use crate::single_thread;

pub(crate) struct Ours(Observer);

impl Ours {
    /// An observer with requests of every label set.
    pub(crate) fn new() -> Self {
        let metrics = Metrics::new().series_limit(10 * ROUTES).duration_buckets(SECONDS).size_buckets(BYTES);
        let builder = Observer::builder("bench").no_environment().metrics(metrics);
        // The smallest capacity: the number of waiting events is not measured here.
        let events = EventOutput::writer(io::sink()).capacity(64 * 1024);
        let observer = builder.events(events).build().expect("the settings are right");
        for _ in 0..REQUESTS {
            for number in 0..ROUTES {
                STATUSES.into_iter().for_each(|status| request(&observer, &route(number), status));
            }
        }
        Self(observer)
    }

    pub(super) const fn observer(&self) -> &Observer {
        &self.0
    }

    /// Handles a scrape like an adapter and its server.
    pub(super) fn page(&self, openmetrics: bool, gzip: bool, whole: bool, send: Send<'_>) {
        let accept = Accept { openmetrics, gzip };
        let query = format!("name[]={DURATION}");
        let head = RequestHead::new("GET", "/metrics", &accept).query((!whole).then_some(&*query));
        let answer = self.0.endpoint(&head).expect("the endpoint is there");
        single_thread::block_on(async {
            let mut body = answer.await.into_body();
            while let Some(piece) = poll_fn(|cx| body.poll_piece(cx)).await {
                send(&piece);
            }
        });
    }
}

fn request(observer: &Observer, route: &str, status: u16) {
    let head = RequestHead::new("GET", "/", &()).body_bytes(Some(0));
    let mut observation = observer.start(&head);
    observation.set_route(route);
    observation.responded(status, &());
    observation.finish(Outcome::Completed);
}

struct Accept {
    openmetrics: bool,
    gzip: bool,
}

impl HeaderLookup for Accept {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        match name {
            "accept" if self.openmetrics => f(b"application/openmetrics-text"),
            "accept-encoding" if self.gzip => f(b"gzip"),
            _ => {}
        }
    }
}
