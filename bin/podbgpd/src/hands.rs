//! Wrong hands: what on this machine will fight with us, or drop what we attract.
//!
//! Most of it is silent. A node whose kernel forwards no packets has perfect sessions and unreachable pods; a
//! network manager that tidies up deletes routes at its next start. So we look, say what was found, why it
//! matters and what to do, and never touch it: the machine is the operator's.
//!
//! [`Facts`] are read by a thread of its own, because a file may be on a disk that hangs; [`judge`] is pure.

mod networkd;
mod read;

use std::collections::BTreeMap;

use control::WrongHandView;

use crate::intent::Intent;

pub use networkd::{Networkd, Setting};
pub use read::{Reader, facts};

/// What the machine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Kernel settings below `/proc/sys/net` by path; what cannot be read is not there.
    pub settings: BTreeMap<String, i64>,
    /// What systemd-networkd is told of routes that are not its own; `None` where it does not run.
    pub networkd: Option<Networkd>,
}

/// What of it matters to this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stance {
    /// Whether there are pods of this family, for which packets are forwarded: IPv4, IPv6.
    pub forwards: [bool; 2],
    /// The interfaces sessions are over.
    pub uplinks: Vec<String>,
    /// Routes with our protocol number in our table that somebody else wrote lately.
    pub intruders: u64,
    /// Our protocol number and table.
    pub mark: (u8, u32),
}

impl Stance {
    /// Says what matters to a node that should do this and has sessions over these interfaces.
    #[must_use]
    pub fn of(intent: &Intent, uplinks: Vec<String>, intruders: u64) -> Self {
        let has = |ipv4: bool| intent.node.blocks.iter().any(|block| block.addr().is_ipv4() == ipv4);
        let forwards = [has(true), has(false)].map(|has| has && intent.fib.install);
        Self { forwards, uplinks, intruders, mark: (intent.fib.protocol, intent.fib.table) }
    }
}

/// Says what is wrong.
#[must_use]
pub fn judge(facts: &Facts, stance: &Stance) -> Vec<WrongHandView> {
    let mut found = Vec::new();
    forwarding(facts, stance, &mut found);
    sharing(facts, stance, &mut found);
    if let Some(networkd) = &facts.networkd {
        found.extend(networkd.findings());
    }
    if stance.intruders > 0 {
        let (protocol, table) = stance.mark;
        found.push(WrongHandView {
            kind: "protocol_number".to_owned(),
            place: format!("protocol {protocol}, table {table}"),
            why: format!(
                "another program wrote {} routes that carry our mark; they were taken for ours and removed",
                stance.intruders
            ),
            remedy: "give one of the two another protocol number: fib.protocol".to_owned(),
        });
    }
    found
}

/// Whether the kernel forwards what we attract.
fn forwarding(facts: &Facts, stance: &Stance, found: &mut Vec<WrongHandView>) {
    let switches =
        [("ip_forward", "ipv4/ip_forward", "IPv4"), ("ipv6_forwarding", "ipv6/conf/all/forwarding", "IPv6")];
    for ((kind, path, family), forwards) in switches.into_iter().zip(stance.forwards) {
        if forwards && facts.settings.get(path) == Some(&0) {
            let why = format!("the kernel drops every {family} packet for a pod that reaches this node");
            found.push(setting(kind, path, &why, 1));
        }
    }
}

/// Whether several uplinks can be used as several.
fn sharing(facts: &Facts, stance: &Stance, found: &mut Vec<WrongHandView>) {
    if stance.uplinks.len() < 2 {
        return;
    }
    let families = ["ipv4", "ipv6"].into_iter().zip(stance.forwards);
    for (family, _) in families.filter(|(_, forwards)| *forwards) {
        let path = format!("{family}/fib_multipath_hash_policy");
        if facts.settings.get(&path) == Some(&0) {
            let why = "all connections between two addresses take the same uplink: ports are not looked at";
            found.push(setting("multipath_hash_policy", &path, why, 1));
        }
    }
    let of = |interface: &str| facts.settings.get(&read::rp_filter(interface)).copied().unwrap_or_default();
    for uplink in stance.uplinks.iter().filter(|_| stance.forwards[0]) {
        // The stricter number is not the stricter check: 2 is loose, and the higher of the two holds.
        if of("all").max(of(uplink)) == 1 {
            let why = "packets that come in here are dropped when the way back is by another uplink";
            found.push(setting("rp_filter", &read::rp_filter(uplink), why, 2));
        }
    }
}

