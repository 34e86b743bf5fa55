use std::net::{IpAddr, Ipv4Addr};

use bgp::{Asn, BgpId};

use super::*;
use crate::{
    BfdTiming, Decision, Drain, Fib, GracefulRestart, History, Import, Kubernetes, Mrt, NextHopGroups, Node,
    Secret, ServiceRanges,
};

fn intent(peers: &[&str]) -> Intent {
    let address = |index: usize| IpAddr::from([10, 0, 0, u8::try_from(index + 1).unwrap()]);
    let peers = peers.iter().enumerate().map(|(index, name)| {
        ((*name).to_owned(), PeerIntent::new((*name).to_owned(), address(index), Asn(65_001)))
    });
    Intent {
        node: Node {
            name: "node-a".to_owned(),
            asn: Asn(64_512),
            cluster_id: [10, 203, 30, 40].into(),
            router_id: BgpId::new(Ipv4Addr::new(10, 0, 0, 40)).unwrap(),
            listen: BTreeSet::from(["0.0.0.0:179".parse().unwrap()]),
            blocks: BTreeSet::from(["10.20.30.64/26".parse().unwrap()]),
            require_policy: false,
            announce_fqdn: true,
            announce_version: false,
        },
        fib: Fib {
            install: true,
            protocol: 179,
            metric: 20,
            table: 254,
            max_paths: 16,
            next_hop_groups: NextHopGroups::Auto,
            weights: crate::Weights::None,
            transit_table: 179,
        },
        bfd: BfdTiming::default(),
        graceful_restart: GracefulRestart::default(),
        drain: Drain::default(),
        history: History::default(),
        decision: Decision { multipath_relax: true, always_compare_med: false },
        peers: peers.collect(),
        ranges: BTreeMap::new(),
        control_socket: "/run/podbgp/podbgpd.sock".into(),
        metrics: None,
        bmp: BTreeMap::new(),
        mrt: None,
        kubernetes: None,
        originated: BTreeMap::new(),
        host_routes: BTreeMap::new(),
        ownership: Ownership::default(),
        guard: Guard::default(),
        leave: None,
    }
}

/// Reconciles two TORs with what an edit makes of them.
fn changes(edit: impl FnOnce(&mut Intent)) -> Vec<Change> {
    let old = intent(&["tor-a", "tor-b"]);
    let mut new = old.clone();
    edit(&mut new);
    reconcile(&old, &new)
}

fn tor_a(intent: &mut Intent) -> &mut PeerIntent {
    intent.peers.get_mut("tor-a").unwrap()
}

