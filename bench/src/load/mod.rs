//! The measurement under load: the CPU time of a server for each request, and the latency that
//! clients see.
//!
//! All servers run all the time, and get load in turns of a second, in many rounds. Other work on
//! the machine therefore affects all of them alike. The ratio to the bare setting is taken within a
//! round.

mod server;
mod wrk;

use std::process::Command;

use server::Server;
use wrk::{Load, Pace, Wrk};

use crate::{
    settings::{self, Setting},
    table::median,
};

/// The number of rounds. It is odd, for the median.
const ROUNDS: usize = 21;

/// The length of a server's turn, in seconds.
const TURN: u32 = 1;

/// The setting that does only what every observation needs.
const FLOOR: &str = "axum-floor";

/// A setting in one round.
struct Sample {
    /// The CPU time of the server for one request, in microseconds.
    cpu: f64,
    load: Load,
}

struct Row {
    setting: &'static Setting,
    server: Server,
    samples: Vec<Sample>,
}

pub(crate) fn print(prefixes: &[&str]) -> Result<(), String> {
    let chosen = settings::chosen(prefixes)?.into_iter().filter(|setting| setting.is_served());
    let settings: Vec<_> = chosen.collect();
    let wrk = Wrk::new()?;
    println!("The same number of requests a second for each:\n");
    table(&settings, &wrk, Pace::Steady)?;
    println!("\nAs many requests as each answers:\n");
    table(&settings, &wrk, Pace::Full)
}

fn table(settings: &[&'static Setting], wrk: &Wrk, pace: Pace) -> Result<(), String> {
    let mut rows = settings
        .iter()
        .map(|&setting| Ok(Row { setting, server: Server::start(setting)?, samples: Vec::new() }))
        .collect::<Result<Vec<_>, String>>()?;
    for row in &rows {
        // A first turn warms up the caches and starts the threads of outputs.
        wrk.run(row.server.address(), pace, TURN)?;
    }
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS} …");
        for row in &mut rows {
            row.samples.push(sample(&row.server, wrk, pace)?);
        }
    }
    println!("| setting | CPU µs/request | × bare | from | to | × floor | requests/s | p50 µs | p99 µs |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for row in &rows {
        let bare =
            row.setting.bare.and_then(|bare| rows.iter().find(|other| other.setting.name == bare.name));
        let floor = rows.iter().find(|other| other.setting.name == FLOOR);
        println!("{}", row.markdown(bare, floor.filter(|_| row.setting.name.starts_with("axum-"))));
    }
    rows.into_iter().try_for_each(|row| row.server.stop())
}

fn sample(server: &Server, wrk: &Wrk, pace: Pace) -> Result<Sample, String> {
    let before = server.cpu()?;
    let load = wrk.run(server.address(), pace, TURN)?;
    let spent = server.settled()? - before;
    Ok(Sample { cpu: spent.as_secs_f64() * 1e6 / load.requests, load })
}

impl Row {
    /// Formats the row. A ratio is the median of the rounds. *From* and *to* enclose the middle
    /// half of them.
    fn markdown(&self, bare: Option<&Self>, floor: Option<&Self>) -> String {
        let [ratios, floor] = [(bare, 3), (floor, 1)].map(|(other, columns)| {
            let Some(other) = other else { return vec!["–"; columns].join(" | ") };
            let pairs = self.samples.iter().zip(&other.samples);
            let mut ratios: Vec<_> = pairs.map(|(sample, other)| sample.cpu / other.cpu).collect();
            ratios.sort_by(f64::total_cmp);
            let places = [ROUNDS / 2, ROUNDS / 4, ROUNDS - 1 - ROUNDS / 4];
            let shown = places.into_iter().take(columns).map(|place| format!("{:.2}", ratios[place]));
            shown.collect::<Vec<_>>().join(" | ")
        });
        let middle = |what: fn(&Sample) -> f64| median(&self.samples.iter().map(what).collect::<Vec<_>>());
        format!(
            "| {} | {:.2} | {ratios} | {floor} | {:.0} | {:.0} | {:.0} |",
            self.setting.name,
            middle(|sample| sample.cpu),
            middle(|sample| sample.load.requests / sample.load.seconds),
            middle(|sample| sample.load.p50),
            middle(|sample| sample.load.p99),
        )
    }
}

/// A command that runs on this core only, so server and client do not share a core. Without
/// `taskset`, it runs on any core.
fn pinned(core: &str, program: &str) -> Command {
    if Command::new("taskset").arg("--version").output().is_err() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", core, program]);
    command
}
