//! Peers: a line for each, or one in full.

use control::{BfdView, DrainStage, PeerFamilyView, PeerState, PeerView, TimersView};

use super::drain::stage;
use super::restart;
use super::table::{Column, Table, numbers, texts, words};
use super::words::{bfd_state, duration, family, last_error, millis, moment, or_dash, peer_state, yes};
use super::{Screen, fact, finish, one_line};

/// Renders `show peers`: a line for each.
pub(crate) fn peers(peers: &[PeerView], screen: &Screen) -> String {
    if peers.is_empty() {
        return "no peers are configured\n".to_owned();
    }
    let mut columns = vec![
        words("NAME"),
        words("ADDRESS"),
        numbers("AS"),
        words("STATE"),
        numbers("UPTIME"),
        numbers("RX"),
        numbers("ACC"),
        numbers("BEST"),
        numbers("TX"),
    ];
    if screen.wide {
        columns.extend(wide_columns());
    }
    columns.push(texts("LAST-ERROR"));
    let mut table = Table::new(columns);
    for peer in peers {
        let mut cells = vec![
            peer.name.clone(),
            address(peer),
            or_dash(peer.asn),
            in_brief(peer),
            duration(peer.state_seconds),
        ];
        cells.extend(totals(peer).map(|count| count.to_string()));
        if screen.wide {
            cells.extend(wide_cells(peer));
        }
        cells.push(or_dash(peer.last_error.as_ref().map(last_error)));
        table.row(cells);
    }
    finish(&table.render(screen, ""), screen)
}

/// Says the state of a peer in one word: of one that is drained how far that is, unless there is no session to drain.
fn in_brief(peer: &PeerView) -> String {
    match peer.drain {
        Some(drained) if peer.state == PeerState::Established || drained == DrainStage::Closed => {
            stage(drained)
        }
        _ => peer_state(peer.state, peer.administratively_down),
    }
}

/// Sums received, accepted, best and advertised over the families.
fn totals(peer: &PeerView) -> [u64; 4] {
    let sum = |count: fn(&control::PeerFamilyView) -> u64| peer.families.iter().map(count).sum();
    [
        sum(|family| family.received),
        sum(|family| family.accepted),
        sum(|family| family.best),
        sum(|family| family.advertised),
    ]
}

fn wide_columns() -> [Column; 16] {
    [
        words("HOSTNAME"),
        numbers("LOCAL-AS"),
        words("ROLE"),
        words("ROUTER-ID"),
        words("LOCAL-ADDRESS"),
        numbers("HOLD"),
        numbers("LEFT"),
        numbers("RTT"),
        numbers("RESENT"),
        numbers("FLAPS"),
        numbers("MSGS-RX"),
        numbers("MSGS-TX"),
        words("MD5"),
        words("BFD"),
        words("RESTART"),
        words("DESCRIPTION"),
    ]
}

fn wide_cells(peer: &PeerView) -> [String; 16] {
    [
        or_dash(peer.hostname.as_deref().map(one_line)),
        peer.local_asn.to_string(),
        or_dash(peer.role.as_deref()),
        or_dash(peer.router_id),
        or_dash(peer.local_address),
        or_dash(peer.timers.hold_time_seconds.map(duration)),
        or_dash(peer.timers.hold_remaining_seconds.map(moment)),
        or_dash(peer.rtt_seconds.map(round_trip)),
        or_dash(peer.retransmissions),
        peer.flaps.to_string(),
        peer.messages.received.total().to_string(),
        peer.messages.sent.total().to_string(),
        yes(peer.md5).to_owned(),
        or_dash(peer.bfd.as_ref().map(|bfd| bfd_state(bfd.state))),
        or_dash(peer.graceful_restart.as_ref().and_then(restart::in_brief)),
        or_dash(peer.description.as_deref().map(one_line)),
    ]
}

fn address(peer: &PeerView) -> String {
    match &peer.interface {
        // Nobody was heard there yet.
        Some(interface) if peer.address.is_unspecified() => interface.clone(),
        Some(interface) => format!("{}%{interface}", peer.address),
        None => peer.address.to_string(),
    }
}

fn round_trip(seconds: f64) -> String {
    format!("{:.2}ms", seconds * 1000.0)
}

/// Renders `show peers NAME`: all there is to know.
pub(crate) fn peer(peer: &PeerView, screen: &Screen) -> String {
    let mut text = peer.name.clone();
    if let Some(description) = &peer.description {
        text.push_str(&format!(" ({})", one_line(description)));
    }
    text.push('\n');
    session(&mut text, peer);
    for section in [families(peer), rejects(peer), messages(peer), capabilities(peer)] {
        if !section.is_empty() {
            text.push('\n');
            text.push_str(&section.render(screen, "  "));
        }
    }
    finish(&text, screen)
}

