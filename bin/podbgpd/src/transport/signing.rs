//! What signs the segments of a peer, put on a socket and taken off again.

use std::io;
use std::os::fd::AsFd;

use ipnet::IpNet;

use super::{sockopt, tcp_ao};
use crate::intent::{AoKey, PeerIntent, Secret};

/// What signs segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// TCP MD5 with one key (RFC 2385).
    Md5(Secret),
    /// The TCP Authentication Option with several (RFC 5925), the one we ask the peer to use first. Never empty.
    Ao(Vec<AoKey>),
}

impl Signing {
    /// Returns what signs the segments of a peer, if anything.
    #[must_use]
    pub fn of(peer: &PeerIntent) -> Option<Self> {
        match &peer.password {
            Some(password) => Some(Self::Md5(password.clone())),
            None if peer.tcp_ao.is_empty() => None,
            None => Some(Self::Ao(peer.tcp_ao.clone())),
        }
    }

    fn md5(&self) -> Option<&Secret> {
        match self {
            Self::Md5(secret) => Some(secret),
            Self::Ao(_) => None,
        }
    }

    fn ao(&self) -> &[AoKey] {
        match self {
            Self::Ao(keys) => keys,
            Self::Md5(_) => &[],
        }
    }
}

/// Has a socket sign segments to and from a prefix in another way than before.
///
/// # Errors
/// What the kernel says.
pub(super) fn change(
    socket: &impl AsFd,
    of: IpNet,
    before: Option<&Signing>,
    wanted: Option<&Signing>,
) -> io::Result<()> {
    let md5 = |signing: Option<&Signing>| signing.and_then(Signing::md5).cloned();
    let ao = |signing: Option<&Signing>| signing.map_or_else(Vec::new, |signing| signing.ao().to_vec());
    match (md5(before), md5(wanted)) {
        (_, Some(wanted)) => sockopt::set_md5_key(socket, of, Some(wanted.reveal()))?,
        (Some(_), None) => sockopt::set_md5_key(socket, of, None)?,
        (None, None) => {}
    }
    tcp_ao::change(socket, of, &ao(before), &ao(wanted))
}

/// Checks that an incoming connection is signed as its peer's must be. A kernel that knows MD5 lets in nobody who
/// does not sign; one that does not know TCP-AO lets in everybody.
///
/// # Errors
/// Why the connection cannot be used.
pub(super) fn expect(socket: &impl AsFd, signing: Option<&Signing>) -> io::Result<()> {
    match signing {
        Some(Signing::Ao(_)) => tcp_ao::expect(socket),
        Some(Signing::Md5(_)) | None => Ok(()),
    }
}
