//! The gate. It fails, and names the setting, if the middleware adds more to a request than the
//! limits allow.

use std::path::Path;

use crate::{
    build,
    measure::{Cost, REQUESTS, count_in, this_program},
    settings::Setting,
};

/// The cost limit of a setting, without the cost of its bare setting. Instructions may exceed it by
/// the tolerance, allocations only by `chance`.
struct Limit {
    name: &'static str,
    instructions: f64,
    allocations: f64,
    /// The number of allocations by which measurements may differ at random.
    chance: f64,
}

/// The limits. A change that makes the middleware cheaper must lower them.
#[rustfmt::skip]
const LIMITS: &[Limit] = &[
    Limit { name: "axum-observed", instructions: 7_764.0, allocations: 4.0, chance: 0.0 },
    Limit { name: "axum-unsampled", instructions: 8_860.0, allocations: 5.0, chance: 0.0 },
    Limit { name: "axum-one-percent", instructions: 8_910.0, allocations: 5.03, chance: ONE_PERCENT },
    Limit { name: "axum-sampled", instructions: 12_420.0, allocations: 8.0, chance: 0.0 },
    Limit { name: "tower-observed", instructions: 6_643.0, allocations: 3.0, chance: 0.0 },
    Limit { name: "actix-observed", instructions: 7_500.0, allocations: 3.0, chance: 0.0 },
    Limit { name: "actix-unsampled", instructions: 8_200.0, allocations: 4.0, chance: 0.0 },
    Limit { name: "actix-one-percent", instructions: 8_250.0, allocations: 4.03, chance: ONE_PERCENT },
    Limit { name: "actix-sampled", instructions: 12_100.0, allocations: 7.0, chance: 0.0 },
    Limit { name: "line-written", instructions: 6_480.0, allocations: 4.0, chance: 0.0 },
    Limit { name: "line-filtered", instructions: 6.0, allocations: 0.0, chance: 0.0 },
    Limit { name: "line-filtered-no-queries", instructions: 2.0, allocations: 0.0, chance: 0.0 },
    Limit { name: "line-filtered-by-target", instructions: 6.0, allocations: 0.0, chance: 0.0 },
    Limit { name: "line-collected", instructions: 4_600.0, allocations: 7.0, chance: 0.0 },
    Limit { name: "query-reported", instructions: 4_510.0, allocations: 3.0, chance: 0.03 },
    Limit { name: "query-event", instructions: 10_060.0, allocations: 12.0, chance: 0.03 },
    Limit { name: "redact-path", instructions: 212.0, allocations: 0.0, chance: 0.0 },
    Limit { name: "redact-user-agent", instructions: 1_424.0, allocations: 0.0, chance: 0.0 },
    Limit { name: "redact-text-1k", instructions: 5_171.0, allocations: 0.0, chance: 0.0 },
    Limit { name: "redact-query", instructions: 2_803.0, allocations: 0.0, chance: 0.0 },
    Limit { name: "redact-name", instructions: 985.0, allocations: 0.0, chance: 0.0 },
];

/// The limits in a build with cargo's default `release` profile, which most services use: 16
/// codegen units, and no link-time optimization across crates.
#[rustfmt::skip]
const LIMITS_UNCHANGED: &[Limit] = &[
    Limit { name: "axum-observed", instructions: 8_400.0, allocations: 4.0, chance: 0.0 },
    Limit { name: "axum-one-percent", instructions: 9_700.0, allocations: 5.03, chance: ONE_PERCENT },
    Limit { name: "actix-observed", instructions: 8_300.0, allocations: 3.0, chance: 0.0 },
    Limit { name: "actix-one-percent", instructions: 9_150.0, allocations: 4.03, chance: ONE_PERCENT },
];

/// The random difference in allocations when one percent is sampled. Half of the traces have random
/// ids, so of 2,000 requests slightly more or fewer than 20 are sampled, with three allocations
/// each. This is four times the deviation of measurements.
const ONE_PERCENT: f64 = 0.03;

