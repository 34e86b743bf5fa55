//! Trials: what would become of a route, step by step, without anything happening.
//!
//! A trial runs the code that judges real routes and only looks over its shoulder.

use bgp::PathAttributes;
use ipnet::IpNet;

use super::Rib;
use crate::export::{Came, Outgoing, Withheld, export_watched};
use crate::import::{RejectReason, import};
use crate::path::PeerId;
use crate::peer::PeerInfo;
use crate::update_group::ExportView;

/// What would become of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial<R> {
    /// What happened to its attributes, in this order; a step need not have changed anything.
    pub steps: Vec<Step>,
    /// The attributes in the end, or why it does not pass.
    pub outcome: Result<PathAttributes, R>,
}

/// A step on the way of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The position of the policy's rule that applied; `None` for the rules of the protocol.
    pub rule: Option<usize>,
    /// The attributes after it.
    pub attributes: PathAttributes,
}

impl<R> Trial<R> {
    fn of(
        judge: impl FnOnce(&mut dyn FnMut(Option<usize>, &PathAttributes)) -> Result<PathAttributes, R>,
    ) -> Self {
        let mut steps = Vec::new();
        let outcome =
            judge(&mut |rule, attributes| steps.push(Step { rule, attributes: attributes.clone() }));
        if let Ok(attributes) = &outcome {
            steps.push(Step { rule: None, attributes: attributes.clone() });
        }
        Self { steps, outcome }
    }
}

impl Rib {
    /// Returns what is known of a peer whose session is up.
    #[must_use]
    pub fn peer_info(&self, id: PeerId) -> Option<&PeerInfo> {
        self.slots.get(&id).and_then(|&slot| self.peer(slot)).map(|peer| &peer.info)
    }

    /// Tries what would become of a route such a peer announces.
    #[must_use]
    pub fn try_import(
        &self,
        peer: &PeerInfo,
        prefix: IpNet,
        received: &PathAttributes,
    ) -> Trial<RejectReason> {
        Trial::of(|watch| {
            let judged = import(peer, &self.settings, prefix, received, watch)?;
            self.judge_prefix(&peer.import, &prefix)?;
            Ok(judged.into_owned())
        })
    }

    /// Tries what such a peer would be told of a best path that is not its own; `from` is whose it is, if not
    /// ours.
    #[must_use]
    pub fn try_export(
        &self,
        peer: &PeerInfo,
        from: Option<&PeerInfo>,
        prefix: IpNet,
        attributes: &PathAttributes,
    ) -> Trial<Withheld> {
        let route = Outgoing {
            prefix,
            came: Came::from(from),
            announcer: from.map(PeerInfo::announcer),
            interface: self.interface_in_trial(&prefix, from, attributes),
            long_lived: false,
            cluster_id: self.settings.cluster_id,
            metric: None,
            attributes,
        };
        // Of an identifier nothing depends that is tried here.
        let view = ExportView::of(PeerId(0), peer);
        Trial::of(|watch| export_watched(&view, route, watch))
    }
}
