//! NOTIFICATION: the last word on a connection, and why it was said.

use std::fmt;

use bytes::Bytes;

/// A NOTIFICATION (RFC 4271 §4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What went wrong.
    pub error: NotificationError,
    /// What the RFC asks to be sent along: the offending octets, a supported version, a shutdown message.
    pub data: Bytes,
}

macro_rules! subcodes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A subcode not assigned when this was written.
            Other(u8),
        }

        impl $name {
            /// Returns the subcode.
            #[must_use]
            pub fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }

            fn from_code(code: u8) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    other => Self::Other(other),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::Other(code) => write!(f, "subcode {code}"),
                }
            }
        }
    };
}

/// An error code with its subcode (RFC 4271 §4.5). Whatever two octets came, one variant keeps them.
///
/// <https://www.iana.org/assignments/bgp-parameters>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotificationError {
    /// Code 1.
    Header(HeaderError),
    /// Code 2.
    Open(OpenError),
    /// Code 3.
    Update(UpdateError),
    /// Code 4.
    HoldTimerExpired,
    /// Code 5.
    StateMachine(StateMachineError),
    /// Code 6.
    Cease(Cease),
    /// Code 7 (RFC 7313).
    RouteRefresh(RouteRefreshError),
    /// Code 8 (RFC 9687).
    SendHoldTimerExpired,
    /// Any other code.
    Other {
        /// The error code.
        code: u8,
        /// The error subcode.
        subcode: u8,
    },
}

subcodes! {
    /// Message header errors (RFC 4271 §6.1).
    HeaderError {
        /// No subcode fits.
        Unspecific = 0, "unspecific";
        /// The marker is not all ones.
        ConnectionNotSynchronized = 1, "connection not synchronized";
        /// The length is out of bounds, or wrong for the type.
        BadMessageLength = 2, "bad message length";
        /// There is no such message type.
        BadMessageType = 3, "bad message type";
    }
}

subcodes! {
    /// OPEN errors (RFC 4271 §6.2).
    OpenError {
        /// No subcode fits, as for an optional parameter that is malformed.
        Unspecific = 0, "unspecific";
        /// Not BGP-4; the data is the largest version we speak.
        UnsupportedVersion = 1, "unsupported version number";
        /// Not the AS we expect.
        BadPeerAs = 2, "bad peer AS";
        /// Zero, or our own on an internal session (RFC 6286).
        BadBgpIdentifier = 3, "bad BGP identifier";
        /// An optional parameter other than capabilities.
        UnsupportedOptionalParameter = 4, "unsupported optional parameter";
        /// One or two seconds, or not acceptable to us.
        UnacceptableHoldTime = 6, "unacceptable hold time";
        /// A capability we need is missing; the data lists it (RFC 5492 §5).
        UnsupportedCapability = 7, "unsupported capability";
        /// The two roles do not go together (RFC 9234).
        RoleMismatch = 11, "role mismatch";
    }
}

subcodes! {
    /// UPDATE errors that end a session (RFC 4271 §6.3 as revised by RFC 7606).
    UpdateError {
        /// No subcode fits.
        Unspecific = 0, "unspecific";
        /// The lists do not fit the message.
        MalformedAttributeList = 1, "malformed attribute list";
        /// An attribute that must be understood is not.
        UnrecognizedWellKnownAttribute = 2, "unrecognized well-known attribute";
        /// A mandatory attribute is missing.
        MissingWellKnownAttribute = 3, "missing well-known attribute";
        /// The flags contradict the type.
        AttributeFlags = 4, "attribute flags error";
        /// The length contradicts the type.
        AttributeLength = 5, "attribute length error";
        /// ORIGIN has no such value.
        InvalidOrigin = 6, "invalid ORIGIN attribute";
        /// NEXT_HOP is no host address.
        InvalidNextHop = 8, "invalid NEXT_HOP attribute";
        /// An optional attribute is malformed.
        OptionalAttribute = 9, "optional attribute error";
        /// A prefix is malformed.
        InvalidNetworkField = 10, "invalid network field";
        /// AS_PATH is malformed.
        MalformedAsPath = 11, "malformed AS_PATH";
    }
}

subcodes! {
    /// State machine errors: a message out of turn (RFC 6608).
    StateMachineError {
        /// No subcode fits.
        Unspecific = 0, "unspecific";
        /// The data is the type of the message.
        InOpenSent = 1, "unexpected message in OpenSent";
        /// The data is the type of the message.
        InOpenConfirm = 2, "unexpected message in OpenConfirm";
        /// The data is the type of the message.
        InEstablished = 3, "unexpected message in Established";
    }
}

