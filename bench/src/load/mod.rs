//! What a server spends on a request under load, and what its clients see.
//!
//! Rounds go through all settings in turn, so that whatever else the machine does hits all of them alike. The ratio to the
//! bare setting is taken within a round.

mod server;
mod wrk;

use std::process::Command;

use server::Server;
use wrk::{Load, Pace, Wrk};

use crate::{
    settings::{self, Setting},
    table::median,
};

/// An odd number, so that one is in the middle.
const ROUNDS: usize = 5;

/// A setting in one round.
struct Sample {
    /// The server's processor time for one request, in microseconds.
    cpu: f64,
    load: Load,
}

struct Row {
    setting: &'static Setting,
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
    let mut rows: Vec<_> = settings.iter().map(|&setting| Row { setting, samples: Vec::new() }).collect();
    for round in 1..=ROUNDS {
        for row in &mut rows {
            eprintln!("round {round} of {ROUNDS}: {} …", row.setting.name);
            row.samples.push(sample(row.setting, wrk, pace)?);
        }
    }
    println!("| setting | CPU µs/request | × bare | from | to | requests/s | p50 µs | p99 µs |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for row in &rows {
        let bare =
            row.setting.bare.and_then(|bare| rows.iter().find(|other| other.setting.name == bare.name));
        println!("{}", row.markdown(bare));
    }
    Ok(())
}

fn sample(setting: &Setting, wrk: &Wrk, pace: Pace) -> Result<Sample, String> {
    let server = Server::start(setting)?;
    // Caches, connections and the threads of outputs are there when it counts.
    wrk.run(server.address(), pace, 1)?;
    let before = server.cpu()?;
    let load = wrk.run(server.address(), pace, 3)?;
    let spent = server.cpu()? - before;
    server.stop()?;
    Ok(Sample { cpu: spent.as_secs_f64() * 1e6 / load.requests, load })
}

impl Row {
    fn markdown(&self, bare: Option<&Self>) -> String {
        let ratios = bare.map_or_else(
            || "– | – | –".to_owned(),
            |bare| {
                let pairs = self.samples.iter().zip(&bare.samples);
                let mut ratios: Vec<_> = pairs.map(|(sample, bare)| sample.cpu / bare.cpu).collect();
                ratios.sort_by(f64::total_cmp);
                format!("{:.2} | {:.2} | {:.2}", ratios[ROUNDS / 2], ratios[0], ratios[ROUNDS - 1])
            },
        );
        let middle = |what: fn(&Sample) -> f64| median(&self.samples.iter().map(what).collect::<Vec<_>>());
        format!(
            "| {} | {:.2} | {ratios} | {:.0} | {:.0} | {:.0} |",
            self.setting.name,
            middle(|sample| sample.cpu),
            middle(|sample| sample.load.requests / sample.load.seconds),
            middle(|sample| sample.load.p50),
            middle(|sample| sample.load.p99),
        )
    }
}

/// A command on this core alone, so that server and client do not take turns on one. Without `taskset`, on any.
fn pinned(core: &str, program: &str) -> Command {
    if Command::new("taskset").arg("--version").output().is_err() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", core, program]);
    command
}
