//! Why packets were dropped.

use thiserror::Error;

/// Why a packet was dropped (RFC 5880 §6.8.6). The sender is never told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Discard {
    /// It came from farther away than the peer is (RFC 5881 §5).
    #[error("came over too many hops")]
    HopLimit,
    /// It is shorter than a control packet, or than it says.
    #[error("ends too early")]
    Truncated,
    /// It is not of version 1.
    #[error("is not of version 1")]
    Version,
    /// Its length is one no control packet has.
    #[error("has an impossible length")]
    Length,
    /// Its detection multiplier is zero.
    #[error("has a detection multiplier of zero")]
    Multiplier,
    /// It is of a multipoint session.
    #[error("is of a multipoint session")]
    Multipoint,
    /// Its sender has no discriminator.
    #[error("has no discriminator of its sender")]
    MyDiscriminator,
    /// It names no session of ours, which only a sender that has heard nothing from us may do.
    #[error("names no session although its sender has heard us")]
    YourDiscriminator,
    /// It is not authenticated as configured: not at all, by another key, or once more.
    #[error("is not authenticated as configured")]
    Authentication,
    /// We have no such session.
    #[error("belongs to no session")]
    UnknownSession,
}

impl Discard {
    const COUNT: usize = 10;

    /// Every reason.
    pub const ALL: [Self; Self::COUNT] = [
        Self::HopLimit,
        Self::Truncated,
        Self::Version,
        Self::Length,
        Self::Multiplier,
        Self::Multipoint,
        Self::MyDiscriminator,
        Self::YourDiscriminator,
        Self::Authentication,
        Self::UnknownSession,
    ];

    /// Returns the reason in one word, for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::HopLimit => "hop_limit",
            Self::Truncated => "truncated",
            Self::Version => "version",
            Self::Length => "length",
            Self::Multiplier => "multiplier",
            Self::Multipoint => "multipoint",
            Self::MyDiscriminator => "my_discriminator",
            Self::YourDiscriminator => "your_discriminator",
            Self::Authentication => "authentication",
            Self::UnknownSession => "unknown_session",
        }
    }
}

/// How many packets were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discards([u64; Discard::COUNT]);

impl Discards {
    /// Returns how many packets were dropped for a reason.
    #[must_use]
    pub fn of(&self, reason: Discard) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// Returns how many packets were dropped.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn count(&mut self, reason: Discard) {
        if let Some(counter) = self.0.get_mut(reason as usize) {
            *counter += 1;
        }
    }
}
