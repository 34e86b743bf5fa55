//! Roles and ONLY_TO_CUSTOMER (RFC 9234).

use anyhow::{Context, ensure};
use lab::speakers::Kind;
use support::{SOON, eventually};

use crate::pair::{OUR_V4, Pair, THEIR_V4, net, session};

pub(crate) fn a_provider_marks_what_it_tells_its_customer(kind: Kind) {
    let session = session().with(|us| us.role = Some(("provider", true)));
    let asn = session.config.asn;
    let pair = Pair::start(kind, session, "role = \"customer\"\nrole-strict = true");
    pair.await_session();
    let route = pair.await_learned(THEIR_V4);
    assert_eq!(route.candidates[0].attributes.only_to_customer, Some(asn));
    // What goes up to a provider is not marked, or it would have leaked.
    pair.await_received(OUR_V4);
    let advertised = pair.daemon.advertised("peer0").expect("an answer");
    let ours = advertised.iter().find(|route| route.prefix == net(OUR_V4)).expect("our block");
    assert_eq!(ours.attributes.only_to_customer, None);
    let peer = pair.daemon.peer("peer0").expect("an answer");
    assert!(peer.capabilities.local.contains(&"role customer".to_owned()), "{:?}", peer.capabilities);
    assert!(peer.capabilities.remote.contains(&"role provider".to_owned()), "{:?}", peer.capabilities);
}

pub(crate) fn two_customers_refuse_each_other(kind: Kind) {
    let session = session().with(|us| us.role = Some(("customer", false)));
    let pair = Pair::start(kind, session, "role = \"customer\"");
    refused(&pair);
}

pub(crate) fn a_peer_without_role_is_refused_where_one_is_required(kind: Kind) {
    let pair = Pair::start(kind, session(), "role = \"customer\"\nrole-strict = true");
    refused(&pair);
}

/// Waits until either side has refused the other's role, and sees that there is no session.
fn refused(pair: &Pair) {
    let peer = eventually(SOON, "a role mismatch", || {
        let peer = pair.daemon.peer("peer0")?;
        let error = peer.last_error.clone().context("no error yet")?;
        ensure!(error.text.contains("role mismatch"), "{error:?}");
        Ok(peer)
    });
    assert_ne!(peer.state, control::PeerState::Established);
    assert_eq!(peer.flaps, 0, "there never was a session");
}
