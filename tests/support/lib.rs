//! Helpers shared by the test files.

pub mod netns;
pub mod script;
