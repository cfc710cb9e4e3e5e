//! A runtime whose threads write their log lines to an observer. So each test of a process has its
//! own subscriber.

use std::{cell::RefCell, future::Future, net::SocketAddr};

use axum::Router;
use obs_axum::RouterExt as _;
use obs_core::{Events, Logs, Observer, ObserverBuilder};
use obs_tracing::LogsExt as _;
use tracing::{Dispatch, dispatcher};
use tracing_subscriber::layer::SubscriberExt as _;

thread_local! {
    /// The subscriber of the thread, until its end.
    static OF_THREAD: RefCell<Option<dispatcher::DefaultGuard>> = const { RefCell::new(None) };
}

/// Runs a future on a runtime of two threads, with the observer's logs as their subscriber.
pub fn block_on<F: Future>(observer: &Observer, future: F) -> F::Output {
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(observer.logs()));
    let of_threads = subscriber.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || {
            OF_THREAD.set(Some(dispatcher::set_default(&of_threads)));
        })
        .build()
        .expect("a runtime");
    let _of_this_thread = dispatcher::set_default(&subscriber);
    runtime.block_on(future)
}

/// The settings of an observer that writes only log lines.
pub fn lines_only(logs: impl Into<Logs>) -> ObserverBuilder {
    Observer::builder("shop").no_environment().events(Events::off()).logs(logs)
}

/// Serves an axum application at a free port, until the runtime ends.
pub async fn serve(observer: &Observer, router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(obs_axum::serve(listener, router.observed(observer)).into_future());
    addr
}

/// The sum of the samples of a counter whose labels contain `labels`.
#[must_use]
pub fn counter(observer: &Observer, name: &str, labels: &str) -> u64 {
    let text = observer.metrics_text();
    let samples = text.lines().filter(|line| line.starts_with(name) && line.contains(labels));
    samples.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().expect("a number")).sum()
}
