//! All tables as one MRT stream: the peers first, then page after page of the owner (RFC 6396 §4.3).

use std::collections::BTreeMap;
use std::time::SystemTime;

use ::control::Request;
use bgp::Nlri;
use bgp::mrt::{self, Entry, IndexedPeer};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::Response as HttpResponse;
use rib::Source;
use tracing::debug;

use super::{Owner, Response};
use crate::http::{self, Body, CutShort};
use crate::mrt::since_epoch;
use crate::speaker::DumpPage;

/// Chunks made ahead of a slow reader.
const AHEAD: usize = 2;
const OCTETS: &str = "application/octet-stream";

/// Answers with the whole table, that starts with `first` and goes on as the owner's pages come.
pub(super) fn stream(owner: Owner, first: DumpPage) -> HttpResponse<Body> {
    let (sender, body) = Channel::new(AHEAD);
    // Ends with the reader: a body nobody reads any more refuses the next chunk.
    tokio::spawn(write(owner, first, sender));
    http::answer_streaming(200, OCTETS, body.boxed_unsync())
}

async fn write(owner: Owner, first: DumpPage, mut sender: Sender<Bytes, CutShort>) {
    let at = since_epoch(SystemTime::now());
    let mut chunk = BytesMut::new();
    let indexed: Vec<IndexedPeer> = first.peers.iter().map(|(_, peer)| *peer).collect();
    mrt::peer_index(at, first.collector, &first.node, &indexed, &mut chunk);
    // Whoever comes later has no place in the index, and is left out.
    let places: BTreeMap<Source, u16> = first.peers.iter().map(|(source, _)| *source).zip(0..).collect();
    let (mut page, mut sequence) = (first, 0_u32);
    loop {
        for route in &page.routes {
            let entry = |path: &'_ crate::speaker::DumpPath| {
                Some((*places.get(&path.source)?, path.at, path.path_id))
            };
            let entries: Vec<Entry<'_>> = route
                .paths
                .iter()
                .filter_map(|path| {
                    let (peer, at, path_id) = entry(path)?;
                    Some(Entry { peer, at, path_id, attributes: &path.attributes })
                })
                .collect();
            if !entries.is_empty() {
                mrt::rib(at, sequence, &Nlri::from(route.prefix), &entries, &mut chunk);
                sequence = sequence.wrapping_add(1);
            }
        }
        if sender.send_data(chunk.split().freeze()).await.is_err() {
            return;
        }
        let Some(after) = page.next else { return };
        page = match owner.ask(Request::Dump { after: Some(after) }).await {
            Ok(Response::Dump(page)) => *page,
            Ok(_) => return sender.abort(CutShort),
            Err(error) => {
                debug!(target: "control", error = error.error, "a dump was cut short");
                return sender.abort(CutShort);
            }
        };
    }
}