fn session(text: &mut String, peer: &PeerView) {
    let state = peer_state(peer.state, peer.administratively_down);
    fact(text, "State", format!("{state} for {}", duration(peer.state_seconds)));
    if let Some(drained) = peer.drain {
        fact(text, "Drain", stage(drained));
    }
    fact(text, "Last error", peer.last_error.as_ref().map_or("none".to_owned(), last_error));
    let mut ends = format!("{} port {}", address(peer), peer.port);
    if let Some(local) = peer.local_address {
        ends.push_str(&format!(", from {local}"));
    }
    if peer.passive {
        ends.push_str(", passive: the peer connects");
    }
    fact(text, "Address", ends);
    fact(text, "AS", autonomous_systems(peer));
    if let Some(role) = &peer.role {
        fact(text, "Role", format!("we are {role}"));
    }
    if let Some(hostname) = &peer.hostname {
        fact(text, "Host name", one_line(hostname));
    }
    if let Some(version) = &peer.software_version {
        fact(text, "Software", one_line(version));
    }
    if let Some(range) = &peer.range {
        fact(text, "Range", one_line(range));
    }
    if peer.max_prefixes_exceeded {
        fact(text, "Kept away", kept_away(peer));
    }
    fact(text, "Router ID", peer.router_id.map_or("not known yet".to_owned(), |id| id.to_string()));
    fact(text, "Policy", format!("import {}, export {}", peer.import, peer.export));
    if let Some(cluster) = peer.cluster_id {
        fact(text, "Reflection", format!("a client of ours, cluster {cluster}"));
    }
    if peer.next_hop != "auto" {
        fact(text, "Next hop", peer.next_hop.clone());
    }
    if peer.surplus_paths > 0 {
        fact(text, "Paths refused", format!("{}, beyond the limit of a prefix", peer.surplus_paths));
    }
    let protections = [(peer.md5, "TCP MD5"), (peer.tcp_ao, "TCP-AO"), (peer.ttl_security, "TTL security")];
    let protections: Vec<&str> = protections.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    let protection = if protections.is_empty() { "none".to_owned() } else { protections.join(", ") };
    fact(text, "Protection", protection);
    fact(text, "Timers", timers(&peer.timers, peer.state));
    if let Some(rtt) = peer.rtt_seconds {
        let resent = peer.retransmissions.map(|resent| format!(", {resent} segments sent again"));
        fact(text, "Round trip", round_trip(rtt) + &resent.unwrap_or_default());
    }
    fact(text, "Sessions lost", peer.flaps.to_string());
    let malformed = &peer.malformed;
    if malformed.treat_as_withdraw + malformed.attribute_discard > 0 {
        let (withdrawn, discarded) = (malformed.treat_as_withdraw, malformed.attribute_discard);
        let said = format!("UPDATEs: {withdrawn} taken as withdrawal, {discarded} lost an attribute");
        fact(text, "Malformed", said);
    }
    let unrefreshed: u64 = peer.families.iter().map(|family| family.unrefreshed).sum();
    if unrefreshed > 0 {
        fact(text, "Refresh", format!("{unrefreshed} routes are not said again yet"));
    }
    if let Some(bfd) = &peer.bfd {
        watched(text, bfd);
    }
    if let Some(restart) = &peer.graceful_restart {
        restart::peer(text, restart);
    }
}

/// Says both AS numbers, and how the peer's came about if the configuration leaves it open.
fn autonomous_systems(peer: &PeerView) -> String {
    let kind = if peer.internal { "iBGP" } else { "eBGP" };
    let rule = match peer.asn_rule.parse::<u32>() {
        Ok(_) => String::new(),
        Err(_) => format!(", any {} one will do", one_line(&peer.asn_rule)),
    };
    let asn = peer.asn.map_or("not known yet".to_owned(), |asn| asn.to_string());
    format!("{asn}, ours {} ({kind}{rule})", peer.local_asn)
}

/// Says what ends the time a peer is kept away for its excess.
fn kept_away(peer: &PeerView) -> String {
    match peer.timers.next_retry_seconds {
        Some(left) => format!("more prefixes than allowed; it may come back in {}", moment(left)),
        None => "more prefixes than allowed, until `bgpctl peer NAME up`".to_owned(),
    }
}

/// Says how BFD sees the path.
fn watched(text: &mut String, bfd: &BfdView) {
    let mut said = format!("{} for {}", bfd_state(bfd.state), duration(bfd.state_seconds));
    if bfd.multihop {
        said.push_str(", multihop");
    }
    if bfd.diagnostic != "none" {
        said.push_str(&format!(", {}", bfd.diagnostic));
    }
    fact(text, "BFD", said);
    let mut intervals = format!("send {}", millis(bfd.transmit_interval_seconds));
    if let Some(receive) = bfd.receive_interval_seconds {
        intervals.push_str(&format!(", receive {}", millis(receive)));
    }
    if let Some(time) = bfd.detection_time_seconds {
        intervals.push_str(&format!(", down after {} of silence", millis(time)));
    }
    fact(text, "BFD intervals", intervals);
    if let Some(remote) = &bfd.remote {
        let mut said = bfd_state(remote.state);
        if remote.diagnostic != "none" {
            said.push_str(&format!(", {}", one_line(&remote.diagnostic)));
        }
        let (tx, rx) = (millis(remote.min_tx_seconds), millis(remote.min_rx_seconds));
        said.push_str(&format!(", tx {tx}, rx {rx}, multiplier {}", remote.multiplier));
        if remote.control_plane_independent {
            said.push_str(", C bit");
        }
        fact(text, "BFD peer", said);
    }
    let failures = match &bfd.last_failure {
        Some(failure) => format!("{}, the last: {}", bfd.failures, last_error(failure)),
        None => bfd.failures.to_string(),
    };
    fact(text, "BFD failures", failures);
}

