//! What a `BGPPeer` says: which nodes have it, who the peer is, and how the session is.

use std::net::IpAddr;
use std::time::Duration;

use bgp::{Asn, Family};

use super::node::Node;
use super::read;
use super::report::Report;
use crate::event::Kind;
use crate::object::Key;
use crate::object::calico::{AsNumber, BgpPeer, BgpPeerSpec, SecretKeyRef};
use crate::prefix::shown;
use crate::selector::Selector;

/// A peering of some nodes with somebody.
#[derive(Debug)]
pub(super) struct Peering<'a> {
    /// The object.
    pub(super) key: &'a Key,
    /// The nodes that have it.
    pub(super) local: Local<'a>,
    /// Who the peer is.
    pub(super) remote: Remote,
    /// Whether nodes that are the peer have one back.
    pub(super) reversed: bool,
    /// How the session is.
    pub(super) options: Options<'a>,
}

/// The nodes that have a peering.
#[derive(Debug)]
pub(super) enum Local<'a> {
    All,
    Named(&'a str),
    Selected(Selector),
}

/// Who the peer is.
#[derive(Debug)]
pub(super) enum Remote {
    /// Somebody at an address.
    At { address: IpAddr, port: Option<u16>, asn: Option<Asn> },
    /// Nodes.
    Nodes(Selector),
    /// Workloads of the node itself, which Felix finds.
    Workloads { asn: Asn },
}

/// How a session is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'a> {
    pub(super) local_asn: Option<Asn>,
    pub(super) next_hop: NextHop,
    /// Whether we dial from the address of the node.
    pub(super) from_node: bool,
    pub(super) restart_time: u16,
    pub(super) keepalive: Option<Duration>,
    pub(super) allowed_own_as: u8,
    pub(super) ttl_security: Option<u8>,
    pub(super) reachable_by: Option<IpAddr>,
    pub(super) password: Option<&'a SecretKeyRef>,
    pub(super) filters: &'a [String],
}

/// Which next hop a peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextHop {
    Auto,
    Own,
    Keep,
    /// As it came, if the session is external.
    KeepIfExternal,
}

impl<'a> Peering<'a> {
    /// Reads a peering; `None` where it cannot be meant for anybody, with the reason among the problems.
    pub(super) fn read(key: &'a Key, object: &'a BgpPeer, report: &mut Report) -> Option<Self> {
        let spec = &object.spec;
        report.unknown(Kind::CalicoPeer, key, &spec.unknown);
        let mut read = Reader { key, spec, report };
        let (local, remote) = (read.local()?, read.remote()?);
        let reversed = read.word("spec.reversePeering", &spec.reverse_peering, ["Auto", "Manual"])? == 0;
        let mut options = read.options()?;
        match remote {
            // The AS of a node is known, and another one on top would not be what its objects say.
            Remote::Nodes(_) => {
                if options.local_asn.take().is_some() {
                    read.add("spec.localASNumber", "means nothing beside peerSelector, and has no effect");
                }
                options.allowed_own_as = 0;
            }
            Remote::Workloads { .. } => {
                options = Options {
                    from_node: false,
                    allowed_own_as: 0,
                    password: None,
                    reachable_by: None,
                    ..options
                };
            }
            Remote::At { .. } => {}
        }
        let reversed = reversed && !matches!(remote, Remote::Workloads { .. });
        Some(Self { key, local, remote, reversed, options })
    }
}

impl Peering<'_> {
    /// Tells whether others may have this peering with a node.
    pub(super) fn may_be_back(&self, node: &Node<'_>) -> bool {
        self.reversed
            && match &self.remote {
                Remote::At { address, .. } => node.addresses().any(|own| own == *address),
                Remote::Nodes(selector) => selector.matches(node),
                Remote::Workloads { .. } => false,
            }
    }
}

impl Local<'_> {
    /// Tells whether a node has the peering.
    pub(super) fn includes(&self, node: &Node<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Named(name) => node.name == *name,
            Self::Selected(selector) => selector.matches(node),
        }
    }
}

