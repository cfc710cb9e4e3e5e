//! Whether the service is fit to serve: liveness, readiness, and the checks that readiness asks.

#[cfg(feature = "tokio")]
use crate::extension::check::Check;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "tokio")]
use std::{sync::Arc, time::Duration};

use crate::{
    http::answer::Answer,
    write::{
        json::{Object, key},
        scribe,
    },
};

/// How long a result is good for: probes come from several places, and none needs a run of its own.
#[cfg(feature = "tokio")]
const MAX_AGE: Duration = Duration::from_secs(1);

/// The service's state: it starts, serves, or is on its way out.
#[derive(Default)]
pub(crate) struct Health {
    starting: AtomicBool,
    draining: AtomicBool,
    #[cfg(feature = "tokio")]
    checks: Vec<Arc<Check>>,
}

impl Health {
    pub(crate) fn starting(mut self, starting: bool) -> Self {
        self.starting = AtomicBool::new(starting);
        self
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn checks(mut self, checks: Vec<Check>) -> Self {
        self.checks = checks.into_iter().map(Arc::new).collect();
        self
    }

    pub(crate) fn started(&self) {
        self.starting.store(false, Ordering::Relaxed);
    }

    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Liveness: the process can answer. It asks no check, lest a dependency's failure restart the service, and
    /// stays so while draining, lest the process be killed on its way out.
    pub(crate) fn live() -> Answer {
        answer(200, "live", &|_| {})
    }

    /// Readiness: new requests are welcome.
    pub(crate) async fn ready(&self) -> Answer {
        // On its way out or in, what the checks say does not matter, and they are left alone.
        if self.is_draining() {
            return draining();
        }
        if self.starting.load(Ordering::Relaxed) {
            return answer(503, "starting", &|_| {});
        }
        let answer = self.checked().await;
        // The checks may have taken their time.
        if self.is_draining() { draining() } else { answer }
    }

    /// Runs all checks at the same time.
    #[cfg(feature = "tokio")]
    async fn checked(&self) -> Answer {
        let ask = |check: &Arc<Check>| {
            let check = Arc::clone(check);
            tokio::spawn(async move { (Arc::clone(&check), check.status(MAX_AGE).await) })
        };
        let asked: Vec<_> = self.checks.iter().map(ask).collect();
        let mut statuses = Vec::with_capacity(asked.len());
        for status in asked {
            // A check's panic is caught, so this fails only if the runtime ends, and the answer with it.
            statuses.extend(status.await);
        }
        let ready = statuses.len() == self.checks.len() && statuses.iter().all(|(_, status)| status.passes);
        let (code, status) = if ready { (200, "ready") } else { (503, "failing") };
        answer(code, status, &|object| {
            if statuses.is_empty() {
                return;
            }
            object.object(key!("checks"), |object| {
                for (check, status) in &statuses {
                    object.any_object(&check.name, |object| {
                        object.word(key!("status"), if status.passes { "pass" } else { "fail" });
                        object.time(key!("since"), crate::base::clock::since_1970(status.since));
                    });
                }
            });
        })
    }

    #[cfg(not(feature = "tokio"))]
    async fn checked(&self) -> Answer {
        answer(200, "ready", &|_| {})
    }
}

fn draining() -> Answer {
    answer(503, "draining", &|_| {})
}

/// A probe wants to know how it is now, so nothing may be kept.
fn answer(code: u16, status: &'static str, more: &dyn Fn(&mut Object<'_, '_>)) -> Answer {
    let body = scribe::written(|out| {
        let mut object = Object::open(out);
        object.word(key!("status"), status);
        more(&mut object);
        object.close();
    });
    Answer::new(code, "application/json", body).header("cache-control", "no-store")
}
