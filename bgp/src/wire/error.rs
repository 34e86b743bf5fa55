//! What can be wrong with octets, and what is done about it.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use nom::error::{ErrorKind, ParseError};
use thiserror::Error;

use crate::Notification;
use crate::family::AfiSafi;
use crate::notification::{HeaderError, NotificationError, OpenError, RouteRefreshError, UpdateError};
use crate::wire::{HEADER, MAX_MESSAGE, attribute};

/// What is wrong with a run of octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum WireError {
    /// The octets end before the value does.
    #[error("ends too early")]
    Truncated,
    /// The value ends before the octets do.
    #[error("{0} octets too many")]
    TrailingOctets(usize),
    /// A length that its field cannot have.
    #[error("{field} of {got} octets")]
    Length {
        /// What has the length.
        field: &'static str,
        /// The length, in octets.
        got: usize,
    },
    /// A value that its field cannot have.
    #[error("{field} {got}")]
    Value {
        /// What has the value.
        field: &'static str,
        /// The value.
        got: u32,
    },
    /// A prefix longer than an address.
    #[error("prefix of {0} bits")]
    PrefixLength(u8),
    /// A prefix that reaches beyond its field.
    #[error("a prefix reaches beyond the field")]
    PrefixTruncated,
    /// Attribute flags that contradict the attribute type (RFC 7606 §3 c).
    #[error("flags {got:#04x} where {want:#04x} is right")]
    Flags {
        /// The Optional and Transitive bits received.
        got: u8,
        /// The bits the attribute's definition asks for.
        want: u8,
    },
    /// An attribute that reaches beyond the end of all attributes (RFC 7606 §4).
    #[error("reaches beyond the end of the attributes")]
    Overrun,
    /// A second attribute of one type (RFC 7606 §3 g).
    #[error("appears more than once")]
    Duplicate,
    /// A mandatory attribute that is not there (RFC 7606 §3 d).
    #[error("is missing")]
    Missing,
    /// An attribute nobody but an internal peer may send.
    #[error("is not for external peers to send")]
    NotFromExternal,
    /// An attribute of RFC 6793 from a peer that has no need of it.
    #[error("is not for speakers of 4-octet AS numbers to send")]
    NotFromFourOctet,
    /// A well-known attribute we do not know.
    #[error("is well-known but not to us")]
    UnrecognizedWellKnown,
    /// Attributes in error without a reachable route: the routes may have been missed (RFC 7606 §5.2).
    #[error("attributes in error and no route to treat as withdrawn")]
    RoutesNotFound,
    /// Routes of a family this session does not carry.
    #[error("carries family {}/{}, which was not negotiated", .0.afi, .0.safi)]
    FamilyNotNegotiated(AfiSafi),
}

impl ParseError<&[u8]> for WireError {
    /// All readers are `complete`: the only thing they can miss is octets.
    fn from_error_kind(_: &[u8], _: ErrorKind) -> Self {
        Self::Truncated
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// What is done about a malformed attribute (RFC 7606 §2). The order is of severity: the worst wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Nothing: the attribute is good.
    Accept,
    /// The attribute is dropped, the routes stay.
    DiscardAttribute,
    /// The routes are withdrawn.
    TreatAsWithdraw,
    /// The session ends.
    Reset,
}

/// Something an UPDATE did wrong, and what was done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offence {
    /// The attribute's type code; 0 for the fields outside the attributes.
    pub attribute: u8,
    /// What was wrong.
    pub error: WireError,
    /// What was done about it.
    pub disposition: Disposition,
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "accepted",
            Self::DiscardAttribute => "discarded",
            Self::TreatAsWithdraw => "treated as withdrawn",
            Self::Reset => "session reset",
        })
    }
}

impl fmt::Display for Offence {
    /// Renders `ORIGIN (1): ends too early: treated as withdrawn`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = attribute::name(self.attribute);
        write!(f, "{name} ({}): {}: {}", self.attribute, self.error, self.disposition)
    }
}

/// A message that ends the connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The header is wrong.
    #[error("message header: {0}")]
    Header(#[from] HeaderFault),
    /// The OPEN is wrong.
    #[error("OPEN: {0}")]
    Open(#[from] OpenFault),
    /// The UPDATE is wrong beyond what RFC 7606 forgives.
    #[error("UPDATE: {}: {error}", attribute::name(*.attribute))]
    Update {
        /// The attribute's type code; 0 for the fields outside the attributes.
        attribute: u8,
        /// What is wrong.
        error: WireError,
        /// How a NOTIFICATION says it.
        subcode: UpdateError,
        /// What it shows of the attribute: type, length and value, as far as they came.
        data: Bytes,
    },
    /// The ROUTE-REFRESH has not four octets (RFC 7313 §5).
    #[error("ROUTE-REFRESH: body of {} octets", .body.len())]
    RouteRefresh {
        /// The body it had.
        body: Bytes,
    },
}

/// What is wrong with a message header (RFC 4271 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum HeaderFault {
    /// The marker is not all ones.
    #[error("the marker is not all ones")]
    Marker,
    /// The length is out of bounds or wrong for the type.
    #[error("length {0} is out of bounds")]
    Length(u16),
    /// There is no such type.
    #[error("there is no message type {0}")]
    Kind(u8),
}

