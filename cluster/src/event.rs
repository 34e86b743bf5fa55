//! How objects come: one by one, or as a list that replaces what was there.

use crate::object::{Key, Object};

/// A kind of object that may matter to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1 Node`.
    Node,
    /// `v1 Service`.
    Service,
    /// `discovery.k8s.io/v1 EndpointSlice`.
    EndpointSlice,
    /// `v1 Secret`: those that hold passwords, by name.
    Secret,
    /// Calico's `BlockAffinity`.
    BlockAffinity,
    /// Calico's `IPPool`.
    IpPool,
    /// Calico's `BGPConfiguration`.
    BgpConfiguration,
    /// Calico's `BGPPeer`.
    CalicoPeer,
    /// Calico's `BGPFilter`.
    BgpFilter,
    /// `cilium.io/v2 CiliumNode`.
    CiliumNode,
    /// Our own `BGPPeer`.
    Peer,
    /// Our own `BGPAdvertisement`.
    Advertisement,
}

/// Something that happened to the objects of a kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A list begins. What was there stays in force until its [`End`](Self::End).
    Begin(Kind),
    /// An object is there, in a list that has begun or by itself.
    Apply(Object),
    /// An object is there and cannot be read, and why. It counts as if it were not there, and is named among the problems.
    Unreadable(Kind, Key, String),
    /// An object is gone. Of a Secret also: it was asked for and is not there.
    Delete(Kind, Key),
    /// The list is complete: what was not in it is gone. For a list that never began, what is there is all
    /// there is.
    End(Kind),
    /// The server does not know the kind: a complete and empty list, remembered as such.
    Absent(Kind),
}
