//! A handler that writes log lines in every place where the code of a request runs.

use obs_core::current;
use tracing::{Instrument as _, debug, info, info_span, warn};

use crate::app::CANARIES;

/// The places from which a request writes a line. Each line has its place as the field `place`, and
/// the id of its request as the field `expected`.
pub const PLACES: [&str; 14] = [
    "handler",
    "after-await",
    "in-span",
    "scoped-task",
    "instrumented-task",
    "blocking-run",
    "blocking-in-span",
    "thread",
    "rayon",
    "rayon-in-span",
    "join-1",
    "join-2",
    "select",
    "log",
];

/// The messages of the debug lines of a request, in their order.
pub const STEPS: [&str; 3] = ["step 1", "step 2", "step 3"];

/// Writes the debug lines, which are collected.
pub async fn write_steps() {
    for step in STEPS {
        debug!("{step}");
        tokio::task::yield_now().await;
    }
}

/// The message of the panic of a task that works for a request.
pub const TASK_PANIC: &str = "the task of a request";

/// Writes a line of the level info and one of the level warn.
pub async fn write_pair() {
    info!("normal");
    tokio::task::yield_now().await;
    warn!("strange");
}

/// Runs a job on rayon's threads, and waits for its end.
async fn on_rayon(job: impl FnOnce() + Send + 'static) {
    let (done, ended) = tokio::sync::oneshot::channel();
    rayon::spawn(move || {
        job();
        let _ = done.send(());
    });
    ended.await.expect("it ends");
}

/// Writes lines with secrets in each place of a line, at two levels.
pub fn write_secrets() {
    let [email, jwt, card, iban, bearer, password] = CANARIES;
    let error = std::io::Error::other(format!("no mail to {email}, sent {bearer}"));
    info_span!("secret", password, email).in_scope(|| {
        info!("{email} paid with {card} from {iban}, {bearer}, {jwt}");
        debug!("{email} paid with {card} from {iban}, {bearer}, {jwt}, password={password}");
        info!(email, jwt, card, iban, bearer, order.password = password, list = ?[card, iban], "all fields");
        debug!(email, jwt, card, iban, bearer, db.password = %password, list = ?[card, iban], "all fields");
        info!(error = &error as &dyn std::error::Error, %email, ?jwt, "an error");
        tracing_log::log::warn!("{email} paid with {card} from {iban}, {bearer}, {jwt}");
    });
}

/// Writes a line in each place.
pub async fn write_everywhere() {
    let id = current().id().expect("a request").to_string();
    let line = |place: &'static str, id: &str| info!(place, expected = id, "a line");
    line("handler", &id);
    tokio::task::yield_now().await;
    line("after-await", &id);
    info_span!("a span").in_scope(|| line("in-span", &id));

    let spawned = id.clone();
    let task = current().scope(async move {
        tokio::task::yield_now().await;
        line("scoped-task", &spawned);
    });
    tokio::spawn(task).await.expect("it ends");

    // The span alone carries the request into these two.
    let spawned = id.clone();
    let task = async move {
        tokio::task::yield_now().await;
        line("instrumented-task", &spawned);
    };
    tokio::spawn(task.instrument(info_span!("a task"))).await.expect("it ends");
    let (span, spawned) = (info_span!("blocking"), id.clone());
    let blocking = move || span.in_scope(|| line("blocking-in-span", &spawned));
    tokio::task::spawn_blocking(blocking).await.expect("it ends");

    let (work, spawned) = (current(), id.clone());
    let blocking = move || work.run(|| line("blocking-run", &spawned));
    tokio::task::spawn_blocking(blocking).await.expect("it ends");
    let (work, spawned) = (current(), id.clone());
    std::thread::spawn(move || work.run(|| line("thread", &spawned))).join().expect("it ends");

    let (work, spawned) = (current(), id.clone());
    on_rayon(move || work.run(|| line("rayon", &spawned))).await;
    let (span, spawned) = (info_span!("on rayon"), id.clone());
    on_rayon(move || span.in_scope(|| line("rayon-in-span", &spawned))).await;

    let pausing = async |place: &'static str| {
        tokio::task::yield_now().await;
        line(place, &id);
    };
    tokio::join!(pausing("join-1"), pausing("join-2"));
    tokio::select! {
        () = pausing("select") => {}
        () = std::future::pending() => {}
    }
    tracing_log::log::info!("{id} from log");
}
