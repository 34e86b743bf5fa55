//! What an operator types.
