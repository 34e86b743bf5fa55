//! The rack stays up for somebody to look around in.

use std::thread::park;

use crate::net::Privilege;
use crate::rack::Rack;
use crate::screen::Screen;

/// Says how to look around and waits until the lab is ended (Ctrl-C), which takes everything down.
pub(super) fn look_around(screen: &Screen, rack: &Rack, privilege: Privilege) {
    let enter = match privilege {
        Privilege::Root => "nsenter",
        Privilege::UserNamespace => "nsenter --user --preserve-credentials",
    };
    screen.line(
        "\n  The rack stays up until Ctrl-C. From another terminal, inside a router (ip, tcpdump, ...):\n",
    );
    for router in rack.routers() {
        let process = router.speaker().ok().and_then(|speaker| speaker.processes().last());
        if let Some(process) = process {
            screen.line(format!(
                "     {enter} --mount --net --target {}     # {}",
                process.id(),
                router.namespace.name()
            ));
        }
    }
    show_node(screen, rack);
    loop {
        park();
    }
}

/// The private `/run` is seen from outside through the process.
fn show_node(screen: &Screen, rack: &Rack) {
    let Ok(speaker) = rack.nodes[0].router.speaker() else { return };
    let Some(process) = speaker.processes().last() else { return };
    let lab = std::env::current_exe().unwrap_or_else(|_| "lab".into());
    let directory = format!("/proc/{}/root{}", process.id(), speaker.directory().display());
    screen.line("\n  From outside:\n");
    screen.line(format!("     D={directory}"));
    screen.line(format!("     {} bgpctl --socket $D/podbgpd.sock show routes", lab.display()));
    screen.line("     cat $D/podbgpd.toml $D/podbgpd.log");
}
