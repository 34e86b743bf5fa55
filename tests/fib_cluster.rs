//! What a node of a cluster needs of its kernel beside BGP's routes: others' routes told of, and addresses of Services
//! that nothing passes through to.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command as Process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fib::{
    AlienRoute, Aliens, Change, Command, FibSettings, Filter, Gateway, Interest, NextHop, NextHopSet,
    Resolution, RouteState, Target, aliens,
};
use ipnet::IpNet;
use lab::net::Namespace;
use nix::unistd::geteuid;
use support::fib_thread::{DeletionWatch, Fib, kernel, two_links, via};
use support::netns::{in_namespace, ip, until};
use support::skip_test;

const PATIENCE: Duration = Duration::from_secs(10);

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| net(text)).collect()
}

/// Waits for a list of others' routes that reads like this.
fn await_aliens(aliens: &mut Aliens, wanted: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let show = |route: &AlienRoute| {
        let gateway = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        format!("{}{gateway} dev {} metric {}", route.prefix, route.interface, route.metric)
    };
    let mut last = Vec::new();
    let found = async {
        while let Some(routes) = aliens.next().await {
            let routes: Arc<[AlienRoute]> = routes;
            last = routes.iter().map(show).collect();
            if last == wanted {
                return true;
            }
        }
        false
    };
    let found = runtime.block_on(async { tokio::time::timeout(PATIENCE, found).await });
    assert!(found.is_ok_and(|found| found), "told {last:?}, not {wanted:?}");
}

#[test]
fn routes_of_others_are_told_of_as_they_come_and_go() {
    in_namespace("routes_of_others_are_told_of_as_they_come_and_go", || {
        two_links();
        ip("route add 10.20.0.1/32 dev eth1 proto 80");
        ip("route add 10.20.9.0/24 via 10.0.2.2 metric 5");
        ip("route add 10.30.0.0/16 via 10.0.1.2 proto 179 metric 20");
        ip("route add 10.40.0.0/16 via 10.0.1.2");
        let mut aliens = aliens(179).unwrap();
        let within = nets(&["10.20.0.0/16", "10.30.0.0/16", "fd00:20::/32", "10.0.0.0/16"]);
        aliens.want(Interest { within, except: nets(&["10.20.1.0/24"]) });
        let one = "10.20.0.1/32 dev eth1 metric 0";
        let two = "10.20.9.0/24 via 10.0.2.2 dev eth2 metric 5";
        await_aliens(&mut aliens, &[one, two]);
        ip("route add 10.20.1.7/32 dev eth1");
        ip("-6 route add fd00:20::7/128 dev eth2 metric 9");
        let three = "fd00:20::7/128 dev eth2 metric 9";
        await_aliens(&mut aliens, &[one, two, three]);
        ip("route replace 10.20.0.1/32 via 10.0.2.9 proto 80");
        let one = "10.20.0.1/32 via 10.0.2.9 dev eth2 metric 0";
        await_aliens(&mut aliens, &[one, two, three]);
        ip("route del 10.20.9.0/24");
        await_aliens(&mut aliens, &[one, three]);
        // IPv4 routes go with their link without a word.
        ip("route add 10.20.0.2/32 dev eth1");
        await_aliens(&mut aliens, &[one, "10.20.0.2/32 dev eth1 metric 0", three]);
        ip("link set eth2 down");
        await_aliens(&mut aliens, &["10.20.0.2/32 dev eth1 metric 0"]);
        ip("link set eth1 name uplink");
        await_aliens(&mut aliens, &["10.20.0.2/32 dev uplink metric 0"]);
        aliens.want(Interest::default());
        await_aliens(&mut aliens, &[]);
    });
}

fn rules() -> String {
    ip("rule show") + &ip("-6 rule show")
}

fn transit(prefixes: &[&str]) -> Command {
    Command::Transit(nets(prefixes).into_iter().collect::<BTreeSet<_>>())
}

