//! The command line.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::interrupt;
use crate::net::{Privilege, enter};
use crate::speakers::Kind;
use crate::story::Story;

/// Where the rack's files are: in the private `/run` of [`enter`], so that they are gone with us.
const DIRECTORY: &str = "/run/podbgp-lab";

/// Builds two TORs, two nodes and their pods in network namespaces and shows podbgp doing its job in them.
///
/// Ends by itself with a verdict: exit code 0 when every check passed, 1 when one failed, 2 when the rack cannot be
/// built here, 130 after Ctrl-C. Nothing is left behind, however it ends.
#[derive(Debug, Parser)]
#[command(name = "lab", version)]
struct Arguments {
    /// Who plays the TORs.
    #[arg(long, value_enum, default_value_t = TorKind::Podbgp)]
    tor: TorKind,
    /// Leave the rack up at the end, until Ctrl-C, and say how to look around.
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TorKind {
    Podbgp,
    Bird,
    Frr,
    Gobgp,
}

impl From<TorKind> for Kind {
    fn from(tor: TorKind) -> Self {
        match tor {
            TorKind::Podbgp => Self::Podbgp,
            TorKind::Bird => Self::Bird,
            TorKind::Frr => Self::Frr,
            TorKind::Gobgp => Self::Gobgp,
        }
    }
}

/// Runs the lab with a whole command line. To be called first thing in `main`, while there is one thread.
///
/// The lab is its own `podbgpd` and `bgpctl`: it starts itself again with one of these words in front.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    match arguments.get(1).and_then(|word| word.to_str()) {
        Some("podbgpd") => podbgpd::run(arguments.into_iter().skip(1)),
        Some("bgpctl") => bgpctl::run(arguments.into_iter().skip(1)),
        _ => {
            let arguments = Arguments::parse_from(arguments);
            match tell(&arguments) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => {
                    complain(&error);
                    ExitCode::from(2)
                }
            }
        }
    }
}

fn tell(arguments: &Arguments) -> Result<bool> {
    let tor = Kind::from(arguments.tor);
    tor.installed()?;
    let privilege: Privilege = enter()?;
    interrupt::heed()?;
    Story { tor, keep: arguments.keep }.tell(privilege, Path::new(DIRECTORY))
}

#[allow(clippy::print_stderr)]
fn complain(error: &anyhow::Error) {
    eprintln!("lab: {error:#}");
}
