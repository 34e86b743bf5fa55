//! A full table through `podbgpd` and through BIRD 2, and a large cluster's into the kernel, side by side:
//! `cargo bench -p podbgp-tests`.
//!
//! `-- --prefixes N` for another size than a million, `--learned N` for another than a hundred thousand in the
//! kernel, `--rounds N` to repeat, `--only bird` for one of them.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use anyhow::{Context, Result, bail};
use support::full_table::{Cost, Subject, learn, pass_through};
use support::machine::{machine, option};
use support::missing;

fn main() -> Result<()> {
    let prefixes = option("--prefixes").map_or(Ok(1_000_000), |value| value.parse())?;
    let learned = option("--learned").map_or(Ok(100_000), |value| value.parse())?;
    let rounds = option("--rounds").map_or(Ok(1), |value| value.parse::<usize>())?;
    let only = option("--only");
    if let Some(reason) = missing(&["bird"]) {
        bail!("{reason}");
    }
    println!("{}", machine());
    let subjects = [("podbgpd", Subject::Podbgpd), ("bird", Subject::Bird)];
    let chosen = |name: &str| only.as_ref().is_none_or(|only| only == name);
    let measure = |count: usize, job: fn(Subject, usize) -> Result<Cost>| -> Result<()> {
        println!(
            "daemon    elapsed s  processor s  peak MiB  at rest MiB  before MiB  bytes/prefix  UPDATEs out"
        );
        for _ in 0..rounds {
            for (name, subject) in subjects.into_iter().filter(|(name, _)| chosen(name)) {
                let cost = job(subject, count).with_context(|| name.to_owned())?;
                println!("{}", row(name, cost, count));
            }
        }
        Ok(())
    };
    println!("\n{prefixes} IPv4 prefixes from one eBGP peer through the daemon to another, no kernel routes");
    measure(prefixes, pass_through)?;
    println!(
        "\n{learned} blocks of a large cluster from each of two uplinks into the kernel, two next hops a route"
    );
    measure(learned, learn)
}

fn row(name: &str, cost: Cost, prefixes: usize) -> String {
    let grown = (cost.peak_resident - cost.idle_resident) * 1024;
    format!(
        "{name:<8} {:>10.2} {:>12.2} {:>9.1} {:>12.1} {:>11.1} {:>13} {:>12}",
        cost.elapsed.as_secs_f64(),
        cost.processor.as_secs_f64(),
        mebibytes(cost.peak_resident),
        mebibytes(cost.resident),
        mebibytes(cost.idle_resident),
        grown / prefixes.max(1) as u64,
        cost.updates
    )
}

fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}
