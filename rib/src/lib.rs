//! Routing tables as a value: Adj-RIB-In, Loc-RIB, Adj-RIB-Out, decision and policy.
//!
//! Routes and local prefixes go in; best paths, adverts and forwarding come out. Nothing here opens a
//! socket, reads a clock or waits: [`Rib`] is called by whoever owns it, and consumers pull from it.
//!
//! ```text
//!   update ──► received ──import──► accepted ──decision──► standing
//!              (Adj-RIB-In)         (or the reason why not)   │ best, multipath, lost and why
//!              └───────────── one record a path ──────────────┘
//!                                                             │ pending, a set per consumer
//!                             pull_forwarding ◄───────────────┼──────────────► pull(peer) ──► Adj-RIB-Out
//! ```
//!
//! The one surprise: nothing is computed for a consumer until it asks. A change only puts a destination into
//! the consumer's pending set; what to say about it is worked out at pull time and compared with what was
//! said last. A slow consumer therefore sees the newest state and costs no memory.
//!
//! | module | what it holds |
//! |---|---|
//! | [`rib`] | the tables: what happens to a route |
//! | [`path`] | one path of a destination, and how it stands |
//! | [`decision`] | the choice among paths (RFC 4271 §9.1.2) |
//! | [`import`], [`export`], [`policy`] | what may come in and go out, and in which shape |
//! | [`drain`] | how a session is left before it ends |
//! | [`peer`] | what the tables must know of a peer |
//! | [`adj_rib_out`] | what was advertised |
//! | `update_group`, `member` | who is told the same, and what only one of them is told |
//! | [`history`] | what is told of best paths that changed |
//! | [`forwarding`], [`next_hop`] | the kernel's side: which routes, through what |
//! | [`monitor`] | whole tables and their changes, for those who only look on |
//! | [`origination`], [`guard`] | the prefixes that are ours, and those nobody may announce to us |
//! | [`ownership`] | which learned routes others write to the kernel |
//! | [`own_as`] | our own AS in AS paths |
//! | [`view`] | borrowed views for whoever asks |
//!
//! RFCs: 1997, 2545, 4271 §5, §6.3 and §9, 4456, 4724 §4.2, 7705, 7311, 7911, 7947 §2.2.1, 7999, 8212, 8326, 8950, 9494.

#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

pub mod adj_rib_out;
pub mod decision;
mod destinations;
pub mod drain;
pub mod export;
pub mod forwarding;
pub mod guard;
pub mod history;
pub mod import;
mod member;
pub mod monitor;
pub mod next_hop;
pub mod origination;
pub mod own_as;
pub mod ownership;
mod pages;
pub mod path;
pub mod peer;
mod pending;
pub mod policy;
mod pool;
pub mod rib;
mod roles;
mod update_group;
pub mod view;
mod weights;

pub use adj_rib_out::{Advert, Adverts};
pub use decision::Reason;
pub use drain::{Drain, Lowered, Marks};
pub use export::{Export, Withheld};
pub use forwarding::{Forwarding, ForwardingChange, Gateway, Weighted};
pub use guard::{Guard, Guarded};
pub use history::{BestChange, Cause};
pub use import::{Import, RejectReason, Safe};
pub use monitor::{Monitor, Table};
pub use next_hop::{NextHopChanges, Resolution};
pub use origination::{KernelRoute, Origination};
pub use own_as::OwnAs;
pub use ownership::{Hand, Ownership, RouteMetric, Unwritten};
pub use path::{PeerId, Source, Staleness, Standing};
pub use peer::{AddPath, NextHopMode, NextHopSelf, PeerCounts, PeerInfo};
pub use policy::Policy;
pub use rib::{Received, Rib, RibSettings, Stats, Step, Trial};
pub use view::{DestinationView, PathView};
