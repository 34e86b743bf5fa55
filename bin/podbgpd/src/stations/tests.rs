use bgp::{Community, Family, NextHop, Nlri, PathAttributes};
use rib::{Advert, Adverts};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::line::Happened;
use super::*;

/// The lengths and types of BMP messages.
fn kinds(mut octets: &[u8]) -> Vec<(usize, u8)> {
    let mut kinds = Vec::new();
    while let [3, a, b, c, d, kind, ..] = *octets {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        kinds.push((length, kind));
        octets = &octets[length..];
    }
    assert!(octets.is_empty());
    kinds
}

fn advert(communities: u16) -> Advert {
    let attributes = PathAttributes {
        communities: (0..communities).map(|value| Community(u32::from(value))).collect(),
        ..PathAttributes::originated(NextHop::V4([192, 0, 2, 1].into()))
    };
    let nlri = vec![Nlri::from("10.1.0.0/16".parse::<ipnet::IpNet>().unwrap())];
    Advert { attributes: attributes.into(), family: Family::Ipv4, nlri }
}

fn header() -> bmp::PeerHeader {
    bmp::PeerHeader {
        view: bmp::View::LocRib,
        address: [0; 4].into(),
        asn: bgp::Asn(64512),
        bgp_id: bgp::BgpId::new([10, 0, 0, 1].into()).unwrap(),
        at: Duration::ZERO,
    }
}

#[test]
fn each_update_is_a_message_of_its_own() {
    let mut said = say::Said::default();
    let end_of_rib = vec![Family::Ipv4, Family::Ipv6];
    said.adverts(&header(), &Adverts { announced: vec![advert(0)], end_of_rib, ..Adverts::default() });
    assert_eq!(kinds(&said.octets).iter().map(|(_, kind)| *kind).collect::<Vec<_>>(), [0, 0, 0]);
    assert_eq!((said.messages, said.unsaid), (3, 0));
}

#[test]
fn only_what_fits_no_usual_message_is_told_in_a_long_one() {
    let long = |communities| {
        let mut said = say::Said::default();
        said.adverts(&header(), &Adverts { announced: vec![advert(communities)], ..Adverts::default() });
        (kinds(&said.octets)[0].0 > 4096 + 48, said.unsaid)
    };
    assert_eq!(long(10), (false, 0));
    assert_eq!(long(2000), (true, 0));
    // It is withdrawn, rather than left as it was.
    assert_eq!(long(20_000), (false, 1));
}

#[tokio::test]
async fn a_station_is_connected_to_again_after_a_loss() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (events, mut incoming) = mpsc::channel(EVENTS);
    let task = tokio::spawn(line::keep(Monitor(7), address, events, Arc::new(Notify::new())));
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let Happened::Connected(queue) = incoming.recv().await.unwrap().happened else { panic!("connected") };
        queue.send(Bytes::from_static(b"hello")).await.unwrap();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        drop(stream);
        let Happened::Failed(why) = incoming.recv().await.unwrap().happened else { panic!("lost") };
        assert_eq!(why, "the station closed the connection");
    }
    task.abort();
}

#[tokio::test]
async fn a_line_whose_owner_lets_go_says_what_is_queued_and_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (events, mut incoming) = mpsc::channel(EVENTS);
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(line::keep(Monitor(7), address, events, Arc::new(Notify::new())));
    let (mut stream, _) = listener.accept().await.unwrap();
    let Happened::Connected(queue) = incoming.recv().await.unwrap().happened else { panic!("connected") };
    queue.send(Bytes::from_static(b"goodbye")).await.unwrap();
    drop(queue);
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"goodbye");
    task.await.unwrap();
}
