//! The podbgp daemon.

pub mod addresses;
pub mod control;
mod http;
pub mod intent;
pub mod metrics;
pub mod node;
pub mod speaker;
pub mod transport;
