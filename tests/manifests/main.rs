//! What is in `configs/kubernetes` is what the daemon needs, no less and no more.
//!
//! The files are read as the API server would: a field no type of Kubernetes has is a mistake. What takes `kubectl` or
//! `helm` says that it was skipped where they are not.

mod chart;
mod objects;
mod pod;
mod rights;
mod roles;
mod schemas;
mod status;
mod template;
mod tools;