/// What is wrong with an OPEN (RFC 4271 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum OpenFault {
    /// The fields or the optional parameters do not fit their lengths.
    #[error("malformed: {0}")]
    Malformed(#[from] WireError),
    /// Another version than 4.
    #[error("version {0}")]
    Version(u8),
    /// AS 0 (RFC 7607), AS_TRANS with nothing behind it, or a capability that names another AS than the fixed field.
    #[error("AS {field} in the fixed field, {capability:?} in the capability")]
    PeerAs {
        /// The AS of the 2-octet field.
        field: u16,
        /// The AS of the 4-octet capability.
        capability: Option<u32>,
    },
    /// Identifier 0 (RFC 6286).
    #[error("BGP identifier 0.0.0.0")]
    BgpId,
    /// A hold time of 1 or 2 seconds.
    #[error("hold time of {0} s")]
    HoldTime(u16),
    /// An optional parameter other than capabilities.
    #[error("optional parameter {0}")]
    Parameter(u8),
}

/// A message that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum EncodeError {
    /// Something is longer than its length field or the session allows.
    #[error("{field} of {actual} octets, at most {max} fit")]
    TooLarge {
        /// What is too long.
        field: &'static str,
        /// Its length, in octets.
        actual: usize,
        /// The length allowed, in octets.
        max: usize,
    },
    /// The next hop is of a family these routes cannot have on this session (RFC 4760, RFC 8950).
    #[error("the next hop is of a family that was not negotiated for the routes")]
    NextHop,
    /// An UPDATE that says nothing, which on the wire would say End-of-RIB.
    #[error("an UPDATE of nothing would say End-of-RIB")]
    Empty,
    /// One UPDATE cannot say all of it, whatever its length: two sets of attributes, or End-of-RIB and routes.
    #[error("one UPDATE cannot carry all of this")]
    Mixed,
}

impl From<&DecodeError> for Notification {
    /// Says what RFC 4271 §6, RFC 7606 and RFC 7313 §5 want said. Data that would not fit is cut.
    fn from(error: &DecodeError) -> Self {
        let (error, data) = match error {
            DecodeError::Header(fault) => header(*fault),
            DecodeError::Open(fault) => open(*fault),
            DecodeError::Update { subcode, data, .. } => (NotificationError::Update(*subcode), data.clone()),
            DecodeError::RouteRefresh { body } => {
                let error = NotificationError::RouteRefresh(RouteRefreshError::InvalidMessageLength);
                (error, whole_refresh(body))
            }
        };
        let room = MAX_MESSAGE - HEADER - 2;
        Self { error, data: data.slice(..data.len().min(room)) }
    }
}

fn header(fault: HeaderFault) -> (NotificationError, Bytes) {
    let (error, data) = match fault {
        HeaderFault::Marker => (HeaderError::ConnectionNotSynchronized, Bytes::new()),
        HeaderFault::Length(length) => {
            (HeaderError::BadMessageLength, Bytes::copy_from_slice(&length.to_be_bytes()))
        }
        HeaderFault::Kind(kind) => (HeaderError::BadMessageType, Bytes::copy_from_slice(&[kind])),
    };
    (NotificationError::Header(error), data)
}

fn open(fault: OpenFault) -> (NotificationError, Bytes) {
    let (error, data) = match fault {
        OpenFault::Malformed(_) => (OpenError::Unspecific, Bytes::new()),
        OpenFault::Version(_) => (OpenError::UnsupportedVersion, Bytes::from_static(&[0, 4])),
        OpenFault::PeerAs { .. } => (OpenError::BadPeerAs, Bytes::new()),
        OpenFault::BgpId => (OpenError::BadBgpIdentifier, Bytes::new()),
        OpenFault::HoldTime(_) => (OpenError::UnacceptableHoldTime, Bytes::new()),
        OpenFault::Parameter(_) => (OpenError::UnsupportedOptionalParameter, Bytes::new()),
    };
    (NotificationError::Open(error), data)
}

/// Puts the header back before a body: RFC 7313 wants the complete message shown.
fn whole_refresh(body: &Bytes) -> Bytes {
    let mut message = BytesMut::with_capacity(HEADER + body.len());
    message.put_bytes(0xFF, 16);
    message.put_u16(u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX));
    message.put_u8(5);
    message.put_slice(body);
    message.freeze()
}
