//! A PostgreSQL server for one test, from the system's packages. It can be stopped and started
//! again.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output},
};

use crate::{process::temporary, watch::until};

/// A database cluster in a temporary folder. Dropping it stops the server and removes the folder.
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    pub async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let postgres = Self { programs: programs(), folder: temporary("postgres"), port };
        let folder = postgres.folder.to_str().expect("a path in UTF-8");
        // PostgreSQL does not run as root, so its folder belongs to the user of the package.
        let owner: &[_] = if is_root() { &["-o", "postgres"] } else { &[] };
        let made = Command::new("install").args(["-d", "-m", "700"]).args(owner).arg(folder).status();
        assert!(made.expect("install runs").success(), "a folder of its own");
        let output = postgres.run("initdb", &["-U", "shop", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
        assert!(output.status.success(), "{output:?}");
        postgres.go_on().await;
        postgres
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://shop@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops the server and closes all its connections.
    pub fn stop(&self) {
        let output = self.run("pg_ctl", &["stop", "-m", "fast", "-w"]);
        assert!(output.status.success(), "{output:?}");
    }

    /// Starts the server with the same data and port as before.
    pub async fn go_on(&self) {
        let folder = self.folder.display();
        let options = format!("-p {} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off", self.port);
        let log = format!("{folder}/log");
        // Another process may use the port for a moment, as a client.
        until(|| self.run("pg_ctl", &["start", "-w", "-l", &log, "-o", &options]).status.success()).await;
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.arg("-D").arg(self.folder.join("data")).args(arguments).current_dir(&self.folder);
        command.output().expect("it runs")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The server may be stopped already.
        let _ = self.run("pg_ctl", &["stop", "-m", "immediate", "-w"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id runs");
    output.stdout == b"0\n"
}

/// The folder of the server's programs. Debian keeps them outside `PATH`, in a folder for each
/// version.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL: tests/run.sh installs it");
    let mut folders: Vec<_> =
        versions.map(|version| version.expect("a version").path().join("bin")).collect();
    folders.retain(|folder| folder.join("initdb").exists());
    folders.sort();
    folders.pop().expect("PostgreSQL's server: tests/run.sh installs it")
}
