//! The state machine against scripts with virtual time: `scripts/fsm/*.txt`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bgp::capability::GracefulRestart;
use bgp::fsm::{Action, ConnId, Event, Peer, PeerSettings, StopReason};
use bgp::message::RouteRefresh;
use bgp::notification::NotificationError;
use bgp::wire::{CodecContext, decode, encode, next_frame};
use bgp::{Asn, BgpId, Capability, Family, FamilySet, HoldTime, Message, Notification, Open, Update};
use bytes::{Bytes, BytesMut};
use support::script::{Stage, play_all};

#[test]
fn every_script_comes_out_as_written() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fsm");
    play_all(&folder, || Play { peer: Peer::new(settings("").unwrap()), now: Instant::now() })
}

struct Play {
    peer: Peer,
    now: Instant,
}

impl Stage for Play {
    fn play(&mut self, input: &str) -> anyhow::Result<Vec<String>> {
        let (verb, rest) = input.split_once(' ').unwrap_or((input, ""));
        if verb == "peer" {
            self.peer = Peer::new(settings(rest)?);
            return Ok(Vec::new());
        }
        let mut out = Vec::new();
        if verb == "advertise" {
            self.peer.transmit(octets(&end_of_rib())?, self.now, &mut out);
        } else {
            self.peer.handle(event(verb, rest)?, self.now, &mut out);
        }
        out.iter().filter(told).map(shown).collect()
    }

    fn pass(&mut self, time: Duration) -> anyhow::Result<Vec<String>> {
        let (start, end) = (self.now, self.now + time);
        let mut lines = Vec::new();
        while let Some(deadline) = self.peer.next_deadline().filter(|&deadline| deadline <= end) {
            let mut out = Vec::new();
            self.peer.handle(Event::Tick, deadline, &mut out);
            let after = deadline.duration_since(start).as_secs_f64();
            for action in out.iter().filter(told) {
                lines.push(format!("+{after:.1}s {}", shown(action)?));
            }
        }
        self.now = end;
        Ok(lines)
    }
}

/// Returns the value of `key=value`, or nothing.
fn value<'a>(words: &'a str, key: &str) -> Option<&'a str> {
    words.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn parsed<T: std::str::FromStr>(words: &str, key: &str, default: T) -> anyhow::Result<T> {
    value(words, key).map_or(Ok(default), |text| text.parse().ok().with_context(|| format!("bad {key}")))
}

fn settings(words: &str) -> anyhow::Result<PeerSettings> {
    let send_hold = value(words, "send-hold").map(str::parse).transpose()?.map(Duration::from_secs);
    Ok(PeerSettings {
        local_asn: parsed(words, "local-as", Asn(65_001))?,
        peer_asn: parsed(words, "peer-as", Asn(65_002))?.into(),
        bgp_id: BgpId::new(parsed(words, "id", [10, 0, 0, 1].into())?).context("id is zero")?,
        hold_time: HoldTime::new(parsed(words, "hold", 90)?).context("no such hold time")?,
        keepalive: None,
        connect_retry: Duration::from_secs(parsed(words, "connect-retry", 60)?),
        passive: words.split_whitespace().any(|word| word == "passive"),
        send_hold,
        capabilities: capabilities(words)?,
        role_strict: false,
        jitter_seed: 1,
    })
}

fn capabilities(words: &str) -> anyhow::Result<Vec<Capability>> {
    let names = value(words, "can").unwrap_or("ipv4,refresh").split(',').filter(|name| !name.is_empty());
    names
        .map(|name| match name {
            "ipv4" => Ok(Capability::Multiprotocol(Family::Ipv4.code())),
            "ipv6" => Ok(Capability::Multiprotocol(Family::Ipv6.code())),
            "refresh" => Ok(Capability::RouteRefresh),
            "restart" => Ok(graceful_restart(false)),
            "restart-n" => Ok(graceful_restart(true)),
            _ => bail!("no capability {name}"),
        })
        .collect()
}

fn graceful_restart(notification: bool) -> Capability {
    let families = vec![(Family::Ipv4.code(), true)];
    Capability::GracefulRestart(GracefulRestart {
        restarted: false,
        notification,
        restart_time: 120,
        families,
    })
}

fn event(verb: &str, rest: &str) -> anyhow::Result<Event> {
    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let connection = || anyhow::Ok(ConnId(number.parse().context("which connection?")?));
    Ok(match verb {
        "start" => Event::Start,
        "stop" => Event::Stop { reason: stop_reason(number, rest)? },
        "path-up" => Event::PathUp,
        "incoming" => Event::Incoming,
        "connected" => Event::Connected(connection()?),
        "failed" => Event::ConnectFailed(connection()?, rest.to_owned()),
        "closed" => Event::Closed(connection()?, rest.to_owned()),
        "receive" => Event::Received(connection()?, received(rest)?),
        "written" => Event::Written(connection()?, rest.parse()?),
        _ => bail!("no input {verb}"),
    })
}

