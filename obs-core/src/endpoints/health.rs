//! The health pages: liveness, readiness, and the checks that readiness runs.

#[cfg(feature = "tokio")]
use crate::{extension::check::HealthCheck, redact::Redactor};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
#[cfg(feature = "tokio")]
use std::{mem, time::Duration};

use crate::{
    base::build_error::BuildError,
    extension::{installation::Extension, setup::Setup},
    http::{
        answer::{Answer, EndpointFuture},
        head::RequestHead,
    },
    record::endpoint::Endpoint,
    write::{
        buffer,
        json::{Object, key},
    },
};

/// The longest age of a check's result that is reused. Probes come from several places, and they
/// can share a run.
#[cfg(feature = "tokio")]
const MAX_AGE: Duration = Duration::from_secs(1);

/// The service's state: starting, serving or draining.
pub(crate) struct Health {
    starting: AtomicBool,
    draining: AtomicBool,
    #[cfg(feature = "tokio")]
    checks: Vec<Arc<dyn HealthCheck>>,
}

/// The health pages of an observer: their settings from code.
pub(crate) struct HealthPages {
    /// The service is not ready until it says so.
    pub(crate) starting: bool,
    #[cfg(feature = "tokio")]
    pub(crate) checks: Vec<Box<dyn HealthCheck>>,
}

impl Extension for HealthPages {
    fn name(&self) -> &str {
        "health pages"
    }

    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        #[cfg(feature = "tokio")]
        setup.parts.checks.extend(self.checks);
        let starting = self.starting;
        setup.when_all_are_installed(move |setup| {
            let health = Arc::new(Health {
                starting: AtomicBool::new(starting),
                draining: AtomicBool::new(false),
                #[cfg(feature = "tokio")]
                checks: valid(mem::take(&mut setup.parts.checks), setup.redactor)?,
            });
            setup.own_page(Endpoint::Livez, Box::new(|_| Health::live().into()));
            for endpoint in [Endpoint::Health, Endpoint::Readyz] {
                let health = Arc::clone(&health);
                let respond = move |_: &RequestHead<'_>| {
                    let health = Arc::clone(&health);
                    EndpointFuture::new(async move { health.ready().await })
                };
                setup.own_page(endpoint, Box::new(respond));
            }
            setup.share(health);
            Ok(())
        });
        Ok(())
    }
}

/// Rejects a check without a name, or with the name of another.
#[cfg(feature = "tokio")]
fn valid(
    mut checks: Vec<Box<dyn HealthCheck>>,
    redactor: &Redactor,
) -> Result<Vec<Arc<dyn HealthCheck>>, BuildError> {
    for (n, check) in checks.iter().enumerate() {
        let name = check.name();
        if name.is_empty() || checks.iter().take(n).any(|other| other.name() == name) {
            return Err(BuildError::new("check", name, "a name that no other check has"));
        }
    }
    checks.iter_mut().for_each(|check| check.mask(redactor));
    Ok(checks.into_iter().map(Arc::from).collect())
}

impl Health {
    pub(crate) fn started(&self) {
        self.starting.store(false, Ordering::Relaxed);
    }

    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Liveness: the process can answer. It runs no checks, so that a failed dependency does not
    /// restart the service. It also passes while draining, so that the process is not killed during
    /// its shutdown.
    pub(crate) fn live() -> Answer {
        answer(200, "live", &|_| {})
    }

    /// Readiness: the service accepts traffic.
    pub(crate) async fn ready(&self) -> Answer {
        // While draining or starting, the checks do not matter, so they are not run.
        if self.is_draining() {
            return draining();
        }
        if self.starting.load(Ordering::Relaxed) {
            return answer(503, "starting", &|_| {});
        }
        let answer = self.checked().await;
        // Draining may have begun while the checks ran.
        if self.is_draining() { draining() } else { answer }
    }

    /// Runs all checks at the same time.
    #[cfg(feature = "tokio")]
    async fn checked(&self) -> Answer {
        let asked: Vec<_> = self.checks.iter().map(|check| Arc::clone(check).ask(MAX_AGE)).collect();
        let mut statuses = Vec::with_capacity(asked.len());
        for (check, status) in self.checks.iter().zip(asked) {
            // Without a status the runtime ends, and the answer is not sent.
            statuses.extend(status.await.map(|status| (check, status)));
        }
        let ready = statuses.len() == self.checks.len() && statuses.iter().all(|(_, status)| status.passes);
        let (code, status) = if ready { (200, "ready") } else { (503, "failing") };
        answer(code, status, &|object| {
            if statuses.is_empty() {
                return;
            }
            object.object(key!("checks"), |object| {
                for (check, status) in &statuses {
                    object.any_object(check.name(), |object| {
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

/// A probe needs the current state, so the answer must not be cached.
fn answer(code: u16, status: &'static str, more: &dyn Fn(&mut Object<'_, '_>)) -> Answer {
    let body = buffer::written(|out| {
        let mut object = Object::open(out);
        object.word(key!("status"), status);
        more(&mut object);
        object.close();
    });
    Answer::new(code, "application/json", body).header("cache-control", "no-store")
}
