//! Reasons, each with a code for programs and words for people.

use bgp::PathAttributes;
use control::ReasonView;
use rib::decision::DEFAULT_LOCAL_PREF;
use rib::{Lowered, Policy, Reason, RejectReason, Withheld};

use crate::intent::{Export, Import};

/// Says why a path lost, with the numbers that decided where the two sets of attributes have them.
pub(super) fn lost(
    reason: Reason,
    loser: &PathAttributes,
    best: Option<&PathAttributes>,
    lowered: Option<Lowered>,
) -> ReasonView {
    let numbers = number(reason, loser).zip(best.and_then(|best| number(reason, best)));
    let mut text = match numbers {
        Some((loser, best)) if loser < best => format!("{reason} ({loser} < {best})"),
        Some((loser, best)) if loser > best => format!("{reason} ({loser} > {best})"),
        Some(_) | None => reason.to_string(),
    };
    if let (Reason::LocalPref, Some(lowered)) = (reason, lowered) {
        text.push_str(match lowered {
            Lowered::GracefulShutdown => ": the peer says that it is about to go (graceful-shutdown)",
            Lowered::Drain => ": the peer is drained",
        });
    }
    ReasonView::new(reason.code(), text)
}

/// Returns what a step of the decision compares, where that is a number among the attributes.
fn number(reason: Reason, of: &PathAttributes) -> Option<u64> {
    match reason {
        Reason::LocalPref => Some(of.local_pref.unwrap_or(DEFAULT_LOCAL_PREF).into()),
        Reason::AsPathLength => Some(of.as_path.length() as u64),
        Reason::Med => Some(of.med.unwrap_or(0).into()),
        Reason::ClusterList => Some(of.rare.cluster_list.len() as u64),
        Reason::Stale
        | Reason::Local
        | Reason::Aigp
        | Reason::Origin
        | Reason::External
        | Reason::IgpCost
        | Reason::BgpId
        | Reason::PeerAddress
        | Reason::PathId => None,
    }
}

/// Says whose route we speak of.
pub(super) fn kernel_route(route: &rib::KernelRoute) -> ReasonView {
    let gateway = route.gateway.map(|gateway| format!(" by {gateway}")).unwrap_or_default();
    ReasonView::new("kernel_route", format!("somebody else's route over {}{gateway}", route.interface))
}

/// Says why import refuses paths.
pub(super) fn rejected(reason: RejectReason) -> ReasonView {
    ReasonView::new(reason.code(), reason.to_string())
}

/// Says why import refused a path; where that was by a policy, by which of its rules.
pub(super) fn rejected_by(reason: RejectReason, rule: Option<usize>, import: Option<&Import>) -> ReasonView {
    match (reason, import.and_then(Import::policy)) {
        (RejectReason::Policy | RejectReason::PolicyDefault, Some(policy)) => {
            ReasonView::new(reason.code(), ruling(policy, rule))
        }
        (reason, _) => rejected(reason),
    }
}

/// Says why a peer is not told of a path; where that is by a policy, by which of its rules.
pub(super) fn withheld(reason: Withheld, export: &Export) -> ReasonView {
    let text = match (reason, export) {
        (Withheld::Policy(rule), Export::Policy(policy)) => ruling(policy, Some(rule)),
        (Withheld::PolicyDefault, Export::Policy(policy)) => ruling(policy, None),
        (reason, _) => reason.to_string(),
    };
    ReasonView::new(reason.code(), text)
}

/// Names the rule that rejects a path, by its place if it has no name. Without one, no rule accepts the path.
fn ruling(policy: &Policy, rule: Option<usize>) -> String {
    let name = &policy.name;
    match rule.map(|place| (place + 1, policy.rules.get(place).map_or("", |rule| &rule.name))) {
        Some((number, "")) => format!("rule {number} of policy '{name}' rejects it"),
        Some((_, rule)) => format!("rule '{rule}' of policy '{name}' rejects it"),
        None => format!("no rule of policy '{name}' accepts it"),
    }
}

pub(super) fn unreachable() -> ReasonView {
    ReasonView::new("next_hop_unreachable", "the kernel has no way to its next hop but our own routes")
}

pub(super) fn undecided() -> ReasonView {
    ReasonView::new("undecided", "it has just come")
}
