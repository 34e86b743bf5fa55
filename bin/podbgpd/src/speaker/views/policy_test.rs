//! What would become of a route: the tables judge it, and each step is put into words.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use bgp::attributes::Origin;
use bgp::{AsPath, NextHop, PathAttributes};
use control::{
    AttributeChangeView, AttributesView, Direction, ErrorCode, ErrorView, GivenAttributes, PolicyRuleView,
    PolicyStepView, PolicyTest, PolicyTestView, ReasonView, TriedRoute,
};
use ipnet::IpNet;
use rib::{PeerId, PeerInfo, Policy, Source, Step, Withheld};

use super::super::Speaker;
use super::super::peering::Peering;
use super::routes::attributes_view;
use super::words;
use crate::intent::Export;

/// A route under trial.
struct Tried {
    attributes: PathAttributes,
    /// The peer it is from; `None` for ours.
    from: Option<PeerId>,
    route: TriedRoute,
}

/// What came of the trial.
struct Finding<'a> {
    policy: Option<&'a Policy>,
    steps: Vec<Step>,
    outcome: Result<PathAttributes, ReasonView>,
}

impl Speaker {
    /// Says what would become of a route, by the code that judges real ones.
    ///
    /// # Errors
    /// When there is no such peer, or an attribute is not understood.
    pub fn policy_test(&self, test: &PolicyTest) -> Result<PolicyTestView, ErrorView> {
        let id = self.id_of(&test.peer)?;
        let peering = self.peerings.get(&id).ok_or_else(|| self.no_such_peer(&test.peer))?;
        let info = self.known_or_intended(id, peering);
        let tried = match test.direction {
            Direction::Import => self.coming_in(test, id, &info)?,
            Direction::Export => self.going_out(test)?,
        };
        let finding = match test.direction {
            Direction::Import => self.import_finding(test, peering, &info, &tried),
            Direction::Export => self.export_finding(test, id, peering, &info, &tried),
        };
        let policy = match test.direction {
            Direction::Import => peering.intent.import.to_string(),
            Direction::Export => peering.intent.export.to_string(),
        };
        Ok(PolicyTestView {
            peer: test.peer.clone(),
            direction: test.direction,
            prefix: test.prefix,
            policy,
            route: tried.route,
            from: tried.from.and_then(|from| self.peerings.get(&from)).map(Peering::name),
            session: peering.session.is_some(),
            accepted: finding.outcome.is_ok(),
            rule: finding.decided(),
            steps: finding.steps(&tried.attributes),
            attributes: finding.outcome.as_ref().ok().map(view),
            reason: finding.outcome.err(),
        })
    }

    /// Returns what the tables know of a peer, or without a session what they would as far as the intent tells.
    fn known_or_intended(&self, id: PeerId, peering: &Peering) -> PeerInfo {
        self.rib.peer_info(id).cloned().unwrap_or_else(|| peering.intended(&self.intent))
    }

    /// Returns the route a peer announces: the one it did, unless another is described.
    fn coming_in(&self, test: &PolicyTest, id: PeerId, info: &PeerInfo) -> Result<Tried, ErrorView> {
        if test.from.is_some() {
            let error =
                ErrorView::new(ErrorCode::BadRequest, "a route that comes in is from the peer itself");
            return Err(error.with_hint("leave `from` out, or ask for the other direction"));
        }
        let from = Some(id);
        if test.attributes.is_empty()
            && let Some(path) = self.path_of(test, Source::Peer(id))
        {
            return Ok(Tried { attributes: path.received().clone(), from, route: TriedRoute::Table });
        }
        let mut plain = PathAttributes::originated(NextHop::from(info.address));
        if info.is_external() {
            plain.as_path = AsPath::sequence([info.asn]);
        }
        described(plain, &test.attributes, from)
    }

    /// Returns the route that goes out: the best one or that of a peer, unless another is described.
    fn going_out(&self, test: &PolicyTest) -> Result<Tried, ErrorView> {
        let from = test.from.as_deref().map(|name| self.id_of(name)).transpose()?;
        if test.attributes.is_empty() {
            let path = match from {
                Some(from) => self.path_of(test, Source::Peer(from)),
                None => self.rib.destination(&test.prefix).and_then(|destination| destination.best()),
            };
            if let Some((path, accepted)) = path.and_then(|path| Some((path, path.accepted()?))) {
                let from = match path.source() {
                    Source::Local => None,
                    Source::Peer(peer) => Some(peer),
                };
                return Ok(Tried { attributes: accepted.clone(), from, route: TriedRoute::Table });
            }
        }
        let announcer = from.and_then(|from| Some((from, self.peerings.get(&from)?)));
        let mut plain = PathAttributes::originated(nowhere(&test.prefix));
        if let Some(info) = announcer.map(|(from, peering)| self.known_or_intended(from, peering)) {
            plain.next_hop = info.address.into();
            plain.as_path = AsPath::sequence(info.is_external().then_some(info.asn));
        }
        described(plain, &test.attributes, from)
    }

