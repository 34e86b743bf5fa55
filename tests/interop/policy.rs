//! What our policies do to communities of all kinds, as the other side sees it and as `bgpctl policy test` foretells.

use control::PolicyTestView;
use lab::speakers::Kind;
use support::session::{OUR_ASN, communities};

use crate::pair::{OUR_V4, Pair, THEIR_V4, session};

const POLICIES: &str = r#"
[policy.to-tor]

[[policy.to-tor.rule]]
source = "originated"
add-community = ["64500:7"]
add-extended-community = ["rt:64500:7"]
add-large-community = ["4200064512:1:2"]
prepend = { asn = 4200064512 }
then = "accept"

[policy.from-tor]

[[policy.from-tor.rule]]
extended-community = ["rt:65001:*"]
remove-extended-community = ["rt:65001:*"]
remove-large-community = ["*:3:*"]
add-local-pref = 20
then = "accept"
"#;

pub(crate) fn communities_of_all_kinds_go_and_come(kind: Kind) {
    let pair =
        Pair::start(kind, session(), &format!("import = \"from-tor\"\nexport = \"to-tor\"\n{POLICIES}"));
    pair.await_session();

    let ours = pair.await_received(OUR_V4);
    assert_eq!(ours.as_path, [OUR_ASN, OUR_ASN]);
    assert_eq!(ours.communities.standard, ["64500:7"]);
    assert_eq!(ours.communities.large, ["4200064512:1:2"]);
    assert_eq!(ours.communities.extended, ["rt:64500:7"]);

    let theirs = pair.await_learned(THEIR_V4).candidates.remove(0).attributes;
    assert_eq!(theirs.communities, communities().standard);
    assert_eq!((theirs.extended_communities, theirs.large_communities), (vec![], vec![]));
    assert_eq!(theirs.local_pref, Some(120));

    let told = foretold(&pair, "export", OUR_V4).attributes.expect("it is accepted");
    assert_eq!(told, pair.daemon.advertised("peer0").expect("the table")[0].attributes);
    let learned = foretold(&pair, "import", THEIR_V4);
    assert_eq!(learned.rule.map(|rule| rule.number), Some(1));
    assert_eq!(learned.attributes.and_then(|attributes| attributes.local_pref), Some(120));
}

/// Asks what becomes of the route in the tables.
fn foretold(pair: &Pair, direction: &str, prefix: &str) -> PolicyTestView {
    let question = ["policy", "test", "--peer", "peer0", "--direction", direction, prefix];
    let answer = pair.daemon.bgpctl(&question);
    serde_json::from_slice(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}
