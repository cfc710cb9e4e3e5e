//! A running Prometheus that scrapes services and answers queries.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::Value;

use crate::{
    client::{Client, get},
    watch::BOUND,
};

/// A scrape job: its name, the address of the service, and the path.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a>(pub &'a str, pub SocketAddr, pub &'a str);

/// A running Prometheus. Dropping it ends the process and removes its folder.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    folder: PathBuf,
    addr: SocketAddr,
}

/// A sample in the result of a query: its labels and its value.
pub type Sample = (BTreeMap<String, String>, f64);

impl Prometheus {
    /// Starts a Prometheus at a free port. It scrapes each job every second.
    #[must_use]
    pub fn start(jobs: &[Job<'_>]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("obs-prometheus-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let mut config = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n".to_owned();
        for Job(name, addr, path) in jobs {
            let targets = format!("static_configs: [{{targets: ['{addr}']}}]");
            writeln!(config, "- {{job_name: {name}, metrics_path: {path}, {targets}}}").expect("written");
        }
        fs::write(folder.join("prometheus.yml"), config).expect("written");
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Prometheus starts: tests/run.sh installs it");
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let addr = log.find_map(|line| {
            let (_, address) = line.split_once("msg=\"Listening on\" address=")?;
            address.trim().parse().ok()
        });
        // A thread reads the rest of the log, or Prometheus would block. It prints warnings and
        // errors.
        std::thread::spawn(move || {
            log.filter(|line| !line.contains("level=info")).for_each(|line| eprintln!("prometheus: {line}"));
        });
        Self { child, folder, addr: addr.expect("it says where it listens") }
    }

    async fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let mut url = format!("/api/v1/{path}?");
        for (name, value) in parameters {
            let encoded: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            write!(url, "{name}={encoded}&").expect("written");
        }
        let mut client = Client::connect(self.addr, false).await;
        let answer = client.send(get(&url)).await.expect("an answer");
        client.disconnect().await;
        // Prometheus responds with 503 until it has read its log.
        if answer.status == 503 {
            return Value::Null;
        }
        let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(answer["status"], "success", "{answer}");
        answer["data"].clone()
    }

    /// The value of a metric of Prometheus itself.
    pub async fn own(&self, name: &str) -> f64 {
        let mut client = Client::connect(self.addr, false).await;
        let page = client.send(get("/metrics")).await.expect("its page").body;
        client.disconnect().await;
        let page = String::from_utf8_lossy(&page).into_owned();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.expect("a counter of its own").parse().expect("a number")
    }

    /// The current result of a query.
    pub async fn query(&self, query: &str) -> Vec<Sample> {
        let data = self.api("query", &[("query", query)]).await;
        let found = data["result"].as_array().map(Vec::as_slice).unwrap_or_default();
        let value = |sample: &Value| sample["value"][1].as_str().expect("text").parse().expect("a number");
        found.iter().map(|sample| (labels(&sample["metric"]), value(sample))).collect()
    }

    /// Repeats a query until `wanted` accepts its result.
    pub async fn until(&self, query: &str, wanted: impl Fn(&[Sample]) -> bool) -> Vec<Sample> {
        let mut last = Vec::new();
        let wait = async {
            loop {
                last = self.query(query).await;
                if wanted(&last) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let found = tokio::time::timeout(BOUND, wait).await;
        assert!(found.is_ok(), "{query} is still {last:#?}");
        last
    }

    /// Waits until the targets of all jobs have been scraped successfully.
    pub async fn up(&self, jobs: usize) {
        self.until("up", |up| up.len() == jobs && up.iter().all(|(_, value)| *value == 1.0)).await;
    }

    /// The exemplars of a query: the labels of the series, and the labels and the value of the
    /// exemplar.
    pub async fn exemplars(&self, query: &str) -> Vec<(BTreeMap<String, String>, Sample)> {
        let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        let (start, end) = ((now - 3600).to_string(), (now + 60).to_string());
        let data = self.api("query_exemplars", &[("query", query), ("start", &start), ("end", &end)]).await;
        let mut found = Vec::new();
        for series in data.as_array().map(Vec::as_slice).unwrap_or_default() {
            for exemplar in series["exemplars"].as_array().expect("exemplars") {
                let value = exemplar["value"].as_str().expect("text").parse().expect("a number");
                found.push((labels(&series["seriesLabels"]), (labels(&exemplar["labels"]), value)));
            }
        }
        found
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn labels(value: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    value.as_object().expect("labels").iter().map(|(name, value)| (name.clone(), text(value))).collect()
}
