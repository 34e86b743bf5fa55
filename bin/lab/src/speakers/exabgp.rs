//! ExaBGP: sends what no router would.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::{SpeakerConfig, command};
use crate::net::Namespace;
use crate::process::Process;

/// An ExaBGP that says what it is told, in its own syntax, and is asked nothing. Dropping it kills it.
#[derive(Debug)]
pub struct Exabgp {
    _process: Process,
}

impl Exabgp {
    /// What must be installed.
    pub const PROGRAMS: &[&str] = &["exabgp"];

    /// Starts it. Each route, told to every neighbor, is a line such as
    /// `route 10.50.0.0/24 next-hop 10.9.0.2 attribute [0x63 0xc0 0x01020304]`; nothing else is announced.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(
        namespace: &Namespace,
        config: &SpeakerConfig,
        routes: &[&str],
        directory: &Path,
    ) -> Result<Self> {
        let file = directory.join("exabgp.conf");
        std::fs::write(&file, configuration(config, routes))?;
        let mut command = command("exabgp")?;
        // Its own listener and its pipes are not wanted, and it would become nobody, who cannot read our directory.
        command.env("exabgp.daemon.user", "root").env("exabgp.tcp.bind", "").env("exabgp.api.cli", "false");
        command.env("exabgp.log.destination", "stdout").arg(&file);
        Ok(Self { _process: Process::start(namespace, "exabgp", command, directory)? })
    }
}

fn configuration(config: &SpeakerConfig, routes: &[&str]) -> String {
    let routes: String = routes.iter().map(|route| format!("    {route};\n")).collect();
    let mut text = String::new();
    for neighbor in &config.neighbors {
        let _ = writeln!(
            text,
            "neighbor {} {{\n  router-id {};\n  local-as {};\n  peer-as {};\n  hold-time {};\n  \
             family {{ ipv4 unicast; ipv6 unicast; }}\n  static {{\n{routes}  }}",
            neighbor.address, config.router_id, config.asn, neighbor.asn, neighbor.hold_time
        );
        if let Some(local) = neighbor.local_address {
            let _ = writeln!(text, "  local-address {local};");
        }
        text.push_str("}\n");
    }
    text
}