    fn path_of(&self, test: &PolicyTest, source: Source) -> Option<rib::PathView<'_>> {
        self.rib.destination(&test.prefix)?.paths().find(|path| path.source() == source)
    }

    fn import_finding<'a>(
        &self,
        test: &PolicyTest,
        peering: &'a Peering,
        info: &PeerInfo,
        tried: &Tried,
    ) -> Finding<'a> {
        let import = &peering.intent.import;
        let policy = import.policy();
        let trial = self.rib.try_import(info, test.prefix, &tried.attributes);
        let decided = policy.and_then(|policy| decided(policy, &trial.steps));
        let outcome = trial.outcome.map_err(|reason| words::rejected_by(reason, decided, Some(import)));
        Finding { policy, steps: trial.steps, outcome }
    }

    fn export_finding<'a>(
        &self,
        test: &PolicyTest,
        id: PeerId,
        peering: &'a Peering,
        info: &PeerInfo,
        tried: &Tried,
    ) -> Finding<'a> {
        let export = &peering.intent.export;
        let policy = if let Export::Policy(policy) = export { Some(&**policy) } else { None };
        if tried.from == Some(id) {
            let outcome = Err(words::withheld(Withheld::OwnPath, export));
            return Finding { policy, steps: Vec::new(), outcome };
        }
        let from = tried.from.and_then(|from| Some((from, self.peerings.get(&from)?)));
        let from = from.map(|(from, peering)| self.known_or_intended(from, peering));
        let trial = self.rib.try_export(info, from.as_ref(), test.prefix, &tried.attributes);
        let outcome = trial.outcome.map_err(|reason| words::withheld(reason, export));
        Finding { policy, steps: trial.steps, outcome }
    }
}

impl Finding<'_> {
    fn decided(&self) -> Option<PolicyRuleView> {
        self.rule(decided(self.policy?, &self.steps)?)
    }

    fn rule(&self, place: usize) -> Option<PolicyRuleView> {
        let name = &self.policy?.rules.get(place)?.name;
        let number = u32::try_from(place + 1).ok()?;
        Some(PolicyRuleView { number, name: (!name.is_empty()).then(|| name.clone()) })
    }

    /// Says what each step changed; what the protocol does is only said where it changes something.
    fn steps(&self, given: &PathAttributes) -> Vec<PolicyStepView> {
        let mut before = view(given);
        let mut steps = Vec::new();
        for step in &self.steps {
            let after = view(&step.attributes);
            let changes = changes(&before, &after);
            if step.rule.is_some() || !changes.is_empty() {
                steps.push(PolicyStepView { rule: step.rule.and_then(|rule| self.rule(rule)), changes });
            }
            before = after;
        }
        steps
    }
}

/// Returns the next hop of what is ours.
fn nowhere(prefix: &IpNet) -> NextHop {
    NextHop::from(match prefix {
        IpNet::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpNet::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    })
}

/// Shows attributes; a next hop that stands for ourselves is none.
fn view(attributes: &PathAttributes) -> AttributesView {
    let mut view = attributes_view(attributes);
    view.next_hop = view.next_hop.filter(|address| !address.is_unspecified());
    view
}

/// Returns the rule that decided: the last that applied, unless it only goes on to the next.
fn decided(policy: &Policy, steps: &[Step]) -> Option<usize> {
    let last = steps.iter().filter_map(|step| step.rule).next_back()?;
    policy.rules.get(last)?.decision.map(|_| last)
}

fn changes(before: &AttributesView, after: &AttributesView) -> Vec<AttributeChangeView> {
    fn some<T: Display>(value: &Option<T>) -> String {
        value.as_ref().map_or_else(String::new, T::to_string)
    }
    fn list<T: Display>(values: &[T]) -> String {
        values.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
    }
    let shown = |view: &AttributesView| {
        [
            ("origin", view.origin.clone()),
            ("as_path", view.as_path.clone()),
            ("next_hop", some(&view.next_hop)),
            ("med", some(&view.med)),
            ("local_pref", some(&view.local_pref)),
            ("communities", list(&view.communities)),
            ("extended_communities", list(&view.extended_communities)),
            ("large_communities", list(&view.large_communities)),
            ("originator_id", some(&view.originator_id)),
            ("cluster_list", list(&view.cluster_list)),
        ]
    };
    let pairs = shown(before).into_iter().zip(shown(after));
    let changed = pairs.filter(|((_, before), (_, after))| before != after);
    changed
        .map(|((attribute, before), (_, after))| AttributeChangeView {
            attribute: attribute.to_owned(),
            before,
            after,
        })
        .collect()
}

/// Makes the route that is described: a plain one but for what is said.
fn described(
    mut attributes: PathAttributes,
    given: &GivenAttributes,
    from: Option<PeerId>,
) -> Result<Tried, ErrorView> {
    let route = if given.is_empty() { TriedRoute::Plain } else { TriedRoute::Given };
    if let Some(text) = &given.origin {
        let origin = Origin::ALL.into_iter().find(|origin| origin.name() == text);
        attributes.origin =
            origin.ok_or_else(|| wrong(format!("'{text}' is neither igp, egp nor incomplete")))?;
    }
    if let Some(text) = &given.as_path {
        attributes.as_path = text.parse().map_err(wrong)?;
    }
    if let Some(address) = given.next_hop {
        attributes.next_hop = NextHop::from(address);
    }
    attributes.med = given.med;
    attributes.local_pref = given.local_pref;
    attributes.communities = tags(&given.communities)?;
    let (extended, large) = (tags(&given.extended_communities)?, tags(&given.large_communities)?);
    attributes.rare.edit(|rare| (rare.extended_communities, rare.large_communities) = (extended, large));
    Ok(Tried { attributes, from, route })
}

fn tags<T: FromStr<Err: Display> + Ord>(texts: &[String]) -> Result<Vec<T>, ErrorView> {
    let mut tags = texts.iter().map(|text| text.parse().map_err(wrong)).collect::<Result<Vec<T>, _>>()?;
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

fn wrong(error: impl Display) -> ErrorView {
    ErrorView::new(ErrorCode::BadRequest, error.to_string())
}
