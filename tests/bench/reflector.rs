//! A route reflector with many clients, `podbgpd` and BIRD 2 side by side: `cargo bench -p podbgp-tests --bench reflector`.
//!
//! `-- --clients N` for another number than 200, `--prefixes N` for another than 50 of each, `--rounds N` to repeat,
//! `--only bird` for one of them.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use anyhow::{Context, Result, bail};
use support::machine::{machine, option};
use support::measure::Subject;
use support::missing;
use support::reflector::{Cost, reflect};

fn main() -> Result<()> {
    let number = |flag: &str, usual: usize| option(flag).map_or(Ok(usual), |value| value.parse::<usize>());
    let (clients, prefixes) = (number("--clients", 200)?, number("--prefixes", 50)?);
    let rounds = number("--rounds", 1)?;
    let only = option("--only");
    if let Some(reason) = missing(&["bird"]) {
        bail!("{reason}");
    }
    println!("{}", machine());
    println!("\n{clients} clients of a route reflector, {prefixes} IPv4 prefixes each, to all others");
    println!("daemon    elapsed s  processor s  peak MiB  before MiB  UPDATEs out");
    for _ in 0..rounds {
        for (name, subject) in [("podbgpd", Subject::Podbgpd), ("bird", Subject::Bird)] {
            if only.as_ref().is_none_or(|only| only == name) {
                println!(
                    "{}",
                    row(name, reflect(subject, clients, prefixes).with_context(|| name.to_owned())?)
                );
            }
        }
    }
    Ok(())
}

fn row(name: &str, cost: Cost) -> String {
    let mebibytes = |kibibytes: u64| kibibytes as f64 / 1024.0;
    format!(
        "{name:<8} {:>10.2} {:>12.2} {:>9.1} {:>11.1} {:>12}",
        cost.elapsed.as_secs_f64(),
        cost.processor.as_secs_f64(),
        mebibytes(cost.peak_resident),
        mebibytes(cost.idle_resident),
        cost.updates
    )
}
