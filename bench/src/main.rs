//! The benchmark program. It measures the cost of one request in instructions, allocations and
//! time: see `README.md`.

mod allocator;
mod build;
mod clock;
mod collector;
mod counts;
mod drive;
mod gate;
mod load;
mod measure;
mod memory;
mod profile;
mod report;
mod sample;
mod scale;
mod scrape;
mod settings;
mod single_thread;
mod size;
mod table;
mod threads;

use std::process::ExitCode;

use counts::Counts;
use drive::Drive;
use settings::Setting;

const USAGE: &str = "\
usage: bench report [prefix…]          measures every setting whose name starts so, and prints a table
       bench load [prefix…]            the same under load, over sockets
       bench gate                      fails if a setting costs more than its limit
       bench scale [kind…]             how the cost grows with routes, fields and frames
       bench threads                   recording in one series with one thread and with two
       bench memory                    bytes of series, requests and events, and that they do not grow
       bench scrape                    a page of 10,000 series beside that of `prometheus`
       bench scrape-load               what scrapes do to the requests meanwhile
       bench size                      what observation adds to a stripped service
       bench run <setting> <requests>  runs one setting and prints its allocations and nanoseconds
       bench serve <setting>           serves one setting until standard input ends, and prints its address";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["report", ref prefixes @ ..] => report::print(prefixes),
        ["load", ref prefixes @ ..] => load::print(prefixes),
        ["gate"] => gate::check(),
        ["scale", ref kinds @ ..] => scale::print(kinds),
        ["threads"] => threads::print(),
        ["memory"] => memory::print(),
        ["scrape"] => scrape::print(),
        ["scrape-load"] => scrape::print_load(),
        ["size"] => size::print(),
        ["run", setting, requests] => run(setting, requests),
        ["serve", setting] => serve(setting),
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
    let requests = requests.parse().map_err(|_| format!("`{requests}` is not a number of requests"))?;
    if scale::run(setting, requests).is_none() {
        (Setting::named(setting)?.run)(Drive::Requests(requests));
    }
    Counts::now().print();
    Ok(())
}

fn serve(setting: &str) -> Result<(), String> {
    let setting = Setting::named(setting)?;
    if !setting.is_served() {
        return Err(format!("`{}` has no server", setting.name));
    }
    (setting.run)(Drive::Server);
    Ok(())
}
