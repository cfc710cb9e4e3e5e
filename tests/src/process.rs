//! Whole processes for tests: builds a program from the repository or from a copy, starts it, reads
//! its output, and stops it.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use serde_json::Value;

use crate::{
    programs::{build, root},
    watch::until,
};

/// The comment in the manifest of an example after which a copy deletes the rest.
const DELETE: &str = "# Delete from here to the end";

/// A path in the system's temporary folder that no other test uses.
#[must_use]
pub fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("obs-{name}-{}", std::process::id()))
}

/// Copies an example out of the repository, as a user would, and builds the copy.
#[must_use]
pub fn copy_and_build(name: &str) -> PathBuf {
    let source = root().join("examples").join(name);
    let folder = temporary(name);
    copy(&source, &folder);
    let manifest = std::fs::read_to_string(source.join("Cargo.toml")).expect("the manifest");
    assert!(!manifest.contains("workspace"), "the manifest does not need the workspace: {manifest}");
    let manifest = manifest.split(DELETE).next().expect("its beginning");
    // The workspace's own program keeps its name.
    let copied = format!("copied-{name}");
    let manifest = manifest.replacen(&format!("name = \"{name}\""), &format!("name = \"{copied}\""), 1);
    let library = match source.join("src/lib.rs").exists() {
        true => format!("\n[lib]\nname = \"{}\"\n", name.replace('-', "_")),
        false => String::new(),
    };
    // A copy must change these paths as long as the crates are not in a registry.
    let manifest = manifest.replace("../..", root().to_str().expect("a path in UTF-8"));
    std::fs::write(folder.join("Cargo.toml"), manifest + &library).expect("written");
    let program = build(&folder, &copied, "");
    std::fs::remove_dir_all(folder).expect("removed");
    program
}

fn copy(source: &Path, folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    for entry in std::fs::read_dir(source).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = folder.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// A running service. Dropping it kills the process.
pub struct Service {
    child: Child,
    pub addr: SocketAddr,
    stdout: Output,
    stderr: Output,
}

impl Service {
    /// Starts a service that listens at the address in `LISTEN`.
    pub async fn start(program: &Path, variables: &[(&str, &str)]) -> Self {
        let addr = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let mut command = Command::new(program);
        // Enough time for a few requests after a signal, even while the machine builds something.
        command
            .env_remove("OBS_EVENTS")
            .env("LISTEN", addr.to_string())
            .env("OBS_DRAIN_DELAY", "5s")
            .envs(variables.iter().copied());
        let service = Self::spawn(command, addr);
        until(|| TcpStream::connect(addr).is_ok()).await;
        until(|| service.catches_signals()).await;
        service
    }

    /// Starts a service that prints its address: `shop listens on http://127.0.0.1:4000`.
    pub async fn announced(name: &str, program: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        for other in ["DATABASE_URL", "INVENTORY_URL", "OBS_EVENTS", "OTEL_SERVICE_NAME", "PAYMENTS_URL"] {
            command.env_remove(other);
        }
        command.env("LISTEN", "127.0.0.1:0").env("OBS_DRAIN_DELAY", "0").envs(variables.iter().copied());
        let mut service = Self::spawn(command, SocketAddr::from(([127, 0, 0, 1], 0)));
        let line = service.wait_for_line(&format!("{name} listens on http://")).await;
        service.addr = line.rsplit('/').next().and_then(|addr| addr.parse().ok()).expect("an address");
        until(|| service.catches_signals()).await;
        service
    }

    fn spawn(mut command: Command, addr: SocketAddr) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stdout = Output::of(child.stdout.take().expect("piped"));
        let stderr = Output::of(child.stderr.take().expect("piped"));
        Self { child, addr, stdout, stderr }
    }

    /// Returns `true` if the service has installed its handlers of SIGTERM and SIGINT. Before that,
    /// the signals have their default effect, or none if a shell started the tests in the
    /// background.
    fn catches_signals(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.expect("it still runs");
        let caught = u64::from_str_radix(caught.trim(), 16).expect("hexadecimal digits");
        [15, 2].iter().all(|signal| caught & (1 << (signal - 1)) != 0)
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for a line on standard error, or the message of a log line, that contains `text`.
    pub async fn wait_for_line(&self, text: &str) -> String {
        let message = |line: Value| line["message"].as_str().map(str::to_owned);
        let found = || {
            let messages = self.logs().into_iter().filter_map(message);
            self.stderr.lines().into_iter().chain(messages).find(|line| line.contains(text))
        };
        until(|| found().is_some() || (self.stderr.ended() && self.stdout.ended())).await;
        found().unwrap_or_else(|| panic!("a line with {text:?}: {:#?}", self.stderr.lines()))
    }

    /// The events that the service has written so far.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.written().filter(|line| line.get("level").is_none()).collect()
    }

    /// The log lines that the service has written so far.
    #[must_use]
    pub fn logs(&self) -> Vec<Value> {
        self.written().filter(|line| line.get("level").is_some()).collect()
    }

    fn written(&self) -> impl Iterator<Item = Value> {
        let lines = self.stdout.lines().into_iter();
        lines.map(|line| serde_json::from_str(&line).expect("a line of JSON"))
    }

    /// Waits for the event of `service` with this request id.
    pub async fn event(&self, service: &str, request_id: &str) -> Value {
        let is_it = |line: &Value| line["service.name"] == service && line["request_id"] == request_id;
        let found = || self.events().into_iter().find(is_it);
        until(|| found().is_some() || self.stdout.ended()).await;
        found().unwrap_or_else(|| panic!("an event of {request_id}: {:#?}", self.stdout.lines()))
    }

    /// Waits for the end of the service, and returns its exit status and its events.
    pub async fn ended(mut self) -> (ExitStatus, Vec<Value>) {
        until(|| self.stdout.ended()).await;
        (self.child.wait().expect("it ends"), self.events())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let mut said = String::new();
            for line in self.stdout.lines().iter().chain(&self.stderr.lines()) {
                let _ = writeln!(said, "{line}");
            }
            eprintln!("the service at {} said:\n{said}", self.addr);
        }
    }
}

/// The output of a process so far. A thread reads it, so the process never blocks.
struct Output {
    text: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Output {
    fn of(from: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                shared.lock().unwrap().push(line);
            }
        });
        Self { text, reader }
    }

    fn lines(&self) -> Vec<String> {
        self.text.lock().unwrap().clone()
    }

    /// Returns `true` if the process has closed the output.
    fn ended(&self) -> bool {
        self.reader.is_finished()
    }
}
