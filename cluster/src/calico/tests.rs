//! Objects as text in, plans out.

mod blocks;
mod cluster;
mod configuration_fields;
mod coverage;
mod filter_fields;
mod peer_fields;
mod policies;
mod sessions;
mod world;
