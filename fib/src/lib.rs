//! Kernel routes: a pure planner and one narrow netlink door.
//!
//! The daemon says what it wants; this crate makes the kernel agree, and keeps it that way when somebody
//! deletes or changes a route of ours, or a link goes down and comes back.
//!
//! ```text
//!   Command ──▶ sync ──▶ Table (pure): wanted, installed ──▶ plan ──▶ Op ──▶ netlink ──▶ kernel
//!   Event   ◀──  │  ◀── done(outcome) ◀────────────────────────────────────  answers
//!                │  ◀── observe(KernelEvent), resync ◀─────────────────────  notifications, dumps
//!                └── resolve: how each tracked next hop is reached
//! ```
//!
//! **Whose routes.** Ours carry our protocol number, in our table. Nothing else is ever touched: a route of
//! somebody else with our table, prefix and metric is reported as a conflict and ours waits.
//!
//! **Start and stop.** At the start the routes of an earlier run are adopted; those nobody claims are deleted
//! once [`Command::Converged`] is told. At the end routes stay. A run with another protocol number or table
//! does not know the routes of this one.
//!
//! **Many routes, few ways out.** Routes that want the same next hops hang on one nexthop group of the kernel
//! ([`NextHopGroups`] says from how many on), so that the loss of a next hop is one message: the deletion of its
//! object, which shrinks every group of it. [`FibHandle::lose`] does that ahead of all waiting commands, and what
//! is wanted later finds the kernel right already. A next hop also drops out of all wishes while its interface is
//! down or the kernel refuses its object. It drops out only where something is left; a route's only next hop stays.
//!
//! **Passing through.** [`Command::Transit`] names destinations for which packets that pass through are dropped, while
//! the node may send to them: a table of its own, and a rule ahead of `main`.
//!
//! **Truth.** "Installed" is what the kernel confirmed by an answer, a notification or a dump.
//!
//! Map: [`FibRoute`] and its parts are the vocabulary; [`Table`] decides; [`spawn`] starts the thread that
//! carries messages; [`Resolution`] is the answer about next hops; [`watch()`] tells of what ends sessions, [`aliens()`] of what others
//! have in the main table.

mod aliens;
mod error;
mod handle;
mod message;
mod netlink;
mod plan;
mod resolve;
mod route;
mod sync;
mod table;
mod transit;
mod watch;

pub use aliens::{AlienRoute, Aliens, Interest, aliens};
pub use error::{Error, WriteError};
pub use handle::{
    Change, Command, Event, FibHandle, Filter, Link, Refusal, RouteState, RouteStatus, Snapshot, Stats, spawn,
};
pub use plan::{Action, Member, NextHopOp, Op, RouteOp};
pub use resolve::{Gateway, Resolution, Unreachable};
pub use route::{FibRoute, FibSettings, NextHop, NextHopGroups, NextHopSet, Target};
pub use table::{Drift, KernelEvent, KernelNextHop, KernelRoute, NextHopEvent, NextHopKind, Outcome, Table};
pub use watch::{Address, Sight, Watch, watch};
