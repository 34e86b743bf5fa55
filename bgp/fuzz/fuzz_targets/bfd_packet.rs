//! BFD packets from anywhere, at a pace of their sender's choosing. The first octet of each says how long the
//! session waited for it; no tick may leave anything due, or a thread would spin.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use bgp::bfd::{Arrival, Authentication, ControlPacket, Hops, Key, PORT_SINGLE_HOP, Sessions, Settings};
use libfuzzer_sys::fuzz_target;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// An octet for the wait, and as many as a packet with keyed SHA1 has.
const STEP: usize = 1 + 52;

fuzz_target!(|input: &[u8]| {
    let mut now = Instant::now();
    let mut sessions = Sessions::new(1);
    let interval = Duration::from_millis(300);
    let settings = Settings { min_tx: interval, min_rx: interval, multiplier: NonZeroU8::MIN };
    // Most inputs go to a session without a key: the hash would stop them.
    let key = Key::new(b"key").filter(|_| input.len() % 8 == 0);
    let authentication = key.map(|key| Authentication { key, key_id: 1, meticulous: true });
    sessions.want(PEER, Hops::Single, settings, authentication, now);
    let mut out = Vec::new();
    for step in input.chunks(STEP) {
        let Some((&wait, payload)) = step.split_first() else { continue };
        now += Duration::from_millis(u64::from(wait) * 8);
        if let Ok(packet) = ControlPacket::decode(payload) {
            let plain = ControlPacket { authenticated: false, ..packet };
            assert_eq!(ControlPacket::decode(&packet.encode()), Ok(plain));
        }
        let arrival = Arrival { from: PEER, port: PORT_SINGLE_HOP, hop_limit: 255 };
        sessions.receive(arrival, payload, now, &mut out);
        sessions.tick(now, &mut out);
        assert!(sessions.next_deadline().is_none_or(|deadline| deadline > now));
        out.clear();
    }
});
