//! Messages of more than 4096 octets (RFC 8654), with the one daemon here that speaks them.

use support::foreign::Session;
use support::{Kind, requires};

use crate::bulk;
use crate::pair::Pair;

#[test]
fn bird_and_we_agree_on_extended_messages() {
    requires!(Kind::Bird.programs());
    let session = Session { announces: bulk::their_prefixes(2000), ..Session::new(0) };
    let pair = Pair::start(Kind::Bird, session, "");
    pair.await_session();
    let capabilities = pair.daemon.peer("peer0").expect("an answer").capabilities;
    let agreed = |list: &[String]| list.iter().any(|text| text.to_lowercase().contains("extended message"));
    assert!(agreed(&capabilities.local), "{capabilities:?}");
    assert!(agreed(&capabilities.remote), "{capabilities:?}");
    bulk::await_accepted(&pair, 2000);
    // 2000 prefixes of one attribute set are about 8000 octets: two messages at most, End-of-RIBs beside them.
    let updates = pair.daemon.peer("peer0").expect("an answer").messages.received.update;
    assert!(updates <= 5, "BIRD sent {updates} UPDATEs");
}
