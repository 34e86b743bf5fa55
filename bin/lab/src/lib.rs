//! A rack in a box: two TORs, two nodes and their pods in network namespaces.
//!
//! The lower half is a harness that any test can stand on: namespaces held by a file descriptor ([`net`]),
//! child processes that cannot outlive us ([`process`]), probes that count every lost packet ([`probe`]) and
//! speakers, ours and other people's ([`speakers`]). None of it needs a program installed or leaves anything
//! behind. The upper half builds a rack of it ([`rack`]) and shows the main job happening there ([`story`]).

mod cli;
mod interrupt;
pub mod net;
pub mod probe;
pub mod process;
pub mod rack;
mod screen;
pub mod speakers;
pub mod story;
pub mod wait;

pub use cli::run;
