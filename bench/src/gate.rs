//! The gate: what the middleware adds to a request stays within limits, or the command fails and says where.

use crate::{
    measure::{Cost, REQUESTS, count},
    settings::Setting,
};

/// What a setting may cost, net of its bare one. Instructions may be dearer by the tolerance, allocations only by chance.
struct Limit {
    name: &'static str,
    instructions: f64,
    allocations: f64,
    /// So many allocations more or less are chance.
    chance: f64,
}

/// Whoever makes the middleware cheaper lowers them, so that it stays so.
#[rustfmt::skip]
const LIMITS: &[Limit] = &[
    Limit { name: "axum-observed", instructions: 7_800.0, allocations: 4.0, chance: 0.0 },
    Limit { name: "axum-unsampled", instructions: 8_860.0, allocations: 5.0, chance: 0.0 },
    Limit { name: "axum-one-percent", instructions: 8_910.0, allocations: 5.03, chance: ONE_PERCENT },
    Limit { name: "axum-sampled", instructions: 12_420.0, allocations: 8.0, chance: 0.0 },
    Limit { name: "tower-observed", instructions: 6_650.0, allocations: 3.0, chance: 0.0 },
    Limit { name: "actix-observed", instructions: 7_640.0, allocations: 3.0, chance: 0.0 },
    Limit { name: "actix-unsampled", instructions: 9_010.0, allocations: 4.0, chance: 0.0 },
    Limit { name: "actix-one-percent", instructions: 9_070.0, allocations: 4.03, chance: ONE_PERCENT },
    Limit { name: "actix-sampled", instructions: 12_640.0, allocations: 7.0, chance: 0.0 },
];

/// Half of the traces are new, with random ids, so of 2,000 requests some more or some fewer than 20 are sampled, with three
/// allocations each. It is four times what measurements deviate by.
const ONE_PERCENT: f64 = 0.03;

/// This much of a limit is allowed on top of it, or as much as measurements differ by, if that is more.
const TOLERANCE: f64 = 0.02;

/// A setting that needs less than its limit by this much has outgrown it.
const OUTGROWN: f64 = 0.05;

/// Fewer than the report's, so that it is quick; an odd number, so that one is in the middle.
const TIMES: usize = 3;

pub(crate) fn check() -> Result<(), String> {
    let mut bare: Vec<(&str, Cost)> = Vec::new();
    let mut failures = Vec::new();
    println!("| setting | net instructions | limit | net allocations | limit | spread |");
    println!("|---|--:|--:|--:|--:|--:|");
    for limit in LIMITS {
        let setting = Setting::named(limit.name)?;
        let bare_name = setting.bare.ok_or_else(|| format!("`{}` has nothing beneath it", limit.name))?.name;
        let known = bare.iter().find(|(name, _)| *name == bare_name).map(|(_, cost)| *cost);
        let below = match known {
            Some(cost) => cost,
            None => {
                let cost = count(bare_name, REQUESTS, TIMES)?;
                bare.push((bare_name, cost));
                cost
            }
        };
        let cost = count(limit.name, REQUESTS, TIMES)?;
        let net = Cost {
            instructions: cost.instructions - below.instructions,
            allocations: cost.allocations - below.allocations,
            spread: cost.spread.max(below.spread),
        };
        println!(
            "| {} | {:.0} | {:.0} | {:.2} | {:.2} | {:.0} |",
            limit.name, net.instructions, limit.instructions, net.allocations, limit.allocations, net.spread
        );
        failures.extend(limit.complaints(bare_name, net));
        if let Some(hint) = limit.hint(net) {
            eprintln!("{hint}");
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    let advice = "Look into it with\n  valgrind --tool=callgrind --separate-threads=yes --callgrind-out-file=profile bench run <setting> 4000\n  \
         callgrind_annotate profile-01\nIf it is worth its cost, raise the limit in bench/src/gate.rs and say why in the commit.";
    Err(format!("{}\n{advice}", failures.join("\n")))
}

impl Limit {
    /// Why it fails, if it does.
    fn complaints(&self, bare: &str, net: Cost) -> Vec<String> {
        let Self { name, instructions, allocations, chance } = *self;
        let mut complaints = Vec::new();
        let tolerance = (instructions * TOLERANCE).max(net.spread);
        if net.instructions > instructions + tolerance {
            let found = net.instructions;
            complaints.push(format!(
                "{name}: {found:.0} instructions net of {bare}, the limit is {instructions:.0} + {tolerance:.0}"
            ));
        }
        // Measurements divide by thousands of requests, so a growing buffer's few allocations are no whole hundredth.
        if (net.allocations * 100.0).round() > ((allocations + chance) * 100.0).round() {
            let found = net.allocations;
            complaints
                .push(format!("{name}: {found:.2} allocations net of {bare}, the limit is {allocations:.2}"));
        }
        complaints
    }

    fn hint(&self, net: Cost) -> Option<String> {
        let Self { name, instructions, allocations, chance } = *self;
        let cheaper = net.instructions < instructions * (1.0 - OUTGROWN)
            || (net.allocations * 100.0).round() < ((allocations - chance) * 100.0).round();
        cheaper.then(|| {
            format!(
                "{name}: the limit can be lowered to {:.0} instructions and {:.2} allocations",
                net.instructions, net.allocations
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { name: "x", instructions: 10_000.0, allocations: 8.0, chance: 0.0 };

    fn cost(instructions: f64, allocations: f64, spread: f64) -> Cost {
        Cost { instructions, allocations, spread }
    }

    #[test]
    fn dearer_fails_and_cheaper_is_told() {
        for (net, complaints, hint) in [
            (cost(10_200.0, 8.0, 0.0), 0, false),
            (cost(10_201.0, 8.0, 0.0), 1, false),
            (cost(10_300.0, 8.0, 300.0), 0, false),
            (cost(10_000.0, 8.001, 0.0), 0, false),
            (cost(10_000.0, 8.01, 0.0), 1, false),
            (cost(10_201.0, 8.5, 0.0), 2, false),
            (cost(9_500.0, 8.0, 0.0), 0, false),
            (cost(9_499.0, 8.0, 0.0), 0, true),
            (cost(10_000.0, 7.5, 0.0), 0, true),
        ] {
            assert_eq!(
                LIMIT.complaints("y", net).len(),
                complaints,
                "{} {}",
                net.instructions,
                net.allocations
            );
            assert_eq!(LIMIT.hint(net).is_some(), hint, "{} {}", net.instructions, net.allocations);
        }
    }

    #[test]
    fn chance_neither_fails_nor_is_told() {
        let limit = Limit { chance: 0.08, ..LIMIT };
        for (allocations, complaints, hint) in
            [(8.08, 0, false), (8.09, 1, false), (7.92, 0, false), (7.91, 0, true)]
        {
            let net = cost(10_000.0, allocations, 0.0);
            assert_eq!(limit.complaints("y", net).len(), complaints, "{allocations}");
            assert_eq!(limit.hint(net).is_some(), hint, "{allocations}");
        }
    }
}
