//! The podbgp daemon; see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    podbgpd::run(std::env::args_os())
}
