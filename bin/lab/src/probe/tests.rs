use super::*;
use crate::net::Namespace;

#[test]
fn a_probe_counts_what_a_cut_cable_loses() {
    let (Ok(left), Ok(right)) = (Namespace::new("left"), Namespace::new("right")) else {
        #[allow(clippy::print_stderr)]
        {
            eprintln!("SKIPPED, needs the right to make namespaces");
        }
        return;
    };
    left.connect("port", &right, "port").unwrap();
    left.add_address("port", "10.0.0.0/31".parse().unwrap()).unwrap();
    right.add_address("port", "10.0.0.1/31".parse().unwrap()).unwrap();
    let target = "10.0.0.1".parse().unwrap();
    ping(&left, target, Duration::from_secs(2)).unwrap();
    let _echo = Echo::start(&right).unwrap();
    let probe = Probe::start(&left, target, 2, 200).unwrap();
    let calm = probe.mark();
    sleep(Duration::from_millis(200));
    let report = probe.between(calm, probe.mark());
    assert_eq!(report.lost, 0);
    assert!(report.sent >= 30, "{report:?}");
    let storm = probe.mark();
    right.set_down("port").unwrap();
    sleep(Duration::from_millis(100));
    right.set_up("port").unwrap();
    sleep(Duration::from_millis(200));
    let report = probe.between(storm, probe.mark());
    assert!(report.lost >= 10 && report.flows_hit == 2, "{report:?}");
    assert!(report.outage >= Duration::from_millis(90), "{report:?}");
}
