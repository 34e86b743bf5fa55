//! ExaBGP: sends what no router would.

use std::fs;
use std::net::IpAddr;
use std::process::Command;

use anyhow::Result;
use lab::process::Process;

use super::{OUR_ASN, Session};
use crate::rack::Rack;

/// An ExaBGP with one session and a list of announcements in its own syntax.
#[derive(Debug)]
pub struct Exabgp {
    process: Process,
}

impl Exabgp {
    /// What must be installed.
    pub const PROGRAMS: &[&str] = &["exabgp"];

    /// Starts it as the rack's peer `session.index`. Each route is a line such as
    /// `route 10.50.0.0/24 next-hop 10.9.0.2 attribute [0x63 0xc0 0x01020304]`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(rack: &Rack, session: &Session, routes: &[&str]) -> Result<Self> {
        let directory = rack.directory(&format!("peer{}", session.index));
        let file = directory.join("exabgp.conf");
        fs::write(&file, config(session, routes))?;
        let mut command = Command::new("exabgp");
        // Its own listener and its pipes are not wanted, and it would become nobody, who cannot read our directory.
        command.env("exabgp.daemon.user", "root").env("exabgp.tcp.bind", "").env("exabgp.api.cli", "false");
        command.env("exabgp.log.destination", "stdout").arg(&file);
        let process = Process::start(&rack.theirs[session.index], "exabgp", command, &directory)?;
        Ok(Self { process })
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn config(session: &Session, routes: &[&str]) -> String {
    let (local, remote): (IpAddr, IpAddr) = (session.local(), session.remote());
    let routes: String = routes.iter().map(|route| format!("    {route};\n")).collect();
    format!(
        "neighbor {remote} {{\n  router-id {id};\n  local-address {local};\n  local-as {asn};\n  peer-as {OUR_ASN};\n  \
         hold-time {hold};\n  family {{ ipv4 unicast; ipv6 unicast; }}\n  static {{\n{routes}  }}\n}}\n",
        id = session.router_id,
        asn = session.asn,
        hold = session.hold_time,
    )
}
