//! One of a node's two TORs fails while 10,000 packets a second flow to what both announce: `podbgpd`, BIRD 2 and FRR,
//! side by side: `cargo bench -p podbgp-tests --bench failover`.
//!
//! `-- --prefixes 100,5000` for other sizes, `--rounds N` for the median of another number than three, `--only bird`
//! for one daemon, `--failure "TCP closes"` for one failure, `--fib "next-hop-groups = \"always\""` for another
//! `[fib]` table of `podbgpd`, `--quick` for a hundred prefixes, one round and `podbgpd` alone.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Duration;

use anyhow::{Result, bail};
use support::failover::{Cost, Failure, Subject, fail_over};
use support::machine::{machine, option};
use support::missing;

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (sizes, rounds, subject) =
        if quick { ("100", "1", Some("podbgpd")) } else { ("100,5000,50000", "3", None) };
    let sizes = option("--prefixes").unwrap_or_else(|| sizes.to_owned());
    let sizes = sizes.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let rounds: usize = option("--rounds").as_deref().unwrap_or(rounds).parse()?;
    let only = option("--only").or(subject.map(str::to_owned));
    let failure = option("--failure");
    let fib = option("--fib").unwrap_or_default();
    let programs: &[&str] = &["bird", "birdc", "ip", "vtysh", "/usr/lib/frr/bfdd"];
    if let Some(reason) = missing(if quick { &programs[..3] } else { programs }) {
        bail!("{reason}");
    }
    println!("{}", machine());
    println!(
        "10,000 packets a second over both TORs; BFD 50 ms x 3; medians of {rounds}, times in milliseconds"
    );
    println!(
        "since the failure; requests by the kernel's account (netlink messages that changed something)\n"
    );
    println!(
        "prefixes  failure        daemon   last lost  first request   lost  until right  in all  own count"
    );
    let subjects = [("podbgpd", Subject::Podbgpd), ("bird", Subject::Bird), ("frr", Subject::Frr)];
    for prefixes in sizes {
        for failing in Failure::ALL {
            if failure.as_ref().is_some_and(|name| name != failing.name()) {
                continue;
            }
            for (name, subject) in subjects {
                if only.as_ref().is_some_and(|only| only != name) {
                    continue;
                }
                let costs = (0..rounds).map(|_| fail_over(subject, failing, prefixes, &fib));
                match costs.collect::<Result<Vec<_>>>() {
                    Ok(costs) => println!("{prefixes:<9} {:<14} {name:<8} {}", failing.name(), row(&costs)),
                    Err(reason) => println!("{prefixes:<9} {:<14} {name:<8} {reason:#}", failing.name()),
                }
            }
        }
    }
    Ok(())
}

fn row(costs: &[Cost]) -> String {
    let dash = || "-".to_owned();
    let first: Option<Vec<_>> = costs.iter().map(|cost| cost.first_request).collect();
    let own: Option<Vec<_>> = costs.iter().map(|cost| cost.own_count).collect();
    format!(
        "{:>9} {:>14} {:>6} {:>12} {:>7} {:>10}",
        millis(median(costs.iter().map(|cost| cost.last_lost))),
        first.map_or_else(dash, |first| millis(median(first))),
        median(costs.iter().map(|cost| cost.lost)),
        median(costs.iter().map(|cost| cost.requests_until_right)),
        median(costs.iter().map(|cost| cost.requests)),
        own.map_or_else(dash, |own| median(own).to_string()),
    )
}

fn median<T: Ord + Copy + Default>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}
