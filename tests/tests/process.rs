//! Whole processes: the examples copied out of the tree, signals, and a panic that aborts.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use obs_tests::{
    client::{Client, get},
    programs::{build, root},
    watch::BOUND,
};

/// Copies an example out of the tree, as a user would, and builds it there.
fn copy_and_build(name: &str) -> PathBuf {
    let source = root().join("examples").join(name);
    let folder = std::env::temp_dir().join(format!("obs-{name}-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("src")).expect("a folder");
    std::fs::copy(source.join("src/main.rs"), folder.join("src/main.rs")).expect("the source");
    let manifest = std::fs::read_to_string(source.join("Cargo.toml")).expect("the manifest");
    assert!(!manifest.contains("workspace"), "it stands alone: {manifest}");
    // The one thing that a copy has to change as long as the crates are not in a registry.
    let manifest = manifest.replace("../..", root().to_str().expect("a path in UTF-8"));
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    let program = build(&folder, name, "");
    std::fs::remove_dir_all(folder).expect("removed");
    program
}

/// A running example.
struct Service {
    child: Child,
    addr: SocketAddr,
}

impl Service {
    fn start(program: &Path) -> Self {
        let addr = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let child = Command::new(program)
            .env("LISTEN", addr.to_string())
            .env("OBS_DRAIN_DELAY", "1s")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let service = Self { child, addr };
        let started = Instant::now();
        while TcpStream::connect(addr).is_err() || !service.catches_signals() {
            assert!(started.elapsed() < BOUND, "it listens, and catches signals");
            std::thread::sleep(Duration::from_millis(10));
        }
        service
    }

    /// Whether it has set up what it does on SIGTERM and SIGINT: before that they have their default effect, or,
    /// where a shell has started us in the background, none.
    fn catches_signals(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
        let caught = u64::from_str_radix(caught.trim(), 16).expect("hexadecimal digits");
        [15, 2].iter().all(|signal| caught & (1 << (signal - 1)) != 0)
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for a line on standard error that contains `text`.
    fn says(&mut self, text: &str) {
        let errors = BufReader::new(self.child.stderr.take().expect("piped"));
        let found = errors.lines().map_while(Result::ok).any(|line| line.contains(text));
        assert!(found, "it says {text:?}");
    }

    /// Waits for its end.
    fn ended(mut self) -> (ExitStatus, Vec<serde_json::Value>) {
        let mut lines = String::new();
        self.child.stdout.take().expect("piped").read_to_string(&mut lines).expect("UTF-8");
        let lines = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (self.child.wait().expect("it ends"), lines)
    }
}

/// The copied example answers, leaves one line per request on standard output, and leaves in order on SIGTERM.
async fn copied_example(name: &str) {
    let program = copy_and_build(name);
    let mut service = Service::start(&program);
    let mut client = Client::connect(service.addr, false).await;
    assert_eq!(client.send(get("/items/7")).await.expect("an answer").status, 200);
    service.signal("TERM");
    service.says("shutting down shop");
    // It is no longer ready, but serves on.
    assert_eq!(client.send(get("/readyz")).await.expect("an answer").status, 503);
    assert_eq!(client.send(get("/items/8")).await.expect("an answer").status, 200);
    let (status, lines) = service.ended();
    assert_eq!(status.code(), Some(0), "{status}");
    let paths: Vec<_> = lines.iter().map(|line| line["url.path"].as_str().unwrap_or_default()).collect();
    assert_eq!(paths, ["/items/7", "/readyz", "/items/8"]);
    assert!(lines.iter().all(|line| line["outcome"] == "completed" && line["service.name"] == "shop"));

    let mut service = Service::start(&program);
    service.signal("INT");
    service.says("a second signal exits at once");
    service.signal("TERM");
    let (status, _) = service.ended();
    assert_eq!(status.code(), Some(128 + 15), "{status}");
}

#[tokio::test]
async fn minimal_axum_copied_out_of_the_tree() {
    copied_example("minimal-axum").await;
}

#[tokio::test]
async fn minimal_actix_copied_out_of_the_tree() {
    copied_example("minimal-actix").await;
}

#[tokio::test]
async fn tower_hyper_copied_out_of_the_tree() {
    copied_example("tower-hyper").await;
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
    assert!(stderr.contains("nothing will unwind"), "the hook that was there is still called: {stderr}");
}
