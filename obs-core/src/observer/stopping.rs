//! The state of a shutdown that has begun: its time, and the delay that it needs.

#[cfg(feature = "tokio")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::Observer;
#[cfg(feature = "tokio")]
use crate::redact::diagnostics;

/// The longest time that the last flush takes.
#[cfg(feature = "tokio")]
const FLUSH: Duration = Duration::from_secs(5);

/// The time that the last flush gets even if the shutdown has no time left.
#[cfg(feature = "tokio")]
const LEAST_FLUSH: Duration = Duration::from_millis(200);

/// The state of a shutdown.
#[derive(Default)]
pub(super) struct Stopping {
    /// The time of the signal.
    began: OnceLock<Instant>,
    /// True if the signal was SIGTERM.
    #[cfg(feature = "tokio")]
    terminated: AtomicBool,
}

impl Observer {
    fn stopping(&self) -> &Stopping {
        &self.0.stopping
    }

    /// Returns the time since the signal.
    pub(crate) fn shutdown_time(&self) -> Option<Duration> {
        self.stopping().began.get().map(Instant::elapsed)
    }
}

/// The parts of a graceful shutdown.
#[cfg(feature = "tokio")]
impl Observer {
    /// Notes that the signal is SIGTERM.
    pub(crate) fn note_termination(&self) {
        self.stopping().terminated.store(true, Ordering::Relaxed);
    }

    /// Starts to drain and logs it. Returns the time for which the service must still accept
    /// requests.
    pub(crate) fn begin_shutdown(&self) -> Duration {
        let _ = self.stopping().began.set(Instant::now());
        self.start_draining();
        let (delay, timeout) = (self.needed_delay(), self.drain().timeout);
        let name = &self.service().name;
        if delay.is_zero() {
            diagnostics::info(format_args!(
                "shutting down {name}: accepts no more requests, and waits up to {timeout:?} for running requests; \
                 a second signal exits at once"
            ));
        } else {
            diagnostics::info(format_args!(
                "shutting down {name}: not ready from now on; accepts requests for {delay:?}, then waits up to \
                 {timeout:?} for running requests; a second signal exits at once"
            ));
        }
        delay
    }

    /// Returns the delay of the drain, or zero if nobody needs it.
    ///
    /// A delay that is set is always kept. The default delay exists for those that read the health
    /// endpoints, and for orchestrators, which send SIGTERM. So it is skipped at any other signal,
    /// such as ctrl-c, if no health endpoint was ever requested.
    fn needed_delay(&self) -> Duration {
        let drain = self.drain();
        let needed = self.0.times.delay_is_set
            || self.stopping().terminated.load(Ordering::Relaxed)
            || self.endpoints().were_probed();
        if needed { drain.delay } else { Duration::ZERO }
    }

    /// Returns the time that the last flush may take: what is left of the shutdown's time, at most
    /// 5 s.
    pub(crate) fn flush_limit(&self) -> Duration {
        let rest = self.drain().total.saturating_sub(self.shutdown_time().unwrap_or_default());
        rest.min(FLUSH).max(LEAST_FLUSH)
    }
}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use super::*;
    use crate::{base::test_log::Log, builder::ObserverBuilder, http::head::RequestHead};

    const SECOND: Duration = Duration::from_secs(1);

    fn observer(settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder) -> Observer {
        let builder = Observer::builder("shop").no_environment().events(crate::Events::off());
        settings(builder).build().expect("valid")
    }

    fn request(observer: &Observer, path: &str) {
        let head = RequestHead::new("GET", path, &());
        drop(observer.start(&head));
    }

    #[test]
    fn only_probes_and_sigterm_need_the_default_delay() {
        let observer_of = |path| {
            let observer = observer(|builder| builder);
            request(&observer, path);
            observer
        };
        for (path, needed) in
            [("/", false), ("/metrics", false), ("/livez", true), ("/readyz", true), ("/health", true)]
        {
            assert_eq!(observer_of(path).begin_shutdown() > Duration::ZERO, needed, "{path}");
        }
        let terminated = observer_of("/");
        terminated.note_termination();
        assert_eq!(terminated.begin_shutdown(), 5 * SECOND);
        assert_eq!(observer(|builder| builder.drain_delay(SECOND)).begin_shutdown(), SECOND);
    }

    /// A probe of the application's own route needs the delay, too.
    #[test]
    fn a_hidden_health_endpoint_counts_as_a_probe() {
        let observer = observer(|builder| builder);
        let head = RequestHead::new("GET", "/health", &()).route(Some("/health"));
        drop(observer.start(&head));
        assert_eq!(observer.begin_shutdown(), 5 * SECOND);
    }

    #[test]
    fn the_first_message_names_only_times_that_are_used() {
        let line = |observer: Observer| {
            let log = Log::new();
            let listening = log.clone().listen();
            observer.begin_shutdown();
            drop(listening);
            log.lines().concat()
        };
        assert_eq!(
            line(observer(|builder| builder.drain_delay(Duration::ZERO))),
            "INFO shutting down shop: accepts no more requests, and waits up to 20s for running requests; a \
             second signal exits at once"
        );
        assert_eq!(
            line(observer(|builder| builder.drain_delay(SECOND).drain_timeout(2 * SECOND))),
            "INFO shutting down shop: not ready from now on; accepts requests for 1s, then waits up to 2s for \
             running requests; a second signal exits at once"
        );
    }

    #[test]
    fn the_flush_gets_the_rest_of_the_time() {
        assert_eq!(observer(|builder| builder).flush_limit(), FLUSH, "before a signal");
        let hurried = observer(|builder| builder.shutdown_timeout(Duration::from_nanos(1)));
        hurried.begin_shutdown();
        assert_eq!(hurried.flush_limit(), LEAST_FLUSH);
    }
}