fn stop_reason(name: &str, message: &str) -> anyhow::Result<StopReason> {
    let message = message.to_owned();
    Ok(match name {
        "admin-down" => StopReason::AdminDown { message },
        "admin-reset" => StopReason::AdminReset { message },
        "deconfigured" => StopReason::Deconfigured,
        "configuration-change" => StopReason::OtherConfigurationChange,
        "max-prefixes" => StopReason::MaxPrefixes { family: bgp::Family::Ipv4, limit: 1000 },
        "bfd-down" => StopReason::BfdDown,
        "interface-down" => StopReason::InterfaceDown(message),
        "address-gone" => StopReason::AddressGone(message.parse()?),
        "neighbour-failed" => StopReason::NeighbourFailed(message),
        "restart" => StopReason::Restart,
        _ => bail!("no reason {name}"),
    })
}

/// Reads what the peer sends, several messages parted by ` + `.
fn received(words: &str) -> anyhow::Result<Bytes> {
    let mut all = BytesMut::new();
    for words in words.split(" + ") {
        let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
        let message = match kind {
            "open" => Message::Open(peers_open(rest)?),
            "keepalive" => Message::Keepalive,
            "update" => end_of_rib(),
            "refresh" => Message::RouteRefresh(RouteRefresh { family: family(rest)?.code(), subtype: 0 }),
            "notification" => Message::Notification(notification(rest)?),
            "octets" => {
                all.extend_from_slice(&hex(rest)?);
                continue;
            }
            _ => bail!("no message {kind}"),
        };
        all.extend_from_slice(&octets(&message)?);
    }
    Ok(all.freeze())
}

fn end_of_rib() -> Message {
    Message::Update(Update { end_of_rib: Some(Family::Ipv4), ..Update::default() })
}

fn peers_open(words: &str) -> anyhow::Result<Open> {
    let asn = parsed(words, "as", Asn(65_002))?;
    let mut capabilities = capabilities(words)?;
    capabilities.push(Capability::FourOctetAsn(asn));
    Ok(Open {
        asn,
        hold_time: HoldTime::new(parsed(words, "hold", 90)?).context("no such hold time")?,
        bgp_id: BgpId::new(parsed(words, "id", [10, 0, 0, 2].into())?).context("id is zero")?,
        capabilities,
    })
}

fn family(name: &str) -> anyhow::Result<Family> {
    Family::ALL.into_iter().find(|family| family.to_string() == name).context("no such family")
}

fn notification(words: &str) -> anyhow::Result<Notification> {
    let (codes, message) = words.split_once(' ').unwrap_or((words, ""));
    let (code, subcode) = codes.split_once('/').context("codes are like 6/2")?;
    let error = NotificationError::from_codes(code.parse()?, subcode.parse()?);
    Ok(match error {
        NotificationError::Cease(cease) => Notification::shutdown(cease, message),
        error => Notification::new(error),
    })
}

/// Reads octets; `marker` stands for the sixteen that begin a message.
fn hex(words: &str) -> anyhow::Result<Vec<u8>> {
    let digits: String = words.replace("marker", &"ff".repeat(16)).split_whitespace().collect();
    let pairs =
        digits.as_bytes().chunks(2).map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    pairs.collect()
}

fn octets(message: &Message) -> anyhow::Result<Bytes> {
    let mut octets = BytesMut::new();
    encode(message, &CodecContext::before_open(), &mut octets)?;
    Ok(octets.freeze())
}

/// What came in is in the script already.
fn told(action: &&Action) -> bool {
    !matches!(action, Action::Heard(..))
}

fn shown(action: &Action) -> anyhow::Result<String> {
    Ok(match action {
        Action::Connect(id) => format!("connect {id}"),
        Action::Accept(id) => format!("accept {id}"),
        Action::Refuse => String::from("refuse"),
        Action::Transmit(id, octets) => format!("transmit {id} {}", said(octets)?),
        Action::Close(id) => format!("close {id}"),
        Action::Heard(id, octets) => format!("heard {id} {}", said(octets)?),
        Action::Established(negotiated) => {
            let families: Vec<_> = Family::ALL
                .into_iter()
                .filter(|&family| FamilySet::contains(negotiated.families, family))
                .map(|family| family.to_string())
                .collect();
            let (asn, id, hold) = (negotiated.peer_asn, negotiated.peer_id, negotiated.hold_time.seconds());
            format!("established as={asn} id={id} hold={hold} {}", families.join(","))
        }
        Action::Update(_) => String::from("update"),
        Action::Offences(offences) => format!("{} offences", offences.len()),
        Action::Refresh(refresh) => {
            let name = Family::from_code(refresh.family).context("an unknown family came through")?;
            format!("refresh {name}")
        }
        Action::Down(reason) => format!("down [{}] {reason}", reason.label()),
        Action::State { from, to, cause } => format!("{from} -> {to}: {cause}"),
    })
}

fn said(octets: &Bytes) -> anyhow::Result<String> {
    let mut buffer = BytesMut::from(&octets[..]);
    let context = CodecContext::before_open();
    let frame = next_frame(&mut buffer, &context)?.context("a transmission is a whole message")?;
    Ok(match decode(frame, &context)?.message {
        Message::Open(open) => {
            format!("OPEN as={} id={} hold={}", open.asn, open.bgp_id, open.hold_time.seconds())
        }
        Message::Notification(notification) => {
            let (code, subcode) = notification.error.codes();
            let data: String = notification.data.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("NOTIFICATION {code}/{subcode} {data}").trim_end().to_owned()
        }
        message => message.kind().to_string(),
    })
}
