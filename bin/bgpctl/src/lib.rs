//! What an operator types: asks `podbgpd` over its control socket, and shows the answer as text or JSON.
//!
//! All knowledge is in the daemon; [`control`] is the language. Here are the words of the command line
//! (`args`), the [`Client`], and one function for each view and format (`render`).
//!
//! # Exit codes
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done, and all is well |
//! | 1 | not done: no daemon, a wrong argument, a refused request |
//! | 2 | done, but something is wrong: `show status` or `show peers` says that something is down, or `reload` that |
//! |   | something in the new file cannot be had |

mod args;
pub mod client;
mod observe;
mod pcap;
mod render;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use control::{
    ActionView, ApprovedView, ClusterView, DrainStatusView, HistoryView, PeerState, PeerView, PolicyTestView,
    ReloadView, Request, StatusView, Verdict,
};

use args::{Args, Command, Dump, Format};
pub use client::{Client, ClientError};
use render::text::{self, Screen};
use render::{json, screen};

const FINE: u8 = 0;
const ERROR: u8 = 1;
const DEGRADED: u8 = 2;

/// Runs `bgpctl` with these arguments, the first of which is the program's name.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(usage) => {
            // Help that was asked for is an answer; a terminal that cannot take it has nothing to be told.
            let _ = usage.print();
            return ExitCode::from(if usage.use_stderr() { ERROR } else { FINE });
        }
    };
    let code = obey(args).unwrap_or_else(|failure| {
        complain(&failure);
        ERROR
    });
    ExitCode::from(code)
}

/// Why the command was not carried out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error("cannot write to {}: {error}", file.display())]
    File { file: PathBuf, error: io::Error },
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    #[error("cannot write the answer as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

fn complain(failure: &Failure) {
    let mut message = format!("bgpctl: {failure}\n");
    if let Failure::Client(ClientError::Refused(view)) = failure
        && let Some(hint) = &view.hint
    {
        message.push_str(&format!("hint: {hint}\n"));
    }
    // If even the complaint cannot be written, the exit code still tells.
    let _ = io::stderr().write_all(text::plain(&message).as_bytes());
}

fn obey(args: Args) -> Result<u8, Failure> {
    let client = Client::new(&args.socket);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    let done = match args.command {
        Command::Capture(wanted) => {
            runtime.block_on(observe::capture(&client, &wanted, args.format)).map(|()| FINE)
        }
        Command::Dump(Dump::Mrt { file }) => runtime.block_on(observe::dump(&client, &file)).map(|()| FINE),
        Command::Asking(asking) => {
            let screen = screen(args.format);
            Session { client, runtime, format: args.format, screen }.show(&asking.request())
        }
    };
    match done {
        // Whoever reads us has seen enough, as in `bgpctl show routes | head`.
        Err(Failure::Output(error) | Failure::Client(ClientError::Output(error)))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            Ok(FINE)
        }
        other => other,
    }
}

struct Session {
    client: Client,
    runtime: tokio::runtime::Runtime,
    format: Format,
    screen: Screen,
}

impl Session {
    fn show(&self, request: &Request) -> Result<u8, Failure> {
        match request {
            Request::Status => {
                let view: StatusView = self.ask(request)?;
                self.print(&view, text::status)?;
                Ok(if view.verdict == Verdict::Ok { FINE } else { DEGRADED })
            }
            Request::Peers => {
                let peers: Vec<PeerView> = self.ask(request)?;
                self.print(&peers, |peers, screen| text::peers(peers, screen))?;
                Ok(verdict(&peers))
            }
            Request::Peer { .. } => {
                let peer: PeerView = self.ask(request)?;
                self.print(&peer, text::peer)?;
                Ok(verdict(&[peer]))
            }
            Request::Routes(query) => {
                if self.format == Format::Json {
                    self.runtime.block_on(self.client.copy(request, &mut io::stdout().lock()))?;
                } else {
                    let routes = text::routes(query, &self.body(request)?, &self.screen)?;
                    print(&routes)?;
                }
                Ok(FINE)
            }
            Request::PolicyTest(_) => {
                let view: PolicyTestView = self.ask(request)?;
                self.print(&view, text::policy_test)?;
                Ok(FINE)
            }
            Request::History(_) => {
                let view: HistoryView = self.ask(request)?;
                self.print(&view, text::history)?;
                Ok(FINE)
            }
            Request::Cluster => {
                let view: ClusterView = self.ask(request)?;
                self.print(&view, text::cluster)?;
                let fine =
                    view.stale_since.is_none() && view.held.is_none() && view.plan_age_seconds.is_some();
                Ok(if fine { FINE } else { DEGRADED })
            }
            Request::Approve => {
                let view: ApprovedView = self.ask(request)?;
                self.print(&view, text::approved)?;
                Ok(if view.held.is_none() { FINE } else { DEGRADED })
            }
            Request::Reload => {
                let view: ReloadView = self.ask(request)?;
                self.print(&view, text::reload)?;
                Ok(match (view.applied, view.errors.is_empty()) {
                    (false, _) => ERROR,
                    (true, false) => DEGRADED,
                    (true, true) => FINE,
                })
            }
            Request::PeerAction { .. } => {
                let view: ActionView = self.ask(request)?;
                self.print(&view, text::action)?;
                Ok(FINE)
            }
            // Neither is a view; see `observe`.
            Request::Capture { .. } | Request::Dump { .. } => Ok(FINE),
            Request::Drains
            | Request::DrainStart { .. }
            | Request::DrainCancel { .. }
            | Request::Shutdown { .. } => {
                let view: DrainStatusView = self.ask(request)?;
                self.print(&view, text::drains)?;
                Ok(FINE)
            }
        }
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        Ok(self.runtime.block_on(self.client.ask(request))?)
    }

    fn body(&self, request: &Request) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        self.runtime.block_on(self.client.copy(request, &mut body))?;
        Ok(body)
    }

    fn print<T: serde::Serialize>(
        &self,
        view: &T,
        as_text: impl Fn(&T, &Screen) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => print(&json(view)?)?,
            Format::Text | Format::Wide => print(&as_text(view, &self.screen))?,
        }
        Ok(())
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A peer the operator holds down is as it should be.
fn verdict(peers: &[PeerView]) -> u8 {
    let down = |peer: &PeerView| peer.state != PeerState::Established && !peer.administratively_down;
    if peers.iter().any(down) { DEGRADED } else { FINE }
}