#[test]
fn the_table_of_what_is_not_passed_on_is_kept_and_left_and_adopted() {
    in_namespace("the_table_of_what_is_not_passed_on_is_kept_and_left_and_adopted", || {
        let rule = "32765:\tnot from all iif lo lookup 179 proto 179\n";
        let mut fib = Fib::start(FibSettings::default());
        assert!(!rules().contains("lookup 179"), "{}", rules());
        fib.send(transit(&["10.96.0.7/32", "fd00:96::/112"]));
        until(PATIENCE, "both are there", || rules().matches(rule).count() == 2);
        for prefix in ["10.96.0.7/32", "fd00:96::/112"] {
            until(PATIENCE, "installed", || fib.state(prefix) == Some(RouteState::Installed));
            assert!(kernel(prefix).contains("blackhole"), "{}", kernel(prefix));
            assert!(kernel(prefix).contains("table 179 proto 179"), "{}", kernel(prefix));
        }
        // Whoever takes either away has to live with it coming back.
        ip("rule del prio 32765");
        ip("route del blackhole 10.96.0.7/32 table 179 metric 20");
        until(PATIENCE, "repaired", || {
            rules().matches(rule).count() == 2 && kernel("10.96.0.7/32").contains("table 179")
        });
        // The next run finds them, keeps them until everybody has spoken, and takes away what nobody wants.
        fib.handle.join();
        assert_eq!(rules().matches(rule).count(), 2);
        let mut fib = Fib::start(FibSettings::default());
        assert_eq!(fib.state("10.96.0.7/32"), Some(RouteState::Adopted));
        fib.send(transit(&["fd00:96::/112"]));
        thread::sleep(Duration::from_millis(50));
        assert!(kernel("10.96.0.7/32").contains("table 179"));
        fib.send(Command::Converged);
        until(PATIENCE, "swept", || kernel("10.96.0.7/32").is_empty() && rules().matches(rule).count() == 1);
        assert_eq!(fib.state("fd00:96::/112"), Some(RouteState::Installed));
        fib.send(transit(&[]));
        until(PATIENCE, "all gone", || kernel("fd00:96::/112").is_empty() && !rules().contains("lookup 179"));
        assert_eq!(fib.snapshot(Filter::All).routes, vec![]);
    });
}

/// A client behind a switch, a node, and a pod on it; the node has a default route to the switch, the switch one for Services to the
/// node, and on the node the Service 10.96.0.7:80 is translated to the pod, in transit and for the node itself.
struct Site {
    client: Namespace,
    tor: Namespace,
    node: Namespace,
    pod: Namespace,
}

impl Site {
    fn new(test: &str) -> Option<Self> {
        if !geteuid().is_root() {
            skip_test(test, "four namespaces need root");
            return None;
        }
        let new = |name: &str| Namespace::new(name).unwrap();
        let site = Self { client: new("client"), tor: new("tor"), node: new("node"), pod: new("pod") };
        site.client.connect("eth0", &site.tor, "eth9").unwrap();
        site.client.add_address("eth0", net("192.0.2.2/24")).unwrap();
        site.client.run(|| ip("route add default via 192.0.2.1"));
        site.tor.add_address("eth9", net("192.0.2.1/24")).unwrap();
        site.tor.connect("eth1", &site.node, "eth0").unwrap();
        site.node.connect("cali1", &site.pod, "eth0").unwrap();
        site.tor.forward().unwrap();
        site.node.forward().unwrap();
        site.tor.add_address("eth1", net("10.0.1.1/24")).unwrap();
        site.node.add_address("eth0", net("10.0.1.2/24")).unwrap();
        site.node.add_address("cali1", net("10.20.0.1/24")).unwrap();
        site.pod.add_address("eth0", net("10.20.0.2/24")).unwrap();
        site.tor.run(|| ip("route add 10.96.0.0/16 via 10.0.1.2"));
        site.tor.run(|| ip("route add 10.20.0.0/24 via 10.0.1.2"));
        site.pod.run(|| ip("route add default via 10.20.0.1"));
        site.node.run(|| {
            ip("route add default via 10.0.1.1");
            for chain in ["PREROUTING", "OUTPUT"] {
                let words = format!(
                    "-t nat -A {chain} -d 10.96.0.7/32 -p udp --dport 80 -j DNAT --to-destination 10.20.0.2:8080"
                );
                let status = Process::new("iptables").args(words.split_whitespace()).status();
                assert!(status.expect("iptables is installed").success());
            }
        });
        Some(site)
    }

