//! Through us from one daemon to another: `export = "all"`.

use lab::speakers::Kind;
use support::rack::{Transport, our_address};
use support::session::{OUR_ASN, communities};
use support::{Podbgpd, Rack, SOON, Session, config, eventually};

use crate::pair::{THEIR_V4, net, session};

pub(crate) fn attributes_survive_the_way_through(kind: Kind) {
    let rack = Rack::new(2);
    let (near, far) = (session(), Session::new(1));
    let export = "export = \"all\"";
    let text = config::node("") + &config::peer(&near, export) + &config::peer(&far, export);
    let daemon = Podbgpd::start(&rack.ours, rack.directory("ours"), &text);
    let _sender = near.start(kind, &rack);
    let receiver = far.start(kind, &rack);
    daemon.await_established("peer1");

    let path = eventually(SOON, "the route at the far end", || receiver.route(net(THEIR_V4)));
    assert_eq!(path.as_path, [OUR_ASN, 4_200_000_001]);
    assert_eq!(path.next_hop, Some(our_address(1, Transport::V4)));
    assert_eq!(path.communities, communities());
}
