//! Tests of whole processes: the examples copied out of the repository, signals, and a panic that
//! aborts.

use std::{
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use obs_tests::{
    client::{Client, get, post},
    process::{Service, copy_and_build, temporary},
    programs::{build, compile_errors, example, root},
    watch::{BOUND, until},
};

/// Checks that a copied example responds, writes one event for each request to standard output, and
/// shuts down gracefully on SIGTERM.
async fn check_graceful_shutdown(program: &Path, variables: &[(&str, &str)]) {
    let service = Service::start(program, variables).await;
    let mut client = Client::connect(service.addr, false).await;
    assert_eq!(client.send(get("/items/1")).await.expect("an answer").status, 200);
    service.signal("TERM");
    service.wait_for_line("shutting down shop").await;
    // It is no longer ready, but still serves. Each response announces the end of its connection.
    for (path, status) in [("/readyz", 503), ("/items/2", 200)] {
        let answer = client.send(get(path)).await.expect("an answer");
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")));
        client = Client::connect(service.addr, false).await;
    }
    let (status, lines) = service.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    let paths: Vec<_> = lines.iter().map(|line| line["url.path"].as_str().unwrap_or_default()).collect();
    assert_eq!(paths, ["/items/1", "/readyz", "/items/2"]);
    assert!(lines.iter().all(|line| line["outcome"] == "completed" && line["service.name"] == "shop"));
    assert_eq!(lines[1]["probe"], true, "a probe that fails writes an event");

    let service = Service::start(program, variables).await;
    service.signal("INT");
    service.wait_for_line("a second signal exits at once").await;
    service.signal("TERM");
    let (status, _) = service.ended().await;
    assert_eq!(status.code(), Some(128 + 15), "{status}");
}

#[tokio::test]
async fn a_copy_of_minimal_axum_shuts_down_gracefully() {
    check_graceful_shutdown(&copy_and_build("minimal-axum"), &[]).await;
}

#[tokio::test]
async fn a_copy_of_minimal_actix_shuts_down_gracefully() {
    check_graceful_shutdown(&copy_and_build("minimal-actix"), &[]).await;
}

#[tokio::test]
async fn a_copy_of_tower_hyper_shuts_down_gracefully() {
    check_graceful_shutdown(&copy_and_build("tower-hyper"), &[]).await;
}

#[tokio::test]
async fn a_copy_of_axum_shop_runs_without_payments_and_inventory() {
    let program = copy_and_build("axum-shop");
    let file = temporary("copied-shop.db");
    let database = format!("sqlite://{}?mode=rwc", file.display());
    check_graceful_shutdown(&program, &[("DATABASE_URL", &database)]).await;

    let shop = Service::announced("shop", &program, &[("DATABASE_URL", &database)]).await;
    let mut client = Client::connect(shop.addr, false).await;
    let order = client.send(post("/orders", r#"{"item_id":1,"quantity":2}"#)).await.expect("an answer");
    assert_eq!(order.status, 503);
    assert!(order.text().contains("PAYMENTS_URL"), "the message names the variable: {}", order.text());
    std::fs::remove_file(file).expect("removed");
}

/// A copy serves gRPC and `/metrics`, and shuts down gracefully.
#[tokio::test]
async fn a_copy_of_tonic_inventory_shuts_down_gracefully() {
    let program = copy_and_build("tonic-inventory");
    let inventory = Service::announced("inventory", &program, &[]).await;
    let mut client = Client::connect(inventory.addr, true).await;
    let mut reserve = post("/inventory.v1.Inventory/Reserve", "\0\0\0\0\u{4}\u{8}\u{3}\u{10}\u{2}");
    reserve.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
    let answer = client.send(reserve).await.expect("an answer");
    assert_eq!(answer.trailers.expect("trailers")["grpc-status"], "0");
    let page = client.send(get("/metrics")).await.expect("a page");
    let count = r#"http_requests_total{method="POST",endpoint="/inventory.v1.Inventory/Reserve",status="200",grpc_status="OK"} 1"#;
    assert!(page.text().contains(count), "{}", page.text());
    client.disconnect().await;
    inventory.signal("TERM");
    let (status, events) = inventory.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert_eq!(events[0]["fields"]["item"]["left"], 498);
}

/// A call of the inventory with one message of less than 256 bytes.
fn inventory(method: &str, message: &[u8]) -> Request<Full<Bytes>> {
    let length = u8::try_from(message.len()).expect("a short message");
    let body = Bytes::from([&[0, 0, 0, 0, length], message].concat());
    let request = Request::post(format!("/inventory.v1.Inventory/{method}"));
    request.header("content-type", "application/grpc").body(Full::from(body)).expect("a valid request")
}

#[tokio::test]
async fn a_watched_inventory_shuts_down_gracefully() {
    // Enough time for two requests, even while the machine builds something.
    let variables = [("OBS_DRAIN_DELAY", "10s"), ("OBS_DRAIN_TIMEOUT", "1s")];
    let service = Service::start(&example("tonic-inventory"), &variables).await;
    let mut client = Client::connect(service.addr, true).await;
    let mut probe = Client::connect(service.addr, false).await;
    assert_eq!(probe.send(get("/readyz")).await.expect("an answer").status, 200, "probes use HTTP/1");
    let mut watched = client.open(inventory("Watch", b"\x08\x01")).await.expect("a head");
    watched.frame().await.expect("a level").expect("no error");

    service.signal("TERM");
    service.wait_for_line("shutting down inventory").await;
    // It is no longer ready, but still serves: it reserves two of item 1.
    assert_eq!(probe.send(get("/readyz")).await.expect("an answer").status, 503);
    let reserved = client.send(inventory("Reserve", b"\x08\x01\x10\x02")).await.expect("an answer");
    assert_eq!(reserved.trailers.expect("trailers")["grpc-status"], "0");
    let (status, events) = service.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    let recorded: Vec<_> = events.iter().map(|event| (&event["url.path"], &event["outcome"])).collect();
    let [watch, reserve] =
        ["Watch", "Reserve"].map(|method| format!("/inventory.v1.Inventory/{method}").into());
    assert_eq!(
        recorded,
        [
            (&"/readyz".into(), &"completed".into()),
            (&reserve, &"completed".into()),
            (&watch, &"completed".into())
        ]
    );
    assert_eq!(events[2]["draining"], true, "the running stream is ended: {}", events[2]);
    assert_eq!(events[2]["rpc.response.status_code"], "OK");
}

/// Nobody reads the standard output, so the output is stuck when the signal comes.
#[tokio::test]
async fn a_stuck_output_does_not_delay_the_exit() {
    let addr = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    let child = Command::new(example("minimal-axum"))
        .env_remove("OBS_EVENTS")
        .env("LISTEN", addr.to_string())
        .env("OBS_DRAIN_DELAY", "0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    until(|| std::net::TcpStream::connect(addr).is_ok()).await;
    let mut client = Client::connect(addr, false).await;
    // More than a pipe holds.
    for _ in 0..1_000 {
        assert_eq!(client.send(get("/items/1")).await.expect("an answer").status, 200);
    }
    client.disconnect().await;
    let killed = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let child = std::cell::RefCell::new(child);
    until(|| child.borrow_mut().try_wait().expect("a child").is_some()).await;
    let status = child.borrow_mut().wait().expect("it has ended");
    assert_eq!(status.code(), Some(0), "{status}");
}

/// Nobody reads the standard output, and the service writes more log lines than its queue holds.
/// Payments succeed, the lost lines are counted, and the exit is not delayed.
#[tokio::test]
async fn a_stuck_output_of_log_lines_affects_no_payment() {
    let addr = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    let child = Command::new(example("actix-payments"))
        .env("LISTEN", addr.to_string())
        .envs([
            ("OBS_DRAIN_DELAY", "0"),
            ("OBS_EVENTS", "off"),
            ("OBS_LOG", "trace"),
            ("OBS_LOG_LIMIT", "off"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    until(|| std::net::TcpStream::connect(addr).is_ok()).await;
    let mut client = Client::connect(addr, false).await;
    let began = Instant::now();
    loop {
        for _ in 0..100 {
            let payment = post("/payments", r#"{"order_id":"o-1","amount_cents":250}"#);
            assert_eq!(client.send(payment).await.expect("an answer").status, 201);
        }
        let page = client.send(get("/metrics")).await.expect("an answer");
        let dropped = page.text().lines().find_map(|line| {
            line.strip_prefix(r#"log_lines_dropped_total{output="stdout",reason="overflow"} "#)
        });
        if dropped.is_some_and(|lines| lines != "0") {
            break;
        }
        assert!(began.elapsed() < BOUND, "no line is dropped: {dropped:?}");
    }
    client.disconnect().await;
    let killed = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let child = std::cell::RefCell::new(child);
    until(|| child.borrow_mut().try_wait().expect("a child").is_some()).await;
    let status = child.borrow_mut().wait().expect("it has ended");
    assert_eq!(status.code(), Some(0), "{status}");
}

/// A port in use is reported in words, and no program says that it listens on it.
#[test]
fn a_port_in_use_is_reported_in_words() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("an address").to_string();
    for name in ["minimal-axum", "minimal-actix", "tower-hyper"] {
        let output = Command::new(example(name)).env("LISTEN", &addr).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && !text.contains("listening on"), "{name}: {text}");
        assert!(text.contains(&format!("cannot listen on {addr}: Address already in use")), "{name}: {text}");
    }
}

#[test]
fn a_panic_that_aborts_is_recorded_first() {
    let folder = root().join("tests/fixtures/panic-abort");
    let program = build(&folder, "panic-abort", "");
    let output = Command::new(program).env_remove("OBS_EVENTS").output().expect("it runs");
    assert_eq!(output.status.signal(), Some(6), "SIGABRT: {}", output.status);
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 1, "{stdout}");
    let line: serde_json::Value = serde_json::from_str(lines[0]).expect("JSON");
    assert_eq!(line["outcome"], "panic");
    assert_eq!(line["http.route"], "/boom");
    assert_eq!(line["error.message"], "nothing will unwind");
    assert!(line["error.location"].as_str().expect("a location").starts_with("src/main.rs:"));
    assert_eq!(line["fields"]["step"], 3);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("nothing will unwind"), "the previous panic hook is still called: {stderr}");
}

/// The compiler names the missing call, and reports nothing else about `observed`.
#[test]
fn a_router_without_its_state_is_rejected_with_the_missing_call() {
    let errors = compile_errors(&root().join("tests/fixtures/state_missing.rs"));
    let label = "call `.with_state(…)` before this `.observed(…)`";
    let title = "error[E0277]: `observed` needs a router that has its state, but this is a `Router<Shop>`";
    for expected in [title, label] {
        assert_eq!(errors.matches(expected).count(), 2, "{errors}");
    }
    assert!(!errors.contains("`observed` found"), "{errors}");
}
