//! The podbgp daemon, as a library: what [`run`] does is what the binary does.
//!
//! ```text
//!   TCP ─► transport ─┐                                  ┌─► fib (own thread) ─► netlink
//!   unix ─► control ──┤ bounded channels ─► node ─► Speaker ─► Outputs ─┤
//!   http ─► metrics ──┤   (one task, no locks)  (pure)                  ├─► transport ─► TCP
//!   UDP ─► bfd ───────┤                                                 └─► bfd (own thread) ─► UDP
//!   https ─► kube ────┘
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`config`], [`check`] | the operator's file, with all its mistakes at once |
//! | [`intent`] | what this node should do, and the way from one intent to the next |
//! | [`speaker`] | decides: every state machine and the tables, as one value |
//! | [`drain`] | how peers are left without losing a packet |
//! | [`blast`] | what stays although the cluster suddenly no longer wants it |
//! | [`node`] | waits: the one task that owns the speaker |
//! | [`kube`] | the objects of a cluster as they come, whatever the API server does |
//! | [`hands`] | what on this machine fights with us |
//! | [`snapshot`] | what one run remembers for the next |
//! | [`tap`], [`stations`], [`mrt`] | what those get who look on: captures, monitoring stations, files |
//! | [`transport`], [`bfd`], [`unnumbered`], [`control`], [`metrics`] | carry: sockets of peers, operators, collectors |

pub mod addresses;
pub mod args;
pub mod bfd;
pub mod blast;
pub mod check;
pub mod config;
pub mod contact;
pub mod control;
pub mod drain;
pub mod hands;
pub mod history;
mod http;
mod kernel_views;
pub mod kube;
pub mod latency;
pub mod logging;
pub mod logind;
pub mod metrics;
pub mod mrt;
pub mod node;
pub mod report;
pub mod snapshot;
pub mod speaker;
pub mod stations;
pub mod tap;
pub mod transport;
pub mod unnumbered;

/// What this node should do; a crate of its own, since the cluster speaks it too.
pub use intent;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use tracing::{error, info, warn};

use args::Args;
use config::Facts;
use node::Node;

/// Which build this is: the version of the package, or what `PODBGP_VERSION` said when it was compiled.
pub const VERSION: &str = match option_env!("PODBGP_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
// With our name before it, it is told in OPENs, where 64 octets are allowed (draft-abraitis-bgp-version-capability).
const _: () = assert!(VERSION.len() <= 57, "PODBGP_VERSION has more than 57 octets");

/// Runs the daemon as its command line says, until a signal ends it.
///
/// Exit codes: 0 after a signal or a clean check, 1 for what went wrong while running, 2 for mistakes in the
/// command line or the configuration.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Nobody is left to tell when not even stderr can be written.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let facts = Facts::gather();
    let outcome = match args.check {
        true => check_only(&args, &facts),
        false => serve(&args, &facts),
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "podbgpd: {error:#}");
        ExitCode::FAILURE
    })
}

fn check_only(args: &Args, facts: &Facts) -> anyhow::Result<ExitCode> {
    let (mut out, mut problems) = (io::stdout(), io::stderr());
    let color = problems.is_terminal();
    let code = check::check(&args.config, args.against.as_deref(), facts, &mut out, &mut problems, color)?;
    Ok(ExitCode::from(code))
}

fn serve(args: &Args, facts: &Facts) -> anyhow::Result<ExitCode> {
    let config = match config::load(&args.config, facts) {
        Ok(config) => config,
        Err(refused) => {
            let color = io::stderr().is_terminal();
            return Ok(ExitCode::from(check::refuse(&refused, &mut io::stderr(), color)?));
        }
    };
    logging::start(args.log_format, args.log_level.as_deref())?;
    for warning in config.warnings.lines() {
        warn!(target: "config", "{warning}");
    }
    let node = &config.intent.node;
    info!(
        target: "node", version = VERSION,
        name = node.name,
        asn = %node.asn,
        router_id = %node.router_id,
        config = %args.config.display(),
        "starting"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let node = Node::open(args.config.clone(), config.intent).await?;
        node.run().await
    });
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            error!(target: "node", "{error:#}");
            Ok(ExitCode::FAILURE)
        }
    }
}
