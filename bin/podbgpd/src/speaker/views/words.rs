//! Reasons, each with a code for programs and words for people.

use bgp::PathAttributes;
use control::ReasonView;
use rib::decision::DEFAULT_LOCAL_PREF;
use rib::{Reason, RejectReason};

/// Says why a path lost, with the numbers that decided where the two sets of attributes have them.
pub(super) fn lost(reason: Reason, loser: &PathAttributes, best: Option<&PathAttributes>) -> ReasonView {
    let against = |what: &str, sign: char, value: &dyn Fn(&PathAttributes) -> u64| match best {
        Some(best) => format!("{what} ({} {sign} {})", value(loser), value(best)),
        None => what.to_owned(),
    };
    let local_pref = |of: &PathAttributes| of.local_pref.unwrap_or(DEFAULT_LOCAL_PREF).into();
    let (code, text) = match reason {
        Reason::Local => ("local", "this node originates the prefix".to_owned()),
        Reason::LocalPref => ("local_pref", against("lower LOCAL_PREF", '<', &local_pref)),
        Reason::AsPathLength => {
            let length = |of: &PathAttributes| of.as_path.length() as u64;
            ("as_path_length", against("longer AS path", '>', &length))
        }
        Reason::Origin => ("origin", "less preferred ORIGIN".to_owned()),
        Reason::Med => ("med", against("higher MED", '>', &|of| of.med.unwrap_or(0).into())),
        Reason::External => ("external", "internal, and there is an external one".to_owned()),
        Reason::IgpCost => ("igp_cost", "its next hop is further away".to_owned()),
        Reason::BgpId => ("bgp_id", "higher BGP identifier".to_owned()),
        Reason::ClusterList => {
            let length = |of: &PathAttributes| of.rare.cluster_list.len() as u64;
            ("cluster_list", against("longer CLUSTER_LIST", '>', &length))
        }
        Reason::PeerAddress => ("peer_address", "higher peer address".to_owned()),
        Reason::PathId => ("path_id", "higher path identifier".to_owned()),
    };
    ReasonView::new(code, text)
}

/// Says why import refused a path.
pub(super) fn rejected(reason: RejectReason) -> ReasonView {
    let (code, text) = match reason {
        RejectReason::OwnAs => ("own_as", "our own AS is in its AS path"),
        RejectReason::FirstAs => ("first_as", "its AS path does not begin with the peer's AS"),
        RejectReason::OwnOriginatorId => ("own_originator_id", "it is our own route, reflected"),
        RejectReason::OwnClusterId => ("own_cluster_id", "it has been through this cluster"),
        RejectReason::NextHop => ("next_hop", "its next hop is our own address or no host's"),
        RejectReason::OwnBlock => ("own_block", "it is inside a block of this node"),
        RejectReason::Martian => ("martian", "nobody may announce this prefix"),
        RejectReason::TooLong => ("too_long", "the prefix is longer than max-length allows"),
        RejectReason::ImportNone => ("import_none", "import = \"none\""),
        RejectReason::Policy => ("policy", "a rule of the import policy rejects it"),
        RejectReason::PolicyDefault => ("policy_default", "no rule of the import policy accepts it"),
    };
    ReasonView::new(code, text)
}

pub(super) fn unreachable() -> ReasonView {
    ReasonView::new("next_hop_unreachable", "the kernel has no way to its next hop but our own routes")
}

pub(super) fn undecided() -> ReasonView {
    ReasonView::new("undecided", "it has just come")
}