subcodes! {
    /// Reasons to cease (RFC 4486, RFC 8538).
    Cease {
        /// No subcode fits.
        Unspecific = 0, "unspecific";
        /// More prefixes than agreed.
        MaximumPrefixes = 1, "maximum number of prefixes reached";
        /// An operator stopped the session; the data may say why (RFC 9003).
        AdministrativeShutdown = 2, "administrative shutdown";
        /// The peer was taken out of the configuration.
        PeerDeconfigured = 3, "peer de-configured";
        /// An operator restarted the session; the data may say why (RFC 9003).
        AdministrativeReset = 4, "administrative reset";
        /// The connection is not wanted now.
        ConnectionRejected = 5, "connection rejected";
        /// A change that needs a new session.
        OtherConfigurationChange = 6, "other configuration change";
        /// The other of two connections is kept (RFC 4271 §6.8).
        ConnectionCollision = 7, "connection collision resolution";
        /// Something ran out.
        OutOfResources = 8, "out of resources";
        /// Not even a graceful restart (RFC 8538).
        HardReset = 9, "hard reset";
        /// BFD saw the path go down (RFC 9384).
        BfdDown = 10, "BFD down";
    }
}

subcodes! {
    /// ROUTE-REFRESH errors (RFC 7313 §5).
    RouteRefreshError {
        /// The message is too short or too long; the data is the message.
        InvalidMessageLength = 1, "invalid message length";
    }
}

impl NotificationError {
    /// Returns the error code and subcode.
    #[must_use]
    pub fn codes(self) -> (u8, u8) {
        match self {
            Self::Header(error) => (1, error.code()),
            Self::Open(error) => (2, error.code()),
            Self::Update(error) => (3, error.code()),
            Self::HoldTimerExpired => (4, 0),
            Self::StateMachine(error) => (5, error.code()),
            Self::Cease(reason) => (6, reason.code()),
            Self::RouteRefresh(error) => (7, error.code()),
            Self::SendHoldTimerExpired => (8, 0),
            Self::Other { code, subcode } => (code, subcode),
        }
    }

    /// Returns the error of these codes.
    #[must_use]
    pub fn from_codes(code: u8, subcode: u8) -> Self {
        match (code, subcode) {
            (1, _) => Self::Header(HeaderError::from_code(subcode)),
            (2, _) => Self::Open(OpenError::from_code(subcode)),
            (3, _) => Self::Update(UpdateError::from_code(subcode)),
            (4, 0) => Self::HoldTimerExpired,
            (5, _) => Self::StateMachine(StateMachineError::from_code(subcode)),
            (6, _) => Self::Cease(Cease::from_code(subcode)),
            (7, _) => Self::RouteRefresh(RouteRefreshError::from_code(subcode)),
            (8, 0) => Self::SendHoldTimerExpired,
            _ => Self::Other { code, subcode },
        }
    }
}

impl fmt::Display for NotificationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(error) => write!(f, "message header error: {error}"),
            Self::Open(error) => write!(f, "OPEN error: {error}"),
            Self::Update(error) => write!(f, "UPDATE error: {error}"),
            Self::HoldTimerExpired => f.write_str("hold timer expired"),
            Self::StateMachine(error) => write!(f, "state machine error: {error}"),
            Self::Cease(reason) => write!(f, "cease: {reason}"),
            Self::RouteRefresh(error) => write!(f, "ROUTE-REFRESH error: {error}"),
            Self::SendHoldTimerExpired => f.write_str("send hold timer expired"),
            Self::Other { code, subcode } => write!(f, "error {code}/{subcode}"),
        }
    }
}

impl Notification {
    /// Makes a notification without data.
    #[must_use]
    pub fn new(error: NotificationError) -> Self {
        Self { error, data: Bytes::new() }
    }

    /// Makes a cease with a message for the operator at the other end (RFC 9003).
    ///
    /// Longer texts are cut to 255 octets, at a character.
    #[must_use]
    pub fn shutdown(reason: Cease, message: &str) -> Self {
        let end = message.floor_char_boundary(255);
        let text = message.get(..end).unwrap_or_default();
        let mut data = Vec::with_capacity(1 + text.len());
        if !text.is_empty() {
            data.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            data.extend_from_slice(text.as_bytes());
        }
        Self { error: NotificationError::Cease(reason), data: data.into() }
    }

    /// Wraps a notification so that it ends a graceful restart too (RFC 8538 §3).
    #[must_use]
    pub fn hard_reset(inner: &Self) -> Self {
        let (code, subcode) = inner.error.codes();
        let data = [&[code, subcode][..], &inner.data].concat();
        Self { error: NotificationError::Cease(Cease::HardReset), data: data.into() }
    }

