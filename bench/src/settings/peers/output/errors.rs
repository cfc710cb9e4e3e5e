//! The output for Sentry. A thread serialises it, like Sentry's own transports, and discards it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use sentry::{ClientInitGuard, ClientOptions, Envelope, Level, Transport};

pub(in crate::settings::peers) struct Errors {
    client: ClientInitGuard,
    sent: Arc<AtomicU64>,
}

impl Errors {
    pub(in crate::settings::peers) fn start() -> Self {
        Self::with(ClientOptions::new())
    }

    /// Starts with tracing: every request is a transaction.
    pub(in crate::settings::peers) fn traced() -> Self {
        Self::with(ClientOptions::new().traces_sample_rate(1.0))
    }

    fn with(options: ClientOptions) -> Self {
        let (envelopes, received) = channel::<Envelope>();
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        thread::spawn(move || {
            for envelope in received {
                envelope.to_writer(io::sink()).expect("it is written nowhere");
                counter.fetch_add(1, Relaxed);
            }
        });
        let options = options.dsn("https://key@sentry.example/1").transport(Arc::new(Queue(envelopes)));
        Self { client: sentry::init(options), sent }
    }

    /// Checks that this number of transactions was sent, and that errors are sent.
    pub(in crate::settings::peers) fn check(self, transactions: u64) {
        sentry::capture_message("the last request was answered", Level::Error);
        self.client.flush(None);
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.sent.load(Relaxed) < transactions + 1 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(self.sent.load(Relaxed), transactions + 1, "not everything was sent to Sentry");
    }
}

struct Queue(Sender<Envelope>);

impl Transport for Queue {
    fn send_envelope(&self, envelope: Envelope) {
        self.0.send(envelope).expect("the thread is there");
    }
}
