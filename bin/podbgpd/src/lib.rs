//! The podbgp daemon.
