//! Capabilities, as operators see them.

use bgp::{Capability, Family, Role};

/// Finds what a peer says it is called.
pub(super) fn hostname(capabilities: &[Capability]) -> Option<String> {
    capabilities.iter().find_map(|capability| match capability {
        Capability::Fqdn(name) => Some(printable(&name.to_string())),
        _ => None,
    })
}

/// Finds what a peer says it runs.
pub(super) fn software_version(capabilities: &[Capability]) -> Option<String> {
    capabilities.iter().find_map(|capability| match capability {
        Capability::SoftwareVersion(version) => Some(printable(version)),
        _ => None,
    })
}

/// Takes out of a peer's text what no log or terminal should get.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Says what a speaker can do.
pub(super) fn in_words(capability: &Capability) -> String {
    let code = |code: bgp::family::AfiSafi| match Family::from_code(code) {
        Some(family) => family.to_string(),
        None => format!("afi {} safi {}", code.afi, code.safi),
    };
    match capability {
        Capability::Multiprotocol(family) => format!("multiprotocol {}", code(*family)),
        Capability::RouteRefresh => "route refresh".to_owned(),
        Capability::ExtendedNextHop(entries) => {
            let entry = |entry: &bgp::capability::ExtendedNextHop| {
                format!("{} over afi {}", code(entry.family), entry.next_hop_afi)
            };
            format!("extended next hop {}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Capability::ExtendedMessage => "extended message".to_owned(),
        Capability::GracefulRestart(restart) => {
            let kept = restart.families.iter().map(|&(family, forwarding)| match forwarding {
                true => format!("{} (forwarding kept)", code(family)),
                false => code(family),
            });
            let kept: Vec<_> = kept.collect();
            match kept.is_empty() {
                true => "graceful restart: End-of-RIB only".to_owned(),
                false => {
                    let restarted = if restart.restarted { ", just restarted" } else { "" };
                    format!("graceful restart {} s{restarted}: {}", restart.restart_time, kept.join(", "))
                }
            }
        }
        Capability::LinkLocalNextHop => "link-local next hop".to_owned(),
        Capability::AddPath(entries) => {
            let entry = |entry: &bgp::capability::AddPath| {
                let direction = match (entry.receive, entry.send) {
                    (true, true) => "receive and send",
                    (true, false) => "receive",
                    (false, _) => "send",
                };
                format!("{} {direction}", code(entry.family))
            };
            format!("several paths: {}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Capability::LongLivedGracefulRestart(families) => {
            let kept = families.iter().map(|kept| format!("{} {} s", code(kept.family), kept.stale_time));
            match families.is_empty() {
                true => "long-lived graceful restart: helper only".to_owned(),
                false => format!("long-lived graceful restart: {}", kept.collect::<Vec<_>>().join(", ")),
            }
        }
        Capability::Role(code) => match Role::from_code(*code) {
            Some(role) => format!("role {role}"),
            None => format!("role {code}"),
        },
        Capability::EnhancedRouteRefresh => "enhanced route refresh".to_owned(),
        Capability::Fqdn(name) => format!("hostname {}", printable(&name.to_string())),
        Capability::SoftwareVersion(version) => format!("software version {}", printable(version)),
        Capability::FourOctetAsn(asn) => format!("4-octet AS {asn}"),
        Capability::Unknown { code, value } => format!("code {code}, {} octets", value.len()),
    }
}