fn timers(timers: &TimersView, state: PeerState) -> String {
    let mut parts = Vec::new();
    match timers.hold_time_seconds {
        Some(0) => parts.push("no hold time".to_owned()),
        Some(hold) => {
            let left = timers.hold_remaining_seconds.map(|left| format!(" ({} left)", moment(left)));
            parts.push(format!("hold {}{}", duration(hold), left.unwrap_or_default()));
        }
        None => parts.push(format!("hold {} wanted", duration(timers.hold_time_configured_seconds))),
    }
    if let Some(keepalive) = timers.keepalive_seconds.filter(|keepalive| *keepalive > 0) {
        let next = timers.keepalive_remaining_seconds.map(|left| format!(" (next in {})", moment(left)));
        parts.push(format!("keepalive {}{}", duration(keepalive), next.unwrap_or_default()));
    }
    if let Some(retry) = timers.next_retry_seconds.filter(|_| state != PeerState::Established) {
        parts.push(format!("next attempt in {}", moment(retry)));
    }
    parts.join(", ")
}

fn families(peer: &PeerView) -> Table {
    let several = peer.families.iter().any(|row| row.add_path_received || row.add_path_sent);
    let mut columns = vec![
        words("FAMILY"),
        words("NEGOTIATED"),
        words("EOR-RX"),
        words("EOR-TX"),
        numbers("RECEIVED"),
        numbers("ACCEPTED"),
        numbers("BEST"),
        numbers("ADVERTISED"),
        numbers("MAX"),
    ];
    columns.extend(several.then(|| words("SEVERAL-PATHS")));
    let mut table = Table::new(columns);
    for row in &peer.families {
        let mut cells = vec![
            family(row.family).to_owned(),
            yes(row.negotiated).to_owned(),
            yes(row.end_of_rib_received).to_owned(),
            yes(row.end_of_rib_sent).to_owned(),
            row.received.to_string(),
            row.accepted.to_string(),
            row.best.to_string(),
            row.advertised.to_string(),
            maximum(row),
        ];
        cells.extend(several.then(|| several_paths(row)));
        table.row(cells);
    }
    table
}

/// Says in which directions there are several paths of a prefix.
fn several_paths(row: &PeerFamilyView) -> String {
    match (row.add_path_received, row.add_path_sent) {
        (true, true) => "received, sent",
        (true, false) => "received",
        (false, true) => "sent",
        (false, false) => "no",
    }
    .to_owned()
}

/// Says the limit, with a mark when it is near.
fn maximum(row: &PeerFamilyView) -> String {
    let near = if row.max_prefixes_warning { " (near)" } else { "" };
    row.max_prefixes.map_or("-".to_owned(), |limit| format!("{limit}{near}"))
}

fn rejects(peer: &PeerView) -> Table {
    let mut table = Table::new(vec![words("FAMILY"), numbers("REJECTED"), texts("REASON")]);
    for row in &peer.families {
        for rejected in &row.rejected {
            table.row(vec![
                family(row.family).to_owned(),
                rejected.count.to_string(),
                one_line(&rejected.text),
            ]);
        }
    }
    table
}

fn messages(peer: &PeerView) -> Table {
    let mut table = Table::new(vec![
        words("MESSAGES"),
        numbers("OPEN"),
        numbers("UPDATE"),
        numbers("NOTIFICATION"),
        numbers("KEEPALIVE"),
        numbers("ROUTE-REFRESH"),
    ]);
    for (direction, counts) in [("received", peer.messages.received), ("sent", peer.messages.sent)] {
        let mut cells = vec![direction.to_owned()];
        cells.extend(counts.by_name().map(|(_, count)| count.to_string()));
        table.row(cells);
    }
    table
}

/// A row for each capability of either side, so that what one side lacks catches the eye.
fn capabilities(peer: &PeerView) -> Table {
    let mut table = Table::new(vec![texts("CAPABILITY"), words("OURS"), words("PEER'S")]);
    let (local, remote) = (&peer.capabilities.local, &peer.capabilities.remote);
    let theirs_alone = remote.iter().filter(|capability| !local.contains(capability));
    for capability in local.iter().chain(theirs_alone) {
        let mark = |side: &[String]| (if side.contains(capability) { "yes" } else { "-" }).to_owned();
        table.row(vec![one_line(capability), mark(local), mark(remote)]);
    }
    table
}
