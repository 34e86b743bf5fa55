//! Attributes nobody here understands travel on, marked as partial (RFC 4271 §5).

use lab::speakers::{Exabgp, Kind};
use support::session::OUR_ASN;
use support::{Podbgpd, Rack, SOON, Session, config, eventually, requires};

use crate::pair::net;

#[test]
fn an_unknown_transitive_attribute_passes_and_another_does_not() {
    requires!(Exabgp::PROGRAMS);
    requires!(Kind::Bird.programs());
    let rack = Rack::new(2);
    let (near, far) = (Session::new(0), Session::new(1));
    let export = "export = \"all\"";
    let text = config::node("") + &config::peer(&near, export) + &config::peer(&far, export);
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let receiver = far.start(Kind::Bird, &rack);
    let _sender = Exabgp::start(
        &rack.theirs[near.index],
        &near.config,
        &[
            "route 10.50.1.0/24 next-hop 10.9.0.2 attribute [0x63 0xc0 0x01020304]",
            "route 10.50.2.0/24 next-hop 10.9.0.2 attribute [0x64 0x80 0x0a0b0c0d]",
        ],
        &rack.directory("peer0"),
    )
    .expect("ExaBGP starts");

    let path =
        eventually(SOON, "the route with the transitive attribute", || receiver.route(net("10.50.1.0/24")));
    assert_eq!(path.as_path, [OUR_ASN, 4_200_000_001]);
    assert!(path.other.contains("01 02 03 04"), "the attribute is gone: {path:?}");
    let path = eventually(SOON, "the other route", || receiver.route(net("10.50.2.0/24")));
    assert!(!path.other.contains("0a 0b 0c 0d"), "an attribute that is not transitive went on: {path:?}");

    let route = daemon.route(net("10.50.1.0/24")).expect("the route is here");
    let unknown = &route.candidates[0].attributes.unknown;
    assert!(unknown.iter().any(|text| text.contains("99")), "bgpctl does not show it: {route:?}");
}