impl Default for Options<'_> {
    /// As Calico has it where nothing is said.
    fn default() -> Self {
        Self {
            local_asn: None,
            next_hop: NextHop::Auto,
            from_node: true,
            restart_time: super::configuration::RESTART_TIME,
            keepalive: None,
            allowed_own_as: 0,
            ttl_security: None,
            reachable_by: None,
            password: None,
            filters: &[],
        }
    }
}

struct Reader<'a, 'r> {
    key: &'a Key,
    spec: &'a BgpPeerSpec,
    report: &'r mut Report,
}

impl<'a> Reader<'a, '_> {
    fn local(&mut self) -> Option<Local<'a>> {
        match (self.spec.node.as_str(), self.spec.node_selector.as_str()) {
            ("", "") => Some(Local::All),
            (node, "") => Some(Local::Named(node)),
            ("", selector) => self.selector("spec.nodeSelector", selector).map(Local::Selected),
            _ => self.refuse("spec.nodeSelector", "node and nodeSelector exclude each other"),
        }
    }

    fn remote(&mut self) -> Option<Remote> {
        let spec = self.spec;
        let asn = match self.asn("spec.asNumber", spec.as_number.as_ref()) {
            Ok(asn) => asn,
            Err(Refused) => return None,
        };
        match (spec.peer_ip.as_str(), spec.peer_selector.as_str(), spec.local_workload_selector.as_str()) {
            (place, "", "") if !place.is_empty() => {
                let (address, port) = self.must("spec.peerIP", read::place(place))?;
                Some(Remote::At { address, port, asn })
            }
            ("", selector, "") if !selector.is_empty() => {
                if asn.is_some() {
                    self.add("spec.asNumber", "has no effect beside peerSelector: nodes say their own");
                }
                self.selector("spec.peerSelector", selector).map(Remote::Nodes)
            }
            ("", "", selector) if !selector.is_empty() => {
                self.selector("spec.localWorkloadSelector", selector)?;
                match asn {
                    Some(asn) => Some(Remote::Workloads { asn }),
                    None => self.refuse("spec.asNumber", "is needed beside localWorkloadSelector"),
                }
            }
            _ => self.refuse(
                "spec",
                "one of peerIP, peerSelector and localWorkloadSelector is needed, and no more",
            ),
        }
    }

    fn options(&mut self) -> Option<Options<'a>> {
        let spec = self.spec;
        let Ok(local_asn) = self.asn("spec.localASNumber", spec.local_as_number.as_ref()) else {
            return None;
        };
        let next_hop = match spec.next_hop_mode.as_str() {
            "" if spec.keep_original_next_hop => NextHop::KeepIfExternal,
            mode => match self.word("spec.nextHopMode", mode, ["Auto", "Self", "Keep"])? {
                1 => NextHop::Own,
                2 => NextHop::Keep,
                _ => NextHop::Auto,
            },
        };
        let from_node = self.word("spec.sourceAddress", &spec.source_address, ["UseNodeIP", "None"])? == 0;
        let password = match &spec.password {
            None => None,
            Some(by) => match &by.secret_key_ref {
                Some(by) if !by.name.is_empty() && !by.key.is_empty() => Some(by),
                _ => return self.refuse("spec.password", "names no key of a Secret"),
            },
        };
        Some(Options {
            local_asn,
            next_hop,
            from_node,
            restart_time: self.restart_time(),
            keepalive: self.keepalive(),
            allowed_own_as: self.allowed_own_as(),
            ttl_security: self.ttl_security()?,
            reachable_by: self.reachable_by(),
            password,
            filters: &spec.filters,
        })
    }

    fn restart_time(&mut self) -> u16 {
        let text = &self.spec.max_restart_time;
        let time = if text.is_empty() { None } else { Some(read::seconds_within(text, 1, 4095)) };
        let time = time.and_then(|time| self.take("spec.maxRestartTime", time));
        time.unwrap_or(super::configuration::RESTART_TIME)
    }

    fn keepalive(&mut self) -> Option<Duration> {
        let text = &self.spec.keepalive_time;
        let most = super::sessions::HOLD_TIME.seconds() / 3;
        let time = if text.is_empty() { None } else { Some(read::seconds_within(text, 1, most)) };
        let time = time.and_then(|time| self.take("spec.keepaliveTime", time))?;
        Some(Duration::from_secs(time.into()))
    }

    fn allowed_own_as(&mut self) -> u8 {
        let Some(number) = self.spec.num_allowed_local_as_numbers else { return 0 };
        let read =
            u8::try_from(number.min(255)).map_err(|_| format!("{number} is less than 0, and counts as 0"));
        self.take("spec.numAllowedLocalASNumbers", read).unwrap_or(0)
    }

    /// Reads how far packets may come. What cannot be read must not open the session to everybody.
    fn ttl_security(&mut self) -> Option<Option<u8>> {
        match self.spec.ttl_security {
            None | Some(0) => Some(None),
            Some(hops) => match u8::try_from(hops) {
                Ok(255) => Some(Some(254)),
                Ok(hops) => Some(Some(hops)),
                Err(_) => self.refuse("spec.ttlSecurity", "is no number of hops, 0 to 255"),
            },
        }
    }

    fn reachable_by(&mut self) -> Option<IpAddr> {
        let text = &self.spec.reachable_by;
        if text.is_empty() {
            return None;
        }
        self.take("spec.reachableBy", read::address(text))
    }

    fn asn(&mut self, field: &str, number: Option<&AsNumber>) -> Result<Option<Asn>, Refused> {
        match number {
            // Zero is what a field that is not there becomes on its way through some clients.
            None => Ok(None),
            Some(number) if number.is_zero() => Ok(None),
            Some(number) => self.must(field, number.asn()).map(Some).ok_or(Refused),
        }
    }

    fn selector(&mut self, field: &str, text: &str) -> Option<Selector> {
        self.must(
            field,
            text.parse::<Selector>().map_err(|error| format!("{} is no selector: {error}", shown(text))),
        )
    }

    /// Returns which of some words a field is; the first where nothing is said.
    fn word<const N: usize>(&mut self, field: &str, text: &str, words: [&str; N]) -> Option<usize> {
        let place = if text.is_empty() { Some(0) } else { words.iter().position(|word| *word == text) };
        let refusal = || format!("{} is none of {}", shown(text), words.join(", "));
        self.must(field, place.ok_or_else(refusal))
    }

    /// Returns what was read of a field without which there is no peering.
    fn must<T>(&mut self, field: &str, read: Result<T, String>) -> Option<T> {
        let read =
            read.map_err(|problem| format!("{problem}; there is no such peer until this is put right"));
        self.take(field, read)
    }

    fn refuse<T>(&mut self, field: &str, problem: &str) -> Option<T> {
        self.must(field, Err(problem.to_owned()))
    }

    fn take<T>(&mut self, field: &str, read: Result<T, String>) -> Option<T> {
        self.report.take(Kind::CalicoPeer, self.key, field, read)
    }

    fn add(&mut self, field: &str, problem: &str) {
        self.report.add(Kind::CalicoPeer, self.key, field, problem);
    }
}

/// Says that there is no peering, for a reason that is reported.
struct Refused;

impl NextHop {
    /// Returns what it means on a session.
    pub(super) fn mode(self, external: bool) -> rib::NextHopMode {
        match self {
            Self::Own => rib::NextHopMode::OwnAlways,
            Self::Keep => rib::NextHopMode::Keep,
            Self::KeepIfExternal if external => rib::NextHopMode::Keep,
            Self::Auto | Self::KeepIfExternal => rib::NextHopMode::Auto,
        }
    }
}

/// Tells whether two addresses are of one family.
pub(super) fn same_family(one: IpAddr, other: IpAddr) -> bool {
    Family::of(&one.into()) == Family::of(&other.into())
}
