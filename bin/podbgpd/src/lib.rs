//! The podbgp daemon.

pub mod control;
mod http;
pub mod metrics;