fn setting(kind: &str, path: &str, why: &str, value: i64) -> WrongHandView {
    // A dot in an interface's name is a slash in the name of a setting.
    let name: String = path
        .chars()
        .map(|c| {
            if c == '/' {
                '.'
            } else if c == '.' {
                '/'
            } else {
                c
            }
        })
        .collect();
    WrongHandView {
        kind: kind.to_owned(),
        place: format!("net.{name}"),
        why: why.to_owned(),
        remedy: format!("sysctl -w net.{name}={value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine where everything is right, for a node with two uplinks and pods of both families.
    fn machine() -> Facts {
        let settings = [
            ("ipv4/ip_forward", 1),
            ("ipv6/conf/all/forwarding", 1),
            ("ipv4/fib_multipath_hash_policy", 1),
            ("ipv6/fib_multipath_hash_policy", 1),
            ("ipv4/conf/all/rp_filter", 0),
            ("ipv4/conf/eth0/rp_filter", 2),
            ("ipv4/conf/eth1.5/rp_filter", 0),
        ];
        Facts { settings: settings.map(|(path, value)| (path.to_owned(), value)).into(), networkd: None }
    }

    fn stance() -> Stance {
        let uplinks = vec!["eth0".to_owned(), "eth1.5".to_owned()];
        Stance { forwards: [true, true], uplinks, intruders: 0, mark: (179, 254) }
    }

    fn found(edit: impl FnOnce(&mut Facts, &mut Stance)) -> Vec<(String, String)> {
        let (mut facts, mut stance) = (machine(), stance());
        edit(&mut facts, &mut stance);
        judge(&facts, &stance).into_iter().map(|found| (found.kind, found.place)).collect()
    }

    fn set(path: &str, value: i64) -> impl FnOnce(&mut Facts, &mut Stance) {
        let path = path.to_owned();
        move |facts, _| {
            facts.settings.insert(path, value);
        }
    }

    fn one(kind: &str, place: &str) -> Vec<(String, String)> {
        vec![(kind.to_owned(), place.to_owned())]
    }

    #[test]
    fn a_machine_that_is_set_up_well_is_left_in_peace() {
        assert_eq!(found(|_, _| ()), []);
        assert_eq!(
            found(|facts, _| *facts = Facts::default()),
            [],
            "what cannot be read is not held against it"
        );
    }

    #[test]
    fn each_setting_is_found_where_it_is() {
        assert_eq!(found(set("ipv4/ip_forward", 0)), one("ip_forward", "net.ipv4.ip_forward"));
        let forwarding = one("ipv6_forwarding", "net.ipv6.conf.all.forwarding");
        assert_eq!(found(set("ipv6/conf/all/forwarding", 0)), forwarding);
        let policy = one("multipath_hash_policy", "net.ipv6.fib_multipath_hash_policy");
        assert_eq!(found(set("ipv6/fib_multipath_hash_policy", 0)), policy);
        let filter = one("rp_filter", "net.ipv4.conf.eth1/5.rp_filter");
        assert_eq!(found(set("ipv4/conf/eth1.5/rp_filter", 1)), filter);
    }

    #[test]
    fn the_higher_of_both_reverse_path_filters_holds() {
        let strict = set("ipv4/conf/all/rp_filter", 1);
        assert_eq!(found(strict), one("rp_filter", "net.ipv4.conf.eth1/5.rp_filter"), "eth0 is loose");
    }

    #[test]
    fn what_does_not_matter_to_the_node_is_not_told() {
        let without_pods = |facts: &mut Facts, stance: &mut Stance| {
            set("ipv4/ip_forward", 0)(facts, stance);
            stance.forwards[0] = false;
        };
        assert_eq!(found(without_pods), []);
        let one_uplink = |facts: &mut Facts, stance: &mut Stance| {
            set("ipv4/fib_multipath_hash_policy", 0)(facts, stance);
            set("ipv4/conf/eth0/rp_filter", 1)(facts, stance);
            stance.uplinks.truncate(1);
        };
        assert_eq!(found(one_uplink), []);
    }

    #[test]
    fn routes_with_our_mark_that_are_not_ours_are_told_of() {
        let intruders = found(|_, stance| stance.intruders = 3);
        assert_eq!(intruders, one("protocol_number", "protocol 179, table 254"));
    }

    #[test]
    fn a_network_manager_that_tidies_up_is_told_of() {
        let told = found(|facts, _| facts.networkd = Some(Networkd::default()));
        let kinds: Vec<_> = told.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["networkd_foreign_routes", "networkd_foreign_next_hops"]);
    }
}
