//! See the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    lab::run(std::env::args_os())
}
