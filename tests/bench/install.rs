//! Learned routes into the kernel, two next hops each: crate `fib`, as it is and within `podbgpd`, against a writer
//! that only sends messages encoded beforehand: `cargo bench -p podbgp-tests --bench install`.
//!
//! `-- --routes 100000,500000` for other sizes, `--rounds N` for the median of another number than five, `--no-daemon`
//! to leave out the whole daemon.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Duration;

use anyhow::{Result, bail};
use fib::{FibSettings, NextHopGroups};
use support::full_table::{Subject, learn};
use support::install::{Site, blocks};
use support::machine::{machine, option};
use support::missing;
use support::rack::Transport;

/// What the issue asks for: `fib` takes at most so many times what the raw writer takes.
const GOAL: f64 = 1.5;

fn main() -> Result<()> {
    let sizes = option("--routes").unwrap_or_else(|| "100000,500000".to_owned());
    let sizes = sizes.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let rounds = option("--rounds").map_or(Ok(5), |value| value.parse::<usize>())?;
    let whole = !std::env::args().any(|argument| argument == "--no-daemon");
    if let Some(reason) = missing(&[]) {
        bail!("{reason}");
    }
    println!("{}", machine());
    println!(
        "medians of {rounds}, in milliseconds; ratio: fib to the raw writer of the same form, at most {GOAL} wanted\n"
    );
    println!("family  routes   form     raw ms   fib ms  ratio");
    for transport in [Transport::V4, Transport::V6] {
        for &count in &sizes {
            compare(transport, count, rounds)?;
        }
    }
    if whole {
        println!("\nthe whole of podbgpd, from the first octet of two uplinks' tables until it is at rest");
        for count in sizes {
            let took = (0..rounds).map(|_| Ok(learn(Subject::Podbgpd, count)?.elapsed));
            println!("IPv4    {count:<8} {:>17}", millis(median(took.collect::<Result<_>>()?)));
        }
    }
    Ok(())
}

/// Measures both forms in turns, so that whatever else the machine does hits all alike.
fn compare(transport: Transport, count: usize, rounds: usize) -> Result<()> {
    let prefixes = blocks(transport, count);
    let forms = [("inline", false, NextHopGroups::Never), ("group", true, NextHopGroups::Always)];
    for (name, grouped, next_hop_groups) in forms {
        let settings = FibSettings { next_hop_groups, ..FibSettings::default() };
        let (mut raw, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            raw.push(Site::new(transport)?.write_raw(&prefixes, grouped)?);
            ours.push(Site::new(transport)?.install(&prefixes, settings.clone())?);
        }
        let (raw, ours) = (median(raw), median(ours));
        let ratio = ours.as_secs_f64() / raw.as_secs_f64();
        let verdict = if ratio <= GOAL { "" } else { "  over" };
        println!(
            "{transport:?}      {count:<8} {name:<7} {:>7} {:>8} {ratio:>6.2}{verdict}",
            millis(raw),
            millis(ours)
        );
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1000.0)
}
