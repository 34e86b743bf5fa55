//! OpenSent: our OPEN is out, the peer's is awaited.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::collision::{Opener, displaces};
use super::connection::{Input, Line, Next, Phase, Scope};
use super::open_confirm::OpenConfirm;
use super::{DownReason, PeerAs, PeerSettings, State, Timer};
use crate::message::MessageKind;
use crate::notification::{NotificationError, OpenError};
use crate::wire::CodecContext;
use crate::{Capability, Family, Message, Negotiated, Notification, Open};

/// How long the peer may take to send its OPEN: the "large value" of RFC 4271 §8.2.2.
const PATIENCE: Duration = Duration::from_secs(4 * 60);

/// A connection on which nothing is known of the peer yet.
#[derive(Debug)]
pub(super) struct OpenSent {
    ours: Open,
    context: CodecContext,
}

impl OpenSent {
    pub(super) fn enter(line: &mut Line, scope: &mut Scope<'_>) -> Self {
        let ours = scope.settings.open();
        line.say(&Message::Open(ours.clone()), scope);
        line.deadlines.start(Timer::Hold, scope.now, PATIENCE);
        Self { ours, context: CodecContext::before_open() }
    }

    pub(super) fn context(&self) -> &CodecContext {
        &self.context
    }

    pub(super) fn handle(self, input: Input, opener: Opener, line: &mut Line, scope: &mut Scope<'_>) -> Next {
        match input {
            Input::Open(theirs) => self.agree(&theirs, opener, line, scope),
            Input::Malformed(MessageKind::Open, reason) => Err(reason),
            Input::Malformed(kind, _) => Err(out_of_turn(kind)),
            Input::Update(..) => Err(out_of_turn(MessageKind::Update)),
            Input::Keepalive => Err(out_of_turn(MessageKind::Keepalive)),
            Input::RouteRefresh(_) => Err(out_of_turn(MessageKind::RouteRefresh)),
            Input::Expired(Timer::Hold) => Err(DownReason::HoldTimerExpired),
            Input::Expired(Timer::ConnectRetry | Timer::IdleHold | Timer::Keepalive | Timer::SendHold) => {
                Ok(Phase::OpenSent(self))
            }
        }
    }

    fn agree(self, theirs: &Open, opener: Opener, line: &mut Line, scope: &mut Scope<'_>) -> Next {
        let negotiated = acceptable(scope.settings, &self.ours, theirs)?;
        let ours = (self.ours.bgp_id, self.ours.asn);
        if scope.rival.is_some_and(|rival| !displaces(opener, rival, ours, (theirs.bgp_id, theirs.asn))) {
            return Err(DownReason::Collision);
        }
        Ok(Phase::OpenConfirm(OpenConfirm::enter(negotiated, line, scope)))
    }
}

fn out_of_turn(kind: MessageKind) -> DownReason {
    DownReason::UnexpectedMessage { state: State::OpenSent, kind }
}

/// Checks what only the configuration can tell of an OPEN; its octets have been checked (RFC 4271 §6.2).
fn acceptable(settings: &PeerSettings, ours: &Open, theirs: &Open) -> Result<Negotiated, DownReason> {
    if !settings.peer_asn.admits(theirs.asn, ours.asn) {
        let data = Bytes::copy_from_slice(&theirs.asn.0.to_be_bytes());
        let detail = match settings.peer_asn {
            PeerAs::Is(expected) => format!("OPEN: expected AS {expected}, got AS {}", theirs.asn),
            PeerAs::External => format!("OPEN: expected another AS than ours, got AS {}", theirs.asn),
            PeerAs::Internal => format!("OPEN: expected our AS {}, got AS {}", ours.asn, theirs.asn),
        };
        return Err(refusal(OpenError::BadPeerAs, data, detail));
    }
    // Between different ASes equal identifiers are fine (RFC 6286 §2.2).
    if theirs.asn == ours.asn && theirs.bgp_id == ours.bgp_id {
        let detail = format!("OPEN: identifier {} is our own", theirs.bgp_id);
        return Err(refusal(OpenError::BadBgpIdentifier, Bytes::new(), detail));
    }
    let negotiated = Negotiated::between(ours, theirs);
    let mismatch = negotiated.role.and_then(|role| role.mismatch(settings.role_strict, &theirs.capabilities));
    if let Some(detail) = mismatch {
        return Err(refusal(OpenError::RoleMismatch, Bytes::new(), format!("OPEN: role mismatch: {detail}")));
    }
    if negotiated.families.is_empty() {
        let detail = String::from("OPEN: no address family in common");
        return Err(refusal(OpenError::UnsupportedCapability, wanted_families(ours), detail));
    }
    Ok(negotiated)
}

fn refusal(error: OpenError, data: Bytes, detail: String) -> DownReason {
    let notification = Notification { error: NotificationError::Open(error), data };
    DownReason::ProtocolError { notification, detail }
}

/// Lists our multiprotocol capabilities as they are written in an OPEN (RFC 5492 §5, RFC 4760 §8).
fn wanted_families(ours: &Open) -> Bytes {
    let named = ours.capabilities.iter().filter_map(|capability| match capability {
        Capability::Multiprotocol(code) => Some(*code),
        Capability::RouteRefresh
        | Capability::ExtendedNextHop(_)
        | Capability::ExtendedMessage
        | Capability::LinkLocalNextHop
        | Capability::Role(_)
        | Capability::GracefulRestart(_)
        | Capability::AddPath(_)
        | Capability::LongLivedGracefulRestart(_)
        | Capability::FourOctetAsn(_)
        | Capability::EnhancedRouteRefresh
        | Capability::Fqdn(_)
        | Capability::SoftwareVersion(_)
        | Capability::Unknown { .. } => None,
    });
    let mut named: Vec<_> = named.collect();
    if named.is_empty() {
        named.push(Family::Ipv4.code());
    }
    let mut data = BytesMut::new();
    for code in named {
        data.put_slice(&[1, 4]);
        data.put_u16(code.afi);
        data.put_slice(&[0, code.safi]);
    }
    data.freeze()
}
