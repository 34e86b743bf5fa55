//! What the objects of a cluster mean for one node: objects in, one [`Intent`](intent::Intent) out.
//!
//! ```text
//!   watched objects ─► Event ─► Cluster ─► Plan: peers, originations, ownership, guard, drain, problems
//!   the kernel's routes ─────────►   │
//!   the time ────────────────────────┘     Plan::onto(the file's intent) ─► Intent ─► reconcile
//! ```
//!
//! There is no socket and no clock here: watching is the daemon's, time is an argument, and the same objects in any order
//! make the same plan. An object that is not understood is left out and named among the [`Problem`]s; it never takes
//! anything else with it. A list that arrives anew takes the place of the old one at its end, in one step, so that
//! neither a relist nor an outage of the API server withdraws anything.
//!
//! | module | what it knows |
//! |---|---|
//! | [`object`] | the fields of objects that are used, and nothing else of them |
//! | [`watch`] | which of them this node needs |
//! | [`event`], [`store`] | how they come, and which are there |
//! | [`cluster`] | all that is known, as one value |
//! | `blocks`, `services`, `leave`, `guard` | what follows from Kubernetes' own objects |
//! | `podbgp` | what follows from our own resources |
//! | [`calico`] | what follows from Calico's |
//! | `endpoints`, `damping` | how Services come and go |
//! | [`labels`] | Kubernetes' way to say which objects |
//! | [`selector`] | Calico's way to say which objects |
//! | [`plan`] | what comes out |

mod blocks;
pub mod calico;
pub mod cluster;
mod damping;
pub mod endpoints;
pub mod event;
mod guard;
pub mod labels;
pub mod leave;
pub mod object;
pub mod plan;
mod podbgp;
mod prefix;
pub mod selector;
mod services;
pub mod store;
#[cfg(test)]
mod testing;
pub mod watch;

pub use calico::{Interest, LocalWorkload};
pub use cluster::{AlienRoute, Cluster};
pub use event::{Event, Kind};
pub use object::Object;
pub use plan::{Plan, Problem};
pub use store::{Objects, Saved, Saving};
pub use watch::{Scope, Watch};
