//! The growth of the cost of a request: with the routes of the application, with the fields that
//! its handler sets, and with the frames of its response.

mod actix;
mod axum;
mod case;
mod observed;

use std::collections::HashMap;

pub(crate) use case::{Case, run};
use case::{Framework, Kind};

use crate::measure::count;

/// The growth that still counts as flat, as a part of the cost with the fewest routes. Hash tables
/// differ by their seeds.
const FLAT: f64 = 0.05;
/// The target in instructions for each field, in the handler and in the event. It is the same for
/// any number of fields.
const FIELD: f64 = 1_200.0;
/// The target in instructions for each frame of a body.
const FRAME: f64 = 60.0;
/// The target in instructions for each frame if a span is made current in each poll.
const TRACED: f64 = 300.0;

/// The net instructions of the measured cases.
#[derive(Default)]
struct Costs {
    net: HashMap<(Kind, Framework, usize), f64>,
    missed: Vec<String>,
}

/// Prints the tables of these kinds, or of all, and fails if a target is missed.
pub(crate) fn print(kinds: &[&str]) -> Result<(), String> {
    let kinds = match kinds {
        [] => Kind::ALL.to_vec(),
        names => names.iter().map(|name| Kind::named(name)).collect::<Result<_, _>>()?,
    };
    let mut costs = Costs::default();
    for kind in kinds {
        println!("\n| {} | framework | bare | observed | net | {} |", kind.name(), kind.column());
        println!("|--:|---|--:|--:|--:|--:|");
        for framework in Framework::ALL {
            for &amount in kind.amounts(framework) {
                costs.row(kind, framework, amount)?;
            }
        }
    }
    if costs.missed.is_empty() { Ok(()) } else { Err(costs.missed.join("\n")) }
}

impl Costs {
    fn row(&mut self, kind: Kind, framework: Framework, amount: usize) -> Result<(), String> {
        let cost = |observed| {
            let case = Case { kind, framework, amount, observed };
            count(&case.name(), kind.requests(framework), kind.times())
        };
        let (bare, observed) = (cost(false)?, cost(true)?);
        let net = observed.instructions - bare.instructions;
        self.net.insert((kind, framework, amount), net);
        let first = kind.amounts(framework).first().copied().unwrap_or_default();
        let more = net - self.net.get(&(kind, framework, first)).copied().unwrap_or(net);
        let (value, target) = match kind {
            Kind::Routes => (more / (net - more), FLAT),
            Kind::Fields => (more / amount.max(1) as f64, FIELD),
            Kind::Frames => (per_further(more, amount - first), FRAME),
            Kind::Traced => (per_further(more, amount - first), TRACED),
        };
        let shown =
            if kind == Kind::Routes { format!("{:.1} %", value * 100.0) } else { format!("{value:.0}") };
        let (bare, observed) = (bare.instructions, observed.instructions);
        println!("| {amount} | {} | {bare:.0} | {observed:.0} | {net:.0} | {shown} |", framework.name());
        if value > target && kind.is_held(framework, amount) {
            let (kind, framework, column) = (kind.name(), framework.name(), kind.column());
            self.missed
                .push(format!("{amount} {kind} on {framework}: {column} {shown}, the target is {target}"));
        }
        Ok(())
    }
}

fn per_further(more: f64, further: usize) -> f64 {
    more / further.max(1) as f64
}
