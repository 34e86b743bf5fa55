//! The podbgp daemon.

pub mod intent;
