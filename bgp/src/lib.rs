//! BGP-4 as a value: bytes and time in, bytes and routes out.
//!
//! This crate decides everything the protocol decides and waits for nothing. It opens no socket, reads no
//! clock, starts no thread and logs no line: time is an argument, bytes are arguments, and what should
//! happen comes back as values. Whatever a peer sends, nothing here panics.
//!
//! | module | what it holds |
//! |---|---|
//! | [`message`], [`capability`], [`notification`], [`attributes`] | what is said: typed, with nothing left to validate |
//! | [`wire`] | how it is written: octets to messages and back (RFC 4271 §4, RFC 7606) |
//! | [`fsm`] | when it is said: the state machine of RFC 4271 §8 |
//! | [`bfd`] | whether the path still works: a protocol of its own, RFC 5880 |
//!
//! RFCs: 1997, 2918, 4271, 4360, 4456 (attributes), 4486, 4724 §3 and §5, 4760, 5492, 6286, 6608, 6793, 7313,
//! 7606, 7607, 7911, 8092, 8538, 8654, 8950, 9003, 9072, 9234, 9384, 9494 §3, 9687; of BFD 5880, 5881, 5883.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod as_path;
pub mod asn;
pub mod attributes;
pub mod bfd;
pub mod bgp_id;
pub mod bmp;
pub mod capability;
pub mod community;
pub mod family;
pub mod fsm;
pub mod hold_time;
mod jitter;
pub mod message;
pub mod mrt;
pub mod notification;
pub mod role;
pub mod wire;

pub use as_path::AsPath;
pub use asn::Asn;
pub use attributes::{NextHop, PathAttributes};
pub use bgp_id::BgpId;
pub use capability::{Capability, Negotiated};
pub use community::{Community, ExtendedCommunity, LargeCommunity};
pub use family::{Family, FamilySet};
pub use hold_time::HoldTime;
pub use message::{Announcement, Message, Nlri, Open, Update};
pub use notification::Notification;
pub use role::Role;
