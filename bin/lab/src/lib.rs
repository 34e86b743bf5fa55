//! A rack in a box: two TORs, two nodes and their pods in network namespaces.
//!
//! The lower half is a harness that any test can stand on: namespaces held by a file descriptor ([`net`]),
//! child processes that cannot outlive us ([`process`]), probes that count every lost packet ([`probe`]) and
//! other people's BGP speakers ([`speakers`]). None of it needs a program installed or leaves anything behind.

pub mod net;
pub mod probe;
pub mod process;
pub mod speakers;
pub mod wait;
