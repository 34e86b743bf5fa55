//! `podbgpd` and the kernel: what happens when one of them is disturbed.

fn main() {}
