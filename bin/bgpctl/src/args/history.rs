//! `bgpctl history`.

use clap::Args as ClapArgs;
use control::{HISTORY_LIMIT, HISTORY_LIMIT_MAX, HistoryQuery};
use ipnet::IpNet;

#[derive(Debug, ClapArgs)]
pub(crate) struct History {
    /// Only what concerns this peer
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// Only best paths of this prefix and of those inside it
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<IpNet>,
    /// Only what happened within this time, such as 90s, 10m, 2h or 1d
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    since: Option<u64>,
    /// The most entries; the latest are shown
    #[arg(long, value_name = "N", default_value_t = HISTORY_LIMIT,
        value_parser = clap::value_parser!(u64).range(1..=HISTORY_LIMIT_MAX))]
    limit: u64,
}

impl History {
    pub(super) fn query(self) -> HistoryQuery {
        let prefix = self.prefix.map(|prefix| prefix.trunc());
        HistoryQuery { peer: self.peer, prefix, since: self.since, limit: Some(self.limit) }
    }
}

/// Reads a duration of one number and its unit; a bare number is seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let length = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("write a number with s, m, h or d, such as 10m".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write a number with s, m, h or d, such as 10m")?;
    number.checked_mul(length).ok_or_else(|| "that is for ever".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_its_unit() {
        let said = ["90", "90s", "10m", "2h", "1d"].map(|text| seconds(text).unwrap());
        assert_eq!(said, [90, 90, 600, 7200, 86_400]);
        for wrong in ["", "m", "-1s", "10 m", "1w", "1h30m", "99999999999999999999s", "999999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
