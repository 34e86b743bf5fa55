//! The podbgp daemon.

pub mod args;
pub mod check;
pub mod config;
pub mod intent;
pub mod logging;
