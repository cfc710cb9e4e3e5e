//! The table of all settings, in Markdown. Net is what is left when the bare setting is taken off.

use crate::{
    measure::{Cost, REQUESTS, TIMES, measure},
    settings::{self, Setting},
};

pub(crate) fn print() -> Result<(), String> {
    let mut costs: Vec<(&Setting, Cost)> = Vec::new();
    for &setting in settings::ALL {
        eprintln!("{} …", setting.name);
        costs.push((setting, measure(setting.name, REQUESTS, TIMES)?));
    }
    println!(
        "| setting | instructions/request | allocations/request | net instructions | net allocations | spread |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    for (setting, cost) in &costs {
        let bare = setting.bare.and_then(|bare| costs.iter().find(|(other, _)| other.name == bare.name));
        println!("{}", row(setting.name, *cost, bare.map(|(_, cost)| *cost)));
    }
    Ok(())
}

fn row(name: &str, cost: Cost, bare: Option<Cost>) -> String {
    let Cost { instructions, allocations, spread } = cost;
    let net = bare.map_or_else(
        || "– | –".to_owned(),
        |bare| format!("{:.0} | {:.2}", instructions - bare.instructions, allocations - bare.allocations),
    );
    format!("| {name} | {instructions:.0} | {allocations:.2} | {net} | {spread:.0} |")
}