    /// Tells whether a question from there to a Service is answered by the pod.
    fn answers(&self, from: &Namespace, to: &str) -> bool {
        let to: SocketAddr = to.parse().unwrap();
        from.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let start = Instant::now();
            let mut answer = [0; 16];
            while start.elapsed() < Duration::from_secs(3) {
                // A refusal by the kernel is no answer either.
                if socket.connect(to).and_then(|()| socket.send(b"who")).is_ok()
                    && matches!(socket.recv(&mut answer), Ok(3))
                {
                    return true;
                }
            }
            false
        })
    }

    /// How many packets the switch has passed on.
    fn passed_by_tor(&self) -> u64 {
        self.tor.run(|| {
            let snmp = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
            let mut lines = snmp.lines().filter(|line| line.starts_with("Ip:"));
            let place = lines.next().unwrap().split_whitespace().position(|word| word == "ForwDatagrams");
            lines.next().unwrap().split_whitespace().nth(place.unwrap()).unwrap().parse().unwrap()
        })
    }

    /// Sends a packet from the client to nobody's port of a Service, and returns how often the switch saw it again.
    fn returned_to_tor(&self, to: &str) -> u64 {
        let before = self.passed_by_tor();
        self.client.run(|| UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"who", to).unwrap());
        until(PATIENCE, "the switch passes it on", || self.passed_by_tor() > before);
        thread::sleep(Duration::from_millis(300));
        self.passed_by_tor() - before - 1
    }
}

#[test]
fn a_service_is_reached_from_within_and_without_and_nothing_else_is_sent_back_up() {
    let test = "a_service_is_reached_from_within_and_without_and_nothing_else_is_sent_back_up";
    let Some(site) = Site::new(test) else { return };
    let pod = site.pod.thread(|| {
        let socket = UdpSocket::bind("10.20.0.2:8080").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut question = [0; 16];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            if &question[..length] == b"end" {
                return;
            }
            socket.send_to(&question[..length], from).unwrap();
        }
    });
    // Without us a packet nobody takes goes round until its time is over.
    assert!(site.returned_to_tor("10.96.0.7:81") > 10);
    assert!(site.returned_to_tor("10.96.0.8:80") > 10);

    let fib = site.node.run(|| {
        let mut fib = Fib::start(FibSettings::default());
        fib.send(transit(&["10.96.0.0/16"]));
        until(PATIENCE, "installed", || fib.state("10.96.0.0/16") == Some(RouteState::Installed));
        until(PATIENCE, "the rule", || rules().contains("lookup 179"));
        fib
    });
    assert_eq!(site.returned_to_tor("10.96.0.7:81"), 0, "a port nobody has");
    assert_eq!(site.returned_to_tor("10.96.0.8:80"), 0, "an address nobody has");
    assert!(site.answers(&site.client, "10.96.0.7:80"), "translated before it is looked up");
    assert!(site.answers(&site.node, "10.96.0.7:80"), "looked up before it is translated");
    // A blackhole in the main table is what would have refused it.
    site.node.run(|| ip("route add blackhole 10.96.0.0/16"));
    assert!(!site.answers(&site.node, "10.96.0.7:80"));
    site.node.run(|| fib.handle.join());
    site.node.run(|| UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"end", "10.20.0.2:8080").unwrap());
    pod.join().unwrap();
}

fn index(link: &str) -> u32 {
    nix::net::if_::if_nametoindex(link).unwrap()
}

fn change(prefix: &str, target: Target, metric: Option<u32>) -> Command {
    Command::Apply(vec![Change { prefix: net(prefix), target: Some(target), metric }])
}

