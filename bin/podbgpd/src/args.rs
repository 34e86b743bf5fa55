//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::logging::Format;

/// Advertises this node's pod blocks to its switches and learns the way to everybody else's.
#[derive(Clone, Debug, Parser)]
#[command(name = "podbgpd", version = crate::VERSION)]
pub struct Args {
    /// The file that says what this node should do.
    #[arg(long, value_name = "FILE", default_value = "/etc/podbgp/podbgpd.toml")]
    pub config: PathBuf,

    /// Only check the file: report all mistakes and end (exit code 0: fine, 2: mistakes).
    #[arg(long)]
    pub check: bool,

    /// With --check: also show what a reload from OLDFILE would change, and what it would cost.
    #[arg(long, value_name = "OLDFILE", requires = "check")]
    pub against: Option<PathBuf>,

    /// How to write log lines.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub log_format: Format,

    /// What to log: a level, or levels per part, such as `info,session=debug`;
    /// the parts are node, session, bfd, config, control and fib
    /// [default: $PODBGP_LOG, then info].
    #[arg(long, value_name = "LEVELS")]
    pub log_level: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn comparing_needs_checking() {
        assert!(Args::try_parse_from(["podbgpd", "--against", "old.toml"]).is_err());
        let args = Args::try_parse_from(["podbgpd", "--check", "--against", "old.toml"]).unwrap();
        assert_eq!(args.against, Some(PathBuf::from("old.toml")));
    }
}
