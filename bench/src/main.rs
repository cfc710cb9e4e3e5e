//! What one request costs, in instructions and in allocations: see `README.md`.

mod allocator;
mod collector;
mod gate;
mod measure;
mod memory;
mod profile;
mod report;
mod sample;
mod scale;
mod scrape;
mod settings;
mod single_thread;
mod table;
mod threads;

use std::process::ExitCode;

use settings::Setting;

const USAGE: &str = "\
usage: bench report                    measures every setting and prints a table
       bench gate                      fails if a setting costs more than its limit
       bench scrape                    a page of 10,000 series beside that of `prometheus`
       bench scrape-load               what scrapes do to the requests meanwhile
       bench threads                   recording in one series with one thread and with two
       bench scale                     how the cost grows with routes, fields and frames
       bench memory                    bytes of series, requests and events, and that they do not grow
       bench run <setting> <requests>  runs one setting and prints its allocations";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["report"] => report::print(),
        ["gate"] => gate::check(),
        ["scrape"] => scrape::print(),
        ["scrape-load"] => scrape::print_load(),
        ["threads"] => threads::print(),
        ["scale"] => scale::print(),
        ["memory"] => memory::print(),
        ["run", setting, requests] => run(setting, requests),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(setting: &str, requests: &str) -> Result<(), String> {
    let requests = requests.parse().map_err(|_| format!("`{requests}` is no number of requests"))?;
    if scale::run(setting, requests).is_none() {
        (Setting::named(setting)?.run)(requests);
    }
    println!("{}", allocator::allocations());
    Ok(())
}