#[test]
fn a_metric_changes_without_a_gap_and_a_tunnel_needs_no_route_to_its_far_end() {
    in_namespace("a_metric_changes_without_a_gap_and_a_tunnel_needs_no_route_to_its_far_end", || {
        two_links();
        support::netns::veth("tunl0", "tunl0-peer");
        let far = NextHop::onlink("172.18.0.9".parse().unwrap(), index("tunl0"));
        let tunnel = || Target::Forward(NextHopSet::new([far]).unwrap());
        let mut fib = Fib::start(FibSettings::default());
        fib.send(change("10.20.0.0/26", tunnel(), Some(1024)));
        fib.wait_until_installed("10.20.0.0/26");
        assert_eq!(
            kernel("10.20.0.0/26"),
            "10.20.0.0/26 via 172.18.0.9 dev tunl0 proto 179 metric 1024 onlink"
        );
        // The new one is there before the old one goes.
        let watch = DeletionWatch::start();
        fib.send(change("10.20.0.0/26", via(&["10.0.1.2"]), Some(512)));
        until(PATIENCE, "the other metric alone", || {
            kernel("10.20.0.0/26") == "10.20.0.0/26 via 10.0.1.2 dev eth1 proto 179 metric 512"
        });
        assert_eq!(watch.deletions().iter().filter(|line| line.contains("10.20.0.0/26")).count(), 1);
        // The next run finds both kinds and keeps what is wanted again.
        fib.send(change("10.20.0.64/26", tunnel(), None));
        fib.wait_until_installed("10.20.0.64/26");
        fib.handle.join();
        let mut fib = Fib::start(FibSettings::default());
        assert_eq!(fib.state("10.20.0.0/26"), Some(RouteState::Adopted));
        fib.send(change("10.20.0.0/26", via(&["10.0.1.2"]), Some(512)));
        fib.send(change("10.20.0.64/26", tunnel(), Some(7)));
        fib.send(Command::Converged);
        until(PATIENCE, "rewritten", || {
            kernel("10.20.0.64/26") == "10.20.0.64/26 via 172.18.0.9 dev tunl0 proto 179 metric 7 onlink"
        });
        assert_eq!(fib.state("10.20.0.0/26"), Some(RouteState::Installed));
        assert_eq!(fib.snapshot(Filter::Stats).stats.failures, 0);
    });
}

#[test]
fn a_host_route_resolves_a_next_hop_and_what_is_learned_of_it_waits() {
    in_namespace("a_host_route_resolves_a_next_hop_and_what_is_learned_of_it_waits", || {
        two_links();
        let mut fib = Fib::start(FibSettings::default());
        let peer: IpAddr = "172.18.0.9".parse().unwrap();
        fib.send(change("172.18.0.9/32", via(&["10.0.2.2"]), None));
        fib.wait_until_installed("172.18.0.9/32");
        fib.send(Command::Track(vec![peer]));
        assert!(matches!(fib.resolution("172.18.0.9"), Resolution::Unreachable { .. }), "by our own word");
        fib.send(Command::HostRoutes([(peer, "10.0.1.2".parse().unwrap())].into()));
        until(PATIENCE, "the host route", || kernel("172.18.0.9/32").contains("via 10.0.1.2 dev eth1"));
        let gateway = Gateway { address: "10.0.1.2".parse().unwrap(), interface: index("eth1") };
        assert_eq!(fib.resolution("172.18.0.9"), Resolution::Via { gateways: vec![gateway] });
        fib.send(change("172.18.0.9/32", via(&["10.0.2.9"]), None));
        thread::sleep(Duration::from_millis(50));
        assert!(kernel("172.18.0.9/32").contains("via 10.0.1.2 dev eth1"));
        fib.send(Command::HostRoutes([].into()));
        until(PATIENCE, "what was learned", || kernel("172.18.0.9/32").contains("via 10.0.2.9 dev eth2"));
    });
}
