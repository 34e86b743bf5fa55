//! The rules of a node as kube-proxy writes them in its iptables mode, for the Services these tests have.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use lab::net::Namespace;
use lab::rack::plan::NodeId;
use lab::speakers::output_of;

/// The mark of packets that need another source.
const MASQUERADE: &str = "0x4000";

/// A Service with one port, 80, and pods that answer at 8080.
pub(crate) struct Proxied<'a> {
    /// Its name, which its chains are called after.
    pub(crate) name: &'a str,
    /// The addresses it is known by outside.
    pub(crate) addresses: &'a [IpAddr],
    /// Whether only pods of the node itself answer (`externalTrafficPolicy: Local`).
    pub(crate) local: bool,
    /// Its pods, and where they are.
    pub(crate) endpoints: &'a [(NodeId, IpAddr)],
}

/// Puts the rules of all Services in the place of those a node has.
pub(crate) fn apply(node: &Namespace, id: NodeId, services: &[Proxied<'_>], folder: &Path) {
    let file = folder.join(format!("{}.iptables", id.name()));
    fs::write(&file, rules(id, services)).expect("the rules are written");
    let mut command = Command::new("iptables-restore");
    command.arg(&file);
    output_of(node, command).expect("iptables-restore takes the rules");
}

fn rules(node: NodeId, services: &[Proxied<'_>]) -> String {
    let mut text = format!(
        "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-POSTROUTING - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n\
         -A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING\n\
         -A KUBE-MARK-MASQ -j MARK --or-mark {MASQUERADE}\n\
         -A KUBE-POSTROUTING -m mark ! --mark {MASQUERADE}/{MASQUERADE} -j RETURN\n\
         -A KUBE-POSTROUTING -j MARK --xor-mark {MASQUERADE}\n\
         -A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" \
         -j MASQUERADE --random-fully\n"
    );
    services.iter().for_each(|service| nat(&mut text, node, service));
    text.push_str("COMMIT\n*filter\n:KUBE-EXTERNAL-SERVICES - [0:0]\n");
    for chain in ["INPUT", "FORWARD"] {
        let _ = writeln!(text, "-A {chain} -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES");
    }
    for service in services.iter().filter(|service| service.local && service.here(node).is_empty()) {
        for address in service.addresses {
            let _ = writeln!(
                text,
                "-A KUBE-EXTERNAL-SERVICES -m comment --comment \"shop/{} has no local endpoints\" -p tcp -m tcp \
                 -d {address}/32 --dport 80 -j DROP",
                service.name
            );
        }
    }
    text.push_str("COMMIT\n");
    text
}

fn nat(text: &mut String, node: NodeId, service: &Proxied<'_>) {
    let name = service.name.to_uppercase();
    for chain in ["EXT", "SVC", "SVL"] {
        let _ = writeln!(text, ":KUBE-{chain}-{name} - [0:0]");
    }
    for address in service.addresses {
        let _ =
            writeln!(text, "-A KUBE-SERVICES -d {address}/32 -p tcp -m tcp --dport 80 -j KUBE-EXT-{name}");
    }
    if service.local {
        // A pod or a process of this node may reach any endpoint; what comes from outside only those that are here.
        let [pods, _] = node.blocks();
        let _ = writeln!(
            text,
            "-A KUBE-EXT-{name} -s {pods} -j KUBE-SVC-{name}\n\
             -A KUBE-EXT-{name} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ\n\
             -A KUBE-EXT-{name} -m addrtype --src-type LOCAL -j KUBE-SVC-{name}\n\
             -A KUBE-EXT-{name} -j KUBE-SVL-{name}"
        );
    } else {
        let _ = writeln!(text, "-A KUBE-EXT-{name} -j KUBE-MARK-MASQ\n-A KUBE-EXT-{name} -j KUBE-SVC-{name}");
    }
    for (_, pod) in service.endpoints {
        let chain = endpoint_chain(&name, *pod);
        let _ = writeln!(
            text,
            ":{chain} - [0:0]\n-A {chain} -s {pod}/32 -j KUBE-MARK-MASQ\n\
             -A {chain} -p tcp -m tcp -j DNAT --to-destination {pod}:8080"
        );
    }
    let everywhere: Vec<IpAddr> = service.endpoints.iter().map(|(_, pod)| *pod).collect();
    balance(text, &format!("KUBE-SVC-{name}"), &name, &everywhere);
    balance(text, &format!("KUBE-SVL-{name}"), &name, &service.here(node));
}

/// Each of the endpoints gets the same share: the first one of n, the second one of the n - 1 left, and so on.
fn balance(text: &mut String, chain: &str, name: &str, endpoints: &[IpAddr]) {
    for (index, pod) in endpoints.iter().enumerate() {
        let left = endpoints.len() - index;
        let share = match left {
            1 => String::new(),
            _ => format!("-m statistic --mode random --probability {:.10} ", 1.0 / left as f64),
        };
        let _ = writeln!(text, "-A {chain} {share}-j {}", endpoint_chain(name, *pod));
    }
}

fn endpoint_chain(name: &str, pod: IpAddr) -> String {
    format!("KUBE-SEP-{name}-{}", pod.to_string().rsplit('.').next().unwrap_or_default())
}

impl Proxied<'_> {
    fn here(&self, node: NodeId) -> Vec<IpAddr> {
        self.endpoints.iter().filter(|(id, _)| *id == node).map(|(_, pod)| *pod).collect()
    }
}
