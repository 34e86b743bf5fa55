//! Helpers shared by the test files.

pub mod script;