    /// Tells whether routes must not be kept over this, whatever was negotiated.
    #[must_use]
    pub fn is_hard_reset(&self) -> bool {
        self.error == NotificationError::Cease(Cease::HardReset)
    }

    /// Returns the notification inside a Hard Reset, if there is one. It may be a Hard Reset again: nobody
    /// should follow that down, for a message holds thousands of them.
    #[must_use]
    pub fn encapsulated(&self) -> Option<Self> {
        let [code, subcode, ..] = *self.data else { return None };
        let error = NotificationError::from_codes(code, subcode);
        self.is_hard_reset().then(|| Self { error, data: self.data.slice(2..) })
    }

    /// Returns the operator's words in a cease, hard or not, with what is unprintable or no UTF-8 replaced; `None` when
    /// there are none or their length is wrong (RFC 9003 §2: malformed text never hurts).
    #[must_use]
    pub fn shutdown_message(&self) -> Option<String> {
        let Self { error, data } = self.encapsulated().unwrap_or_else(|| self.clone());
        let NotificationError::Cease(Cease::AdministrativeShutdown | Cease::AdministrativeReset) = error
        else {
            return None;
        };
        let (&length, text) = data.split_first()?;
        let text = text.get(..usize::from(length)).filter(|text| !text.is_empty())?;
        let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        Some(String::from_utf8_lossy(text).chars().map(printable).collect())
    }
}

impl From<NotificationError> for Notification {
    fn from(error: NotificationError) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        if let Some(inner) = self.encapsulated() {
            write!(f, ": {}", inner.error)?;
        }
        match self.shutdown_message() {
            Some(message) => write!(f, " (\"{message}\")"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_codes_survives() {
        for code in 0..=u8::MAX {
            for subcode in 0..=u8::MAX {
                assert_eq!(NotificationError::from_codes(code, subcode).codes(), (code, subcode));
            }
        }
    }

    #[test]
    fn a_shutdown_message_is_carried_and_cut_at_a_character() {
        let said = Notification::shutdown(Cease::AdministrativeShutdown, "rack 12 is moving");
        assert_eq!(said.shutdown_message().as_deref(), Some("rack 12 is moving"));
        let long = "é".repeat(200);
        let cut = Notification::shutdown(Cease::AdministrativeReset, &long);
        assert_eq!(cut.shutdown_message(), Some("é".repeat(127)));
    }

    #[test]
    fn a_hard_reset_shows_what_is_inside() {
        let said = Notification::shutdown(Cease::AdministrativeShutdown, "rack 12 is moving");
        let hard = Notification::hard_reset(&said);
        assert_eq!(hard.error.codes(), (6, 9));
        assert_eq!(hard.data.get(..3), Some(&[6, 2, 17][..]));
        assert_eq!(hard.encapsulated(), Some(said));
        let shown = hard.to_string();
        assert_eq!(shown, "cease: hard reset: cease: administrative shutdown (\"rack 12 is moving\")");
    }

    #[test]
    fn a_hard_reset_may_hold_nothing_and_only_a_hard_reset_holds_another() {
        let error = NotificationError::Cease(Cease::HardReset);
        for data in [&[][..], &[6]] {
            let hard = Notification { error, data: Bytes::copy_from_slice(data) };
            assert_eq!((hard.encapsulated(), hard.to_string()), (None, String::from("cease: hard reset")));
        }
        let data = Bytes::from_static(&[6, 2]);
        assert_eq!(Notification { error: NotificationError::HoldTimerExpired, data }.encapsulated(), None);
    }

    #[test]
    fn hard_resets_inside_hard_resets_are_not_followed() {
        let error = NotificationError::Cease(Cease::HardReset);
        let nested = Notification { error, data: [6, 9].repeat(30_000).into() };
        assert_eq!(nested.to_string(), "cease: hard reset: cease: hard reset");
    }

    #[test]
    fn a_malformed_shutdown_message_never_hurts() {
        for data in [&[][..], &[0], &[5, b'a'], &[255]] {
            let data = Bytes::copy_from_slice(data);
            let error = NotificationError::Cease(Cease::AdministrativeShutdown);
            assert_eq!(Notification { error, data }.shutdown_message(), None);
        }
        let error = NotificationError::Cease(Cease::AdministrativeShutdown);
        let shouted = Notification { error, data: Bytes::from_static(&[3, 0xFF, b'\n', b'x']) };
        assert_eq!(shouted.shutdown_message().as_deref(), Some("\u{FFFD}\u{FFFD}x"));
    }
}
