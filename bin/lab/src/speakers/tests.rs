//! Two of each program talk to each other. Without the program, or the right to make namespaces, they say so and
//! pass.

use std::net::Ipv4Addr;

use super::*;

fn skip(reason: &anyhow::Error) {
    #[allow(clippy::print_stderr)]
    {
        eprintln!("SKIPPED: {reason:#}");
    }
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

/// Starts two, each with a prefix per family and a session per family, and waits until each has the other's.
fn two_of_a_kind_exchange_routes(kind: Kind) {
    if let Err(reason) = kind.installed() {
        return skip(&reason);
    }
    let (left, right) = match (Namespace::new("left"), Namespace::new("right")) {
        (Ok(left), Ok(right)) => (left, right),
        (Err(reason), _) | (_, Err(reason)) => return skip(&reason),
    };
    left.connect("port", &right, "port").unwrap();
    let directory = std::env::temp_dir().join(format!("podbgp-{}-{}", kind.package(), std::process::id()));
    let mut speakers = Vec::new();
    for (namespace, own, other) in [(&left, 0, 1), (&right, 1, 0)] {
        namespace.add_address("port", net(&format!("10.0.0.{own}/31"))).unwrap();
        namespace.add_address("port", net(&format!("fd00::{own}/127"))).unwrap();
        let asn = 65001 + other;
        let peers: [IpAddr; 2] =
            [format!("10.0.0.{other}").parse().unwrap(), format!("fd00::{other}").parse().unwrap()];
        let config = SpeakerConfig {
            neighbors: peers
                .map(|peer| Neighbor { password: Some("secret".into()), ..Neighbor::new(peer, asn) })
                .into(),
            announce: vec![net(&format!("10.{own}.0.0/24")), net(&format!("fd00:{own}::/64"))],
            install: true,
            transit: true,
            ..SpeakerConfig::new(65001 + own, Ipv4Addr::new(10, 255, 0, 1 + own as u8))
        };
        let directory = directory.join(namespace.name());
        speakers.push(Speaker::start(kind, namespace, &config, &directory).unwrap());
    }
    let limit = Duration::from_secs(30);
    let expected = [net("10.1.0.0/24"), net("fd00:1::/64")];
    wait_until(limit, "both sessions", || speakers[0].expect_established()).unwrap();
    for prefix in expected {
        let (route, _) = wait_until(limit, "the other's prefix", || {
            let routes = speakers[0].routes()?;
            let found = routes.iter().find(|route| route.prefix == prefix).cloned();
            found.with_context(|| format!("{prefix} is not among {routes:?}"))
        })
        .unwrap();
        assert_eq!(route.as_path, [65002]);
        assert_eq!(route.next_hop.map(|hop| hop.is_ipv4()), Some(prefix.addr().is_ipv4()));
        wait_until(limit, "the kernel route", || {
            let routes = left.routes()?;
            let found = routes.iter().find(|route| route.destination == prefix).map(drop);
            found.with_context(|| format!("{prefix} is not in the kernel: {routes:?}"))
        })
        .unwrap();
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn two_birds_exchange_routes() {
    two_of_a_kind_exchange_routes(Kind::Bird);
}

#[test]
fn two_frrs_exchange_routes() {
    two_of_a_kind_exchange_routes(Kind::Frr);
}

#[test]
fn two_gobgps_exchange_routes() {
    two_of_a_kind_exchange_routes(Kind::Gobgp);
}
