//! Changes of the levels under load. The maximum level of `tracing` is global, so this is the only
//! test of its process.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use axum::{Router, extract::Path, routing::get as on_get};
use futures_util::future::join_all;
use obs_core::{LogOutput, Logs, testing::TestLogs};
use obs_tests::{
    client::{Client, get},
    subscribed::{block_on, counter, lines_only, serve},
    watch::{BOUND, until},
};
use tracing::{debug, level_filters::LevelFilter, warn};

#[test]
fn a_change_of_the_levels_under_load_loses_no_line_that_both_allow() {
    const CLIENTS: usize = 4;
    const CHANGES: usize = 20;
    let written = TestLogs::new();
    let output = LogOutput::writer(written.clone()).capacity(256 << 20);
    // The event of sqlx has the level debug, so it would keep the maximum level there.
    let logs = Logs::new().unlimited().levels("warn").sqlx_queries(false).output(output);
    let observer = lines_only(logs).build().expect("valid");
    let work = |Path(n): Path<usize>| async move {
        warn!(n, "at each level");
        debug!(n, "only at the level debug");
    };
    let router = Router::new().route("/jobs/{n}", on_get(work));
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    block_on(&observer, async {
        let addr = serve(&observer, router).await;
        let load = join_all((0..CLIENTS).map(|_| async {
            let mut client = Client::connect(addr, false).await;
            while !done.load(Ordering::SeqCst) {
                let n = next.fetch_add(1, Ordering::SeqCst);
                assert_eq!(client.send(get(&format!("/jobs/{n}"))).await.expect("an answer").status, 200);
            }
        }));
        let changes = async {
            let debug_lines = || counter(&observer, "log_lines_total", r#"level="debug""#);
            for _ in 0..CHANGES {
                let before = debug_lines();
                observer.log_levels().set("debug").expect("valid");
                // The level is raised as soon as the caches of the call sites are refreshed.
                until(|| debug_lines() > before).await;
                observer.log_levels().set("warn").expect("valid");
                // From now on, the call site is off.
                until(|| LevelFilter::current() == LevelFilter::WARN).await;
            }
            done.store(true, Ordering::SeqCst);
        };
        tokio::join!(load, changes);
    });
    let sent = next.load(Ordering::SeqCst);
    let lines = written.lines(&observer);
    let of_level = |level: &str| -> BTreeSet<u64> {
        let of_level = lines.iter().filter(|line| line["level"] == level);
        of_level.map(|line| line["fields"]["n"].as_u64().expect("a number")).collect()
    };
    assert!(of_level("warn").iter().copied().eq(0..sent as u64), "no line of the level warn is lost");
    let debug = of_level("debug").len();
    assert!((CHANGES..sent).contains(&debug), "{debug} of {sent} requests ran at the level debug");
    println!("{sent} requests, of which {debug} at the level debug");
    assert!(observer.shutdown(BOUND).flushed);
}
