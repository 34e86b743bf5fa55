//! Messages of more than 4096 octets (RFC 8654), with the one daemon here that speaks them.

use lab::speakers::Kind;
use support::requires;

use crate::bulk;

/// Three messages' worth of prefixes, of four octets each, where messages may have 4096.
const COUNT: u32 = 3000;

#[test]
fn three_thousand_routes_reach_bird_in_few_messages() {
    requires!(Kind::Bird.programs());
    let pair = bulk::pair(Kind::Bird, COUNT, 1);
    pair.await_session();
    let capabilities = pair.daemon.peer("peer0").expect("an answer").capabilities;
    let agreed = |list: &[String]| list.iter().any(|text| text.to_lowercase().contains("extended message"));
    assert!(agreed(&capabilities.local), "{capabilities:?}");
    assert!(agreed(&capabilities.remote), "{capabilities:?}");
    bulk::await_received(&pair, COUNT);
    // With the two End-of-RIBs, five would be needed otherwise.
    let updates = pair.daemon.peer("peer0").expect("an answer").messages.sent.update;
    assert!(updates < 5, "{updates} UPDATEs");
}
