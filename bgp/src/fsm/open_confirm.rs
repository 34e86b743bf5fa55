//! OpenConfirm: both OPENs agree, the peer's KEEPALIVE is awaited.

use super::connection::{Input, Line, Next, Phase, Scope};
use super::established::{Established, Session};
use super::{DownReason, State, Timer};
use crate::Negotiated;
use crate::message::MessageKind;
use crate::wire::CodecContext;

/// A connection on which the peer has said who it is, but not that it accepts us.
#[derive(Debug)]
pub(super) struct OpenConfirm {
    negotiated: Box<Negotiated>,
    context: CodecContext,
}

impl OpenConfirm {
    pub(super) fn enter(negotiated: Negotiated, line: &mut Line, scope: &mut Scope<'_>) -> Self {
        line.keep_alive(negotiated.hold_time, scope);
        line.rest_hold(negotiated.hold_time, scope.now);
        Self { context: CodecContext::from(&negotiated), negotiated: Box::new(negotiated) }
    }

    pub(super) fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    pub(super) fn context(&self) -> &CodecContext {
        &self.context
    }

    pub(super) fn handle(self, input: Input, line: &mut Line, scope: &mut Scope<'_>) -> Next {
        match input {
            Input::Keepalive => {
                let session = Session {
                    connection: line.id,
                    since: scope.now,
                    negotiated: self.negotiated,
                    context: self.context,
                };
                Ok(Phase::Established(Established::enter(session, line, scope)))
            }
            Input::Malformed(MessageKind::Keepalive, reason) => Err(reason),
            Input::Malformed(kind, _) => Err(out_of_turn(kind)),
            Input::Open(_) => Err(out_of_turn(MessageKind::Open)),
            Input::Update(..) => Err(out_of_turn(MessageKind::Update)),
            Input::RouteRefresh(_) => Err(out_of_turn(MessageKind::RouteRefresh)),
            Input::Expired(Timer::Hold) => Err(DownReason::HoldTimerExpired),
            Input::Expired(Timer::Keepalive) => {
                line.keep_alive(self.negotiated.hold_time, scope);
                Ok(Phase::OpenConfirm(self))
            }
            Input::Expired(Timer::ConnectRetry | Timer::IdleHold | Timer::SendHold) => {
                Ok(Phase::OpenConfirm(self))
            }
        }
    }
}

fn out_of_turn(kind: MessageKind) -> DownReason {
    DownReason::UnexpectedMessage { state: State::OpenConfirm, kind }
}
