//! Messages of a peer as they pass by, a line of JSON for each, until nobody reads any more.

use std::time::Duration;

use ::control::{CaptureDirection, CaptureView};
use bgp::mrt::Direction;
use bgp::wire::{self, CodecContext};
use bgp::{Message, Update};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::Response as HttpResponse;
use tokio::sync::mpsc;

use crate::http::{self, Body, CutShort};
use crate::mrt::since_epoch;
use crate::tap::Captured;

/// Lines made ahead of a slow reader.
const AHEAD: usize = 16;
/// How long a quiet peer leaves a reader without a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(5);
const LINES: &str = "application/x-ndjson";

/// Answers with the messages as they come.
pub(super) fn lines(captured: mpsc::Receiver<Captured>) -> HttpResponse<Body> {
    let (sender, body) = Channel::new(AHEAD);
    // Ends with the reader: a body nobody reads any more refuses the next line.
    tokio::spawn(write(captured, sender));
    http::answer_streaming(200, LINES, body.boxed_unsync())
}

async fn write(mut captured: mpsc::Receiver<Captured>, mut sender: Sender<Bytes, CutShort>) {
    loop {
        let line = match tokio::time::timeout(HEARTBEAT, captured.recv()).await {
            Ok(Some(captured)) => match serde_json::to_vec(&view(&captured)) {
                Ok(mut line) => {
                    line.push(b'\n');
                    line
                }
                Err(_) => return sender.abort(CutShort),
            },
            // The daemon stops.
            Ok(None) => return,
            Err(_) => b"\n".to_vec(),
        };
        if sender.send_data(line.into()).await.is_err() {
            return;
        }
    }
}

fn view(captured: &Captured) -> CaptureView {
    CaptureView {
        at: since_epoch(captured.at).as_secs_f64(),
        direction: match captured.direction {
            Direction::Received => CaptureDirection::Received,
            Direction::Sent => CaptureDirection::Sent,
        },
        local: captured.local,
        remote: captured.remote,
        octets: CaptureView::hexadecimal(&captured.octets),
        text: describe(&captured.octets, &captured.context),
        missed: captured.missed,
    }
}

/// Says in a line what a message says.
fn describe(octets: &[u8], context: &CodecContext) -> String {
    // An OPEN is read the same whatever was agreed on; a long message may be the last of a session.
    let context = CodecContext { extended_messages: true, ..context.clone() };
    let frame = match wire::next_frame(&mut BytesMut::from(octets), &context) {
        Ok(Some(frame)) => frame,
        Ok(None) => return "a part of a message".to_owned(),
        Err(error) => return error.to_string(),
    };
    let kind = frame.kind;
    match wire::decode(frame, &context) {
        Err(error) => format!("{kind}, malformed: {error}"),
        Ok(decoded) => match decoded.message {
            Message::Open(open) => format!(
                "OPEN of AS {}, identifier {}, hold time {} s, {} capabilities",
                open.asn,
                open.bgp_id,
                open.hold_time.seconds(),
                open.capabilities.len()
            ),
            Message::Update(update) => update_text(&update),
            Message::Notification(notification) => format!("NOTIFICATION: {notification}"),
            Message::Keepalive => "KEEPALIVE".to_owned(),
            Message::RouteRefresh(refresh) => {
                let family = bgp::Family::from_code(refresh.family);
                let family =
                    family.map_or_else(|| "an unknown family".to_owned(), |family| family.to_string());
                format!("ROUTE-REFRESH of {family}, subtype {}", refresh.subtype)
            }
        },
    }
}

fn update_text(update: &Update) -> String {
    let mut text = "UPDATE".to_owned();
    if let Some(family) = update.end_of_rib {
        text.push_str(&format!(" End-of-RIB of {family}"));
    }
    for announcement in &update.announced {
        let attributes = &announcement.attributes;
        let prefixes = some(&announcement.nlri);
        text.push_str(&format!(
            " announces {prefixes} via {}, path [{}]",
            attributes.next_hop.address(),
            attributes.as_path
        ));
    }
    if !update.withdrawn.is_empty() {
        text.push_str(&format!(" withdraws {}", some(&update.withdrawn)));
    }
    text
}

/// Names the first prefixes, and counts the others.
fn some(nlri: &[bgp::Nlri]) -> String {
    const NAMED: usize = 3;
    let named: Vec<String> = nlri.iter().take(NAMED).map(|nlri| nlri.prefix.to_string()).collect();
    let rest = nlri.len().saturating_sub(NAMED);
    let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{rest}", named.join(" "))
}

#[cfg(test)]
mod tests {
    use bgp::wire::pack;
    use bgp::{AsPath, Asn, Family, FamilySet, NextHop, Nlri, PathAttributes};

    use super::*;

    fn context() -> CodecContext {
        CodecContext { four_octet_asn: true, families: FamilySet::ALL, ..CodecContext::before_open() }
    }

    #[test]
    fn a_message_is_told_in_a_line() {
        let nlri: Vec<Nlri> = (1..=5)
            .map(|third| Nlri::from(format!("10.1.{third}.0/24").parse::<ipnet::IpNet>().unwrap()))
            .collect();
        let attributes = PathAttributes {
            as_path: AsPath::sequence([Asn(65001), Asn(65002)]),
            ..PathAttributes::originated(NextHop::V4([192, 0, 2, 1].into()))
        };
        let mut octets = BytesMut::new();
        pack::announce(&attributes, Family::Ipv4, &nlri, &context(), &mut octets).unwrap();
        let expected = "UPDATE announces 10.1.1.0/24 10.1.2.0/24 10.1.3.0/24 and 2 more via 192.0.2.1, path [65001 65002]";
        assert_eq!(describe(&octets, &context()), expected);

        let mut octets = BytesMut::new();
        pack::end_of_rib(Family::Ipv6, &context(), &mut octets);
        assert_eq!(describe(&octets, &context()), "UPDATE End-of-RIB of ipv6");
    }

    #[test]
    fn what_is_no_message_is_told_as_well() {
        assert_eq!(describe(&[0xFF; 7], &context()), "a part of a message");
        assert!(describe(&[0; 19], &context()).contains("marker"), "{}", describe(&[0; 19], &context()));
    }
}