/// The part of a limit by which a measurement may exceed it. The spread of the measurements is used
/// instead if it is larger.
const TOLERANCE: f64 = 0.02;

/// The part of a limit by which a measurement must be below it for a hint to lower the limit.
const OUTGROWN: f64 = 0.05;

/// The number of measurements. It is smaller than the report's, to be fast, and odd, for the
/// median.
const TIMES: usize = 3;

pub(crate) fn check() -> Result<(), String> {
    let mut failures = check_build(LIMITS, &this_program()?)?;
    println!("\nCargo's default profile:\n");
    let unchanged = build::program("bench", "unchanged", None)?;
    let of_unchanged = check_build(LIMITS_UNCHANGED, &unchanged)?;
    failures.extend(of_unchanged.into_iter().map(|failure| format!("default profile, {failure}")));
    if failures.is_empty() {
        return Ok(());
    }
    let advice = "Find the reason with\n  valgrind --tool=callgrind --separate-threads=yes --callgrind-out-file=profile bench run <setting> 4000\n  \
         callgrind_annotate profile-01\nIf the change is worth its cost, raise the limit in bench/src/gate.rs and say why in the commit.";
    Err(format!("{}\n{advice}", failures.join("\n")))
}

/// Checks a build of this program, and returns what is wrong.
fn check_build(limits: &[Limit], program: &Path) -> Result<Vec<String>, String> {
    let mut bare: Vec<(&str, Cost)> = Vec::new();
    let mut failures = Vec::new();
    println!("| setting | net instructions | limit | tolerance | net allocations | limit | spread |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for limit in limits {
        let setting = Setting::named(limit.name)?;
        // Redaction alone has no bare setting.
        let bare_name = setting.bare.map_or("nothing", |bare| bare.name);
        let known = bare.iter().find(|(name, _)| *name == bare_name).map(|(_, cost)| *cost);
        let below = match (known, setting.bare) {
            (Some(cost), _) => cost,
            (None, None) => Cost { instructions: 0.0, allocations: 0.0, spread: 0.0 },
            (None, Some(_)) => {
                let cost = count_in(program, bare_name, REQUESTS, TIMES)?;
                bare.push((bare_name, cost));
                cost
            }
        };
        let cost = count_in(program, limit.name, REQUESTS, TIMES)?;
        let net = Cost {
            instructions: cost.instructions - below.instructions,
            allocations: cost.allocations - below.allocations,
            spread: cost.spread.max(below.spread),
        };
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} | {:.0} |",
            limit.name,
            net.instructions,
            limit.instructions,
            limit.tolerance(net),
            net.allocations,
            limit.allocations,
            net.spread
        );
        failures.extend(limit.complaints(bare_name, net));
        if let Some(hint) = limit.hint(net) {
            eprintln!("{hint}");
        }
    }
    Ok(failures)
}

impl Limit {
    /// The instructions that are allowed on top of the limit.
    fn tolerance(&self, net: Cost) -> f64 {
        (self.instructions * TOLERANCE).max(net.spread)
    }

    /// Returns the reasons why the setting fails.
    fn complaints(&self, bare: &str, net: Cost) -> Vec<String> {
        let Self { name, instructions, allocations, chance } = *self;
        let mut complaints = Vec::new();
        let tolerance = self.tolerance(net);
        if net.instructions > instructions + tolerance {
            let found = net.instructions;
            complaints.push(format!(
                "{name}: {found:.0} instructions net of {bare}, the limit is {instructions:.0} + {tolerance:.0}"
            ));
        }
        // The cost is divided by thousands of requests, so the few allocations of a growing buffer
        // are less than a hundredth.
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
    fn a_higher_cost_fails_and_a_lower_cost_gives_a_hint() {
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
    fn a_random_difference_neither_fails_nor_gives_a_hint() {
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
