//! Octets to messages and back.
//!
//! [`next_frame`] cuts messages out of a byte stream, [`decode`] gives one its meaning and [`encode`] writes
//! one; [`pack`] writes as many UPDATEs as a batch of routes needs. All of them ask a [`CodecContext`], since
//! the same octets mean different things on different sessions.
//!
//! The surprise is UPDATE: most of what can be wrong with one does not end the session (RFC 7606). [`decode`]
//! applies the mildest remedy the RFC allows, so that the [`Update`](crate::Update) it returns is always
//! usable as it is, and reports what it forgave as [`Offence`]s.
//!
//! | RFC | what of it is here |
//! |---|---|
//! | 4271 §4, §6.1–6.3 | all messages and their errors |
//! | 7606 | every rule; each attribute's is a row of one table |
//! | 4760, 2545, 8950 | IPv4 and IPv6 unicast; IPv4 routes with an IPv6 next hop |
//! | 5492, 9072 | capabilities; extended optional parameters read always, written when needed |
//! | 6793, 7607 | 4-octet AS numbers, both directions; AS 0 is malformed |
//! | 1997, 4360, 8092, 4456 | communities of three kinds, ORIGINATOR_ID, CLUSTER_LIST |
//! | 7311 | AIGP; on which sessions it means anything the RIB knows |
//! | 7911 | path identifiers, each direction and family by itself |
//! | 2918, 7313, 8654, 4724 | ROUTE-REFRESH and its subtypes, long messages, End-of-RIB |
//!
//! What is not here: whether the peer's AS is the expected one (the state machine), whether a next hop can
//! be used (the RIB).

use bytes::BytesMut;

use crate::message::MessageKind;
use crate::{Family, FamilySet, Message, Negotiated};

use nlri::Form;

mod attribute;
mod capability;
mod error;
mod frame;
mod nlri;
mod notification;
mod open;
pub mod pack;
mod read;
mod route_refresh;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod update;
mod write;

pub use error::{DecodeError, Disposition, EncodeError, HeaderFault, Offence, OpenFault, WireError};
pub use frame::{Frame, next_frame};

/// The longest message where RFC 8654 was not negotiated, and the longest OPEN anywhere.
pub const MAX_MESSAGE: usize = 4096;
/// The longest message where RFC 8654 was negotiated.
pub const MAX_EXTENDED_MESSAGE: usize = 65_535;
/// The marker, the length and the type in front of every message.
pub const HEADER: usize = 19;

/// What the codec must know about a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CodecContext {
    /// Whether AS numbers take four octets (RFC 6793).
    pub four_octet_asn: bool,
    /// Whether messages may be longer than 4096 octets (RFC 8654).
    pub extended_messages: bool,
    /// The families negotiated; routes of others are ignored.
    pub families: FamilySet,
    /// The families whose routes may have an IPv6 next hop where IPv4 would be usual (RFC 8950).
    pub extended_next_hop: FamilySet,
    /// The families whose prefixes come with a path identifier (RFC 7911).
    pub add_path_receive: FamilySet,
    /// The families whose prefixes go out with a path identifier.
    pub add_path_send: FamilySet,
    /// Whether the peer is in our AS.
    pub internal: bool,
}

impl CodecContext {
    /// Returns what holds until both OPENs are exchanged: nothing is negotiated.
    #[must_use]
    pub fn before_open() -> Self {
        Self {
            four_octet_asn: false,
            extended_messages: false,
            families: FamilySet::NONE,
            extended_next_hop: FamilySet::NONE,
            add_path_receive: FamilySet::NONE,
            add_path_send: FamilySet::NONE,
            internal: false,
        }
    }

    /// Returns how the prefixes of a family look when they come.
    fn received(&self, family: Family) -> Form {
        Form::with_ids(self.add_path_receive.contains(family))
    }

    /// Returns how the prefixes of a family look when they go out.
    fn sent(&self, family: Family) -> Form {
        Form::with_ids(self.add_path_send.contains(family))
    }

    /// Returns how long a message of this kind may be. An OPEN is sent before anything is negotiated, and a
    /// KEEPALIVE has no body to be long (RFC 8654 §4).
    pub(crate) fn max_length(&self, kind: MessageKind) -> usize {
        match kind {
            MessageKind::Open | MessageKind::Keepalive => MAX_MESSAGE,
            _ if self.extended_messages => MAX_EXTENDED_MESSAGE,
            _ => MAX_MESSAGE,
        }
    }
}

impl From<&Negotiated> for CodecContext {
    fn from(negotiated: &Negotiated) -> Self {
        Self {
            four_octet_asn: negotiated.four_octet_asn,
            extended_messages: negotiated.extended_messages,
            families: negotiated.families,
            extended_next_hop: negotiated.extended_next_hop,
            add_path_receive: negotiated.add_path_receive,
            add_path_send: negotiated.add_path_send,
            internal: negotiated.is_internal(),
        }
    }
}

/// A message, and what was forgiven to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The message, ready to act upon.
    pub message: Message,
    /// What RFC 7606 forgave in an UPDATE, for logs and counters; empty for other messages.
    pub offences: Vec<Offence>,
}

impl From<Message> for Decoded {
    fn from(message: Message) -> Self {
        Self { message, offences: Vec::new() }
    }
}

/// Reads a message.
///
/// # Errors
///
/// Only what must end the connection, with all the NOTIFICATION needs.
pub fn decode(frame: Frame, context: &CodecContext) -> Result<Decoded, DecodeError> {
    let Frame { kind, body } = frame;
    match kind {
        MessageKind::Open => open::decode(&body).map(Message::Open).map(Decoded::from),
        MessageKind::Update => update::decode(&body, context),
        MessageKind::Notification => {
            notification::decode(&body).map(Message::Notification).map(Decoded::from)
        }
        MessageKind::Keepalive if body.is_empty() => Ok(Message::Keepalive.into()),
        MessageKind::Keepalive => Err(frame::bad_length(&body)),
        MessageKind::RouteRefresh => {
            route_refresh::decode(&body).map(Message::RouteRefresh).map(Decoded::from)
        }
    }
}

/// Appends a message, as one message whatever it holds.
///
/// # Errors
///
/// The message does not fit its maximum length, or says what the session has no octets for; `out` is then
/// as it was. An [`Update`](crate::Update) of more routes than fit is for [`pack`].
pub fn encode(message: &Message, context: &CodecContext, out: &mut BytesMut) -> Result<(), EncodeError> {
    write::message(message.kind(), context, out, |out| match message {
        Message::Open(message) => open::encode(message, out),
        Message::Update(message) => update::encode(message, context, out),
        Message::Notification(message) => {
            notification::encode(message, out);
            Ok(())
        }
        Message::Keepalive => Ok(()),
        Message::RouteRefresh(message) => {
            route_refresh::encode(*message, out);
            Ok(())
        }
    })
}
