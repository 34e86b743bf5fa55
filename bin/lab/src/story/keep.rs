//! The rack stays up for somebody to look around in.

use std::thread::park;

use crate::rack::Rack;
use crate::screen::Screen;

/// Says how to look around and waits until the lab is ended (Ctrl-C), which takes everything down.
pub(super) fn look_around(screen: &Screen, rack: &Rack) {
    screen.line("\n  The rack stays up until Ctrl-C. From another terminal:\n");
    let lab = std::env::current_exe().unwrap_or_else(|_| "lab".into());
    for router in rack.routers() {
        let Some(process) = router.speaker().ok().and_then(|speaker| speaker.processes().last()) else {
            continue;
        };
        screen.line(format!("     # {}", router.namespace.name()));
        screen.line(format!(
            "     nsenter --preserve-credentials -U -t {0} -m -n sh        # then: ip route, ip link …",
            process.id()
        ));
    }
    let Ok(speaker) = rack.nodes[0].router.speaker() else { return };
    let Some(process) = speaker.processes().last() else { return };
    screen.line("     # what node-a says");
    let socket = speaker.directory().join("podbgpd.sock");
    let id = process.id();
    screen.line(format!(
        "     {} bgpctl --socket /proc/{id}/root{} show routes",
        lab.display(),
        socket.display()
    ));
    screen.line(format!(
        "     ls /proc/{id}/root{}        # configuration and log",
        speaker.directory().display()
    ));
    loop {
        park();
    }
}
