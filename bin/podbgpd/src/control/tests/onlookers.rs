//! Captures and dumps, which are no views.

use std::time::UNIX_EPOCH;

use ::control::CaptureView;
use bgp::mrt::{Direction, IndexedPeer};
use bgp::wire::CodecContext;
use bgp::{Asn, BgpId, NextHop, PathAttributes};
use rib::Source;

use super::*;
use crate::speaker::{DumpPath, DumpRoute};

/// A peer that sends two KEEPALIVEs before the daemon stops.
pub(super) fn captured() -> mpsc::Receiver<Captured> {
    let (queue, captured) = mpsc::channel(2);
    for missed in [0, 5] {
        let keepalive = [&[0xFF; 16][..], &[0, 19, 4]].concat();
        let message = Captured {
            at: UNIX_EPOCH,
            direction: Direction::Received,
            local: "10.0.0.1:179".parse().expect("an address"),
            remote: "10.0.0.2:40000".parse().expect("an address"),
            context: CodecContext::before_open(),
            octets: keepalive.into(),
            missed,
        };
        queue.try_send(message).expect("there is room");
    }
    captured
}

/// The page of a table behind a prefix; the peer of its second page has come meanwhile.
pub(super) fn page(after: Option<IpNet>) -> DumpPage {
    let bgp_id = BgpId::new([10, 0, 0, 1].into()).expect("an identifier");
    let (first, late) = (Source::Local, Source::Peer(rib::PeerId(9)));
    let path = |source| DumpPath {
        source,
        at: Duration::ZERO,
        path_id: 0,
        attributes: PathAttributes::originated(NextHop::V4([10, 0, 0, 1].into())),
    };
    let paths = if after.is_none() { vec![path(first)] } else { vec![path(late), path(first)] };
    DumpPage {
        node: "node-a".to_owned(),
        collector: bgp_id,
        peers: vec![(first, IndexedPeer { bgp_id, address: [0; 4].into(), asn: Asn(64512) })],
        routes: vec![DumpRoute { prefix: prefix(usize::from(after.is_some())), paths }],
        next: after.is_none().then(|| prefix(0)),
    }
}

#[tokio::test]
async fn a_capture_is_a_line_for_each_message() {
    let rig = Rig::new("capture", well);
    let mut seen = Vec::new();
    let mut take = |line: &[u8]| {
        let view: CaptureView = serde_json::from_slice(line).expect("a line is a view");
        seen.push((view.text, view.missed));
        Ok(true)
    };
    rig.client().lines(&Request::Capture { peer: "tor-a".into() }, &mut take).await.unwrap();
    assert_eq!(seen, [("KEEPALIVE".to_owned(), 0), ("KEEPALIVE".to_owned(), 5)]);
}

#[tokio::test]
async fn a_dump_is_one_stream_of_records_whatever_the_pages() {
    let rig = Rig::new("dump", well);
    let mut octets = Vec::new();
    rig.client().copy(&Request::Dump { after: None }, &mut octets).await.unwrap();
    let mut records = Vec::new();
    let mut rest = &octets[..];
    while let Some((header, body)) = rest.split_at_checked(12) {
        let length = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
        records.push((header[7], body[..length].to_vec()));
        rest = &body[length..];
    }
    let kinds: Vec<u8> = records.iter().map(|(subtype, _)| *subtype).collect();
    assert_eq!(kinds, [1, 2, 2], "the peers, then two prefixes of IPv4");
    // The sequence number goes on; the prefix of 24 bits has one entry, for the late peer is in no index.
    assert_eq!(records[2].1[..10], [0, 0, 0, 1, 24, 10, 0, 1, 0, 1]);
}
