//! The report: a table of settings in Markdown. A net value is the value minus that of the bare
//! setting.

use std::time::Duration;

use crate::{
    measure::{self, Cost, REQUESTS, ROUNDS, TIMES, Time},
    settings::{self, Setting},
    table::median,
};

struct Row {
    setting: &'static Setting,
    cost: Cost,
    times: Vec<Time>,
}

pub(crate) fn print(prefixes: &[&str]) -> Result<(), String> {
    let settings = settings::chosen(prefixes)?;
    let mut times = vec![Vec::new(); settings.len()];
    for round in 1..=ROUNDS {
        eprintln!("time, round {round} of {ROUNDS} …");
        for (setting, times) in settings.iter().zip(&mut times) {
            times.push(measure::time(setting.name)?);
        }
    }
    let mut rows = Vec::new();
    for (setting, times) in settings.into_iter().zip(times) {
        eprintln!("{} …", setting.name);
        // Other middleware takes long to measure, and one percent does not matter there.
        let (requests, often) = if setting.is_peer() { (REQUESTS / 2, 3) } else { (REQUESTS, TIMES) };
        rows.push(Row { setting, cost: measure::count(setting.name, requests, often)?, times });
    }
    println!(
        "| setting | instructions | allocations | thread µs | process µs | net instructions | net allocations | \
         net thread µs | net process µs | spread |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for row in &rows {
        let bare =
            row.setting.bare.and_then(|bare| rows.iter().find(|other| other.setting.name == bare.name));
        println!("{}", row.markdown(bare));
    }
    Ok(())
}

impl Row {
    fn markdown(&self, bare: Option<&Self>) -> String {
        let Cost { instructions, allocations, spread } = self.cost;
        let (thread, process) = (self.micros(|time| time.thread), self.micros(|time| time.process));
        let net = bare.map_or_else(
            || "– | – | – | –".to_owned(),
            |bare| {
                format!(
                    "{:.0} | {:.2} | {:.2} | {:.2}",
                    instructions - bare.cost.instructions,
                    allocations - bare.cost.allocations,
                    thread - bare.micros(|time| time.thread),
                    process - bare.micros(|time| time.process),
                )
            },
        );
        format!(
            "| {} | {instructions:.0} | {allocations:.2} | {thread:.2} | {process:.2} | {net} | {spread:.0} |",
            self.setting.name
        )
    }

    /// The median of one of the two times, in microseconds.
    fn micros(&self, which: impl Fn(&Time) -> Duration) -> f64 {
        median(&self.times.iter().map(|time| which(time).as_secs_f64() * 1e6).collect::<Vec<_>>())
    }
}