fn lines(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_changes_when_nothing_changed() {
    assert_eq!(changes(|_| ()), []);
}

#[test]
fn what_goes_is_done_before_what_comes() {
    let changes = changes(|new| {
        let tor_b = new.peers.remove("tor-b").unwrap();
        new.peers.insert("tor-c".to_owned(), PeerIntent { name: "tor-c".to_owned(), ..tor_b });
    });
    assert_eq!(lines(&changes), ["session reset  remove peer tor-b", "soft           add peer tor-c"]);
}

#[test]
fn only_the_peer_whose_own_settings_changed_is_reset() {
    let changes = changes(|new| tor_a(new).hold_time = bgp::HoldTime::new(9).unwrap());
    assert_eq!(lines(&changes), ["session reset  peer tor-a: peer.hold-time 90 -> 9"]);
}

#[test]
fn a_reset_takes_all_other_settings_of_the_peer_with_it() {
    let changes = changes(|new| {
        let peer = tor_a(new);
        peer.port = 1790;
        peer.import = Import::All;
        peer.description = Some("left".to_owned());
    });
    assert_eq!(lines(&changes), ["session reset  peer tor-a: peer.port 179 -> 1790"]);
}

#[test]
fn another_identity_of_the_node_resets_every_peer_that_stays() {
    let changes = changes(|new| {
        new.node.asn = Asn(64_513);
        new.peers.remove("tor-b");
    });
    let expected = ["session reset  remove peer tor-b", "session reset  peer tor-a: node.asn 64512 -> 64513"];
    assert_eq!(lines(&changes), expected);
}

#[test]
fn a_password_changes_without_a_reset_and_without_being_shown() {
    let old = intent(&["tor-a"]);
    let mut between = old.clone();
    tor_a(&mut between).password = Secret::new(b"hunter2");
    let mut new = old.clone();
    tor_a(&mut new).password = Secret::new(b"hunter3");

    let first = "soft           peer tor-a: peer.password-file none -> (secret)";
    assert_eq!(lines(&reconcile(&old, &between)), [first]);
    let second = "soft           peer tor-a: peer.password-file changed";
    assert_eq!(lines(&reconcile(&between, &new)), [second]);
}

#[test]
fn lists_change_by_what_came_and_what_went() {
    let changes = changes(|new| {
        new.node.blocks = BTreeSet::from(["10.20.30.128/26".parse().unwrap()]);
        new.node.listen.insert("[::]:179".parse().unwrap());
    });
    let expected = [
        "soft           node.listen +[::]:179",
        "soft           node.blocks -10.20.30.64/26 +10.20.30.128/26",
    ];
    assert_eq!(lines(&changes), expected);
}

#[test]
fn policy_is_judged_again_and_settings_are_taken_over_each_in_one_step() {
    let changes = changes(|new| {
        let peer = tor_a(new);
        peer.import = Import::All;
        peer.max_length_ipv4 = 24;
        peer.passive = true;
        peer.max_prefixes = Some(100);
    });
    let expected = [
        "refresh        peer tor-a: peer.max-length-ipv4 32 -> 24, peer.import safe -> all",
        "soft           peer tor-a: peer.passive false -> true, peer.max-prefixes none -> 100",
    ];
    assert_eq!(lines(&changes), expected);
}

/// Counts the fields of a struct, and does not compile when one is not named.
macro_rules! count_fields {
    ($type:ident { $($field:ident),* $(,)? }) => {{
        let _ = |$type { $($field: _),* }: $type| ();
        [$(stringify!($field)),*].len()
    }};
}

#[test]
fn every_field_of_a_peer_but_its_identity_has_a_row() {
    let fields = count_fields!(PeerIntent {
        name,
        range,
        description,
        address,
        interface,
        port,
        asn,
        local_asn,
        local_asn_mode,
        allow_own_as,
        local_address,
        role,
        role_strict,
        passive,
        hold_time,
        keepalive,
        connect_retry,
        send_hold,
        families,
        ttl_security,
        multihop,
        bfd,
        graceful_restart,
        restart_time,
        fast_failover,
        password,
        tcp_ao,
        max_prefixes,
        max_prefixes_warning,
        max_prefixes_restart,
        max_length_ipv4,
        max_length_ipv6,
        import,
        export,
        client,
        next_hop,
        add_path,
        graceful_shutdown,
        blackhole,
        link_bandwidth,
        aigp,
        shutdown,
    });
    // The name and the range say which peer it is.
    assert_eq!(PEER_KEYS.len(), fields - 2);
}

#[test]
fn every_field_of_a_node_has_a_row() {
    let node = count_fields!(Node {
        name,
        asn,
        router_id,
        cluster_id,
        listen,
        blocks,
        require_policy,
        announce_fqdn,
        announce_version,
    });
    let fib = count_fields!(Fib {
        install,
        protocol,
        metric,
        table,
        max_paths,
        next_hop_groups,
        weights,
        transit_table
    });
    let decision = count_fields!(Decision { multipath_relax, always_compare_med });
    let bfd = count_fields!(BfdTiming { min_tx, min_rx, multiplier });
    let restart = count_fields!(GracefulRestart {
        enabled,
        restart_time,
        selection_deferral,
        max_peer_restart_time,
        long_lived_stale_time,
        state_directory,
    });
    let drain = count_fields!(Drain { announce, withdraw, deadline, prepend, med, on_host_shutdown });
    let station = count_fields!(Station { address, views, statistics_interval });
    let mrt = count_fields!(Mrt { directory, max_size, max_age, keep });
    let history = count_fields!(History { records });
    let kubernetes = count_fields!(Kubernetes {
        kubeconfig,
        node_name,
        namespace,
        router_id,
        blocks,
        peers,
        services,
        accept_default,
        drain_taints,
        startup_taint,
        max_withdraw,
        hold,
        damping,
        status,
    });
    // One field of the cluster's settings is the struct of the ranges.
    let kubernetes = kubernetes - 1 + count_fields!(ServiceRanges { cluster, external, load_balancer });
    let intent = count_fields!(Intent {
        node,
        fib,
        decision,
        bfd,
        graceful_restart,
        drain,
        history,
        peers,
        ranges,
        control_socket,
        metrics,
        bmp,
        mrt,
        kubernetes,
        originated,
        host_routes,
        ownership,
        guard,
        leave,
    });
    // Ten fields of the intent are the structs above, and peers and ranges have their own rows.
    let structs = node + fib + decision + bfd + restart + drain + history + station + mrt + kubernetes;
    assert_eq!(NODE_KEYS.len(), structs + intent - 12);
}
