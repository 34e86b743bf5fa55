//! Established: routes may flow.

use std::time::Instant;

use super::connection::{Input, Line, Next, Phase, Scope};
use super::{Action, ConnId, DownReason, State, Timer};
use crate::message::{MessageKind, RouteRefresh};
use crate::wire::CodecContext;
use crate::{Family, Negotiated};

/// A session: what was agreed, since when, and how its messages are written.
#[derive(Debug)]
pub struct Session {
    /// The connection it runs on.
    pub connection: ConnId,
    /// When it came up.
    pub since: Instant,
    /// What both sides agreed on.
    pub negotiated: Box<Negotiated>,
    /// How messages to this peer must be encoded.
    pub context: CodecContext,
}

/// A connection that carries a session.
#[derive(Debug)]
pub(super) struct Established {
    // Boxed because the state moves with every message.
    session: Box<Session>,
}

impl Established {
    pub(super) fn enter(session: Session, line: &mut Line, scope: &mut Scope<'_>) -> Self {
        line.rest_hold(session.negotiated.hold_time, scope.now);
        line.limit_send_hold(scope.settings.send_hold(session.negotiated.hold()), scope.now);
        scope.out.push(Action::Established(session.negotiated.clone()));
        Self { session: Box::new(session) }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn handle(self, input: Input, line: &mut Line, scope: &mut Scope<'_>) -> Next {
        let hold_time = self.session.negotiated.hold_time;
        match input {
            Input::Update(update, offences) => {
                line.rest_hold(hold_time, scope.now);
                if !offences.is_empty() {
                    scope.stats.offences += offences.len() as u64;
                    scope.out.push(Action::Offences(offences));
                }
                scope.out.push(Action::Update(update));
            }
            Input::Keepalive => line.rest_hold(hold_time, scope.now),
            // No sign of life: only KEEPALIVE and UPDATE restart the hold timer (RFC 4271 §8.2.2).
            Input::RouteRefresh(refresh) if self.answers(refresh) => scope.out.push(Action::Refresh(refresh)),
            Input::RouteRefresh(_) => {}
            Input::Open(_) | Input::Malformed(MessageKind::Open, _) => {
                let (state, kind) = (State::Established, MessageKind::Open);
                return Err(DownReason::UnexpectedMessage { state, kind });
            }
            Input::Malformed(_, reason) => return Err(reason),
            Input::Expired(Timer::Hold) => return Err(DownReason::HoldTimerExpired),
            Input::Expired(Timer::SendHold) => return Err(DownReason::SendHoldTimerExpired),
            Input::Expired(Timer::Keepalive) => line.keep_alive(hold_time, scope),
            Input::Expired(Timer::ConnectRetry | Timer::IdleHold) => {}
        }
        Ok(Phase::Established(self))
    }

    /// A family or a whole message we did not agree on is ignored, and so is a subtype nobody knows (RFC 2918 §4,
    /// RFC 7313 §5).
    fn answers(&self, refresh: RouteRefresh) -> bool {
        let negotiated = &self.session.negotiated;
        let agreed = match refresh.subtype {
            RouteRefresh::REQUEST => negotiated.route_refresh,
            RouteRefresh::BEGINNING | RouteRefresh::END => negotiated.enhanced_route_refresh,
            _ => false,
        };
        let family = Family::from_code(refresh.family);
        agreed && family.is_some_and(|family| negotiated.families.contains(family))
    }
}
