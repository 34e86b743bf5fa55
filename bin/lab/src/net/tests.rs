//! These need the right to make namespaces; without it they say so and pass.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::ensure;

use super::*;
use crate::process::Process;
use crate::wait::wait_until;

fn namespaces<const N: usize>(names: [&str; N]) -> Option<[Namespace; N]> {
    let made: Result<Vec<_>> = names.into_iter().map(Namespace::new).collect();
    match made {
        Ok(made) => Some(made.try_into().expect("one for each name")),
        Err(error) => {
            #[allow(clippy::print_stderr)]
            {
                eprintln!("SKIPPED, needs the right to make namespaces: {error:#}");
            }
            None
        }
    }
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().expect("a prefix")
}

#[test]
fn two_namespaces_talk_over_a_cable() {
    let Some([left, right]) = namespaces(["left", "right"]) else { return };
    left.connect("port", &right, "port").unwrap();
    left.add_address("port", net("10.0.0.0/31")).unwrap();
    right.add_address("port", net("10.0.0.1/31")).unwrap();
    let listener = right.run(|| std::net::TcpListener::bind("10.0.0.1:179")).unwrap();
    left.run(|| std::net::TcpStream::connect("10.0.0.1:179")).unwrap();
    assert_eq!(listener.accept().unwrap().1.ip().to_string(), "10.0.0.0");
}

#[test]
fn the_far_end_loses_its_carrier_and_keeps_its_addresses() {
    let Some([left, right]) = namespaces(["left", "right"]) else { return };
    left.connect("port", &right, "port").unwrap();
    left.add_address("port", net("fd00::1/64")).unwrap();
    assert!(right.has_carrier("port").unwrap());
    left.set_down("port").unwrap();
    assert!(!right.has_carrier("port").unwrap());
    left.set_up("port").unwrap();
    assert!(right.has_carrier("port").unwrap());
    left.run(|| std::net::UdpSocket::bind("[fd00::1]:9")).unwrap();
}

#[test]
fn routes_are_listed_as_ip_route_shows_them() {
    let Some([left, right]) = namespaces(["left", "right"]) else { return };
    for (link, address) in [("a", "10.0.1.1/31"), ("b", "10.0.2.1/31")] {
        left.connect(link, &right, link).unwrap();
        left.add_address(link, net(address)).unwrap();
    }
    let far = net("10.9.0.0/16");
    let gateways: [std::net::Ipv4Addr; 2] = [[10, 0, 1, 0].into(), [10, 0, 2, 0].into()];
    left.add_route(far, &gateways.map(NextHop::via)).unwrap();
    let listing: Vec<_> = left.routes().unwrap().iter().map(ToString::to_string).collect();
    assert!(
        listing.contains(&"10.0.1.0/31 dev a proto kernel scope link src 10.0.1.1".into()),
        "{listing:?}"
    );
    let shared = "10.9.0.0/16 proto static\n\tnexthop via 10.0.1.0 dev a weight 1\n\tnexthop via 10.0.2.0 dev b weight 1";
    assert!(listing.contains(&shared.into()), "{listing:?}");
    left.remove_route(far).unwrap();
    assert!(left.routes().unwrap().iter().all(|route| route.destination != far));
}

#[test]
fn a_witness_tells_of_deleted_routes() {
    let Some([left, right]) = namespaces(["left", "right"]) else { return };
    left.connect("port", &right, "port").unwrap();
    left.add_address("port", net("10.0.0.1/31")).unwrap();
    let witness = Witness::start(&left).unwrap();
    let gateway: std::net::Ipv4Addr = [10, 0, 0, 0].into();
    for route in ["10.9.1.0/24", "10.9.2.0/24"] {
        left.add_route(net(route), &[NextHop::via(gateway)]).unwrap();
    }
    left.remove_route(net("10.9.2.0/24")).unwrap();
    wait_until(Duration::from_secs(5), "the witness", || {
        let deleted = witness.deleted()?;
        ensure!(deleted.iter().eq([&net("10.9.2.0/24")]), "{deleted:?}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_process_runs_inside_and_leaves_its_words() {
    let Some([inside]) = namespaces(["inside"]) else { return };
    inside.connect("only-here", &inside, "and-here").unwrap();
    let directory = std::env::temp_dir().join(format!("podbgp-net-test-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut command = Command::new("cat");
    command.arg("/proc/net/dev");
    let mut process = Process::start(&inside, "cat", command, &directory).unwrap();
    assert!(process.wait(Duration::from_secs(5)).unwrap().success());
    assert!(process.output().contains("only-here"));
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_child_outlives_the_thread_that_asked_for_it() {
    let Some([inside]) = namespaces(["inside"]) else { return };
    let mut child = std::thread::spawn(move || {
        let mut command = Command::new("sleep");
        command.arg("30").stdin(Stdio::null());
        inside.spawn(command).unwrap()
    })
    .join()
    .unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}
