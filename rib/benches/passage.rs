//! What a prefix costs on its way through: `cargo bench -p rib`.
//!
//! A million prefixes pass from one peer to another, and a hundred thousand arrive over two paths each; both
//! in updates of five prefixes. Everything runs on one core.

#![allow(clippy::print_stdout, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bgp::{Announcement, AsPath, Asn, BgpId, FamilySet, NextHop, Nlri, PathAttributes, Update};
use ipnet::{IpNet, Ipv4Net};
use rib::{Export, Import, NextHopSelf, PeerId, PeerInfo, Resolution, Rib, RibSettings};

/// Counts the octets in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// Safety: everything is passed on to the system allocator as it came.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    for place in [adjacent, scattered] {
        one_peer_to_another(1_000_000, place);
        two_paths_each(100_000, 500, place);
        two_paths_each(100_000, 20_000, place);
    }
}

/// Puts the prefix with this number somewhere: its first 24 bits.
type Place = fn(u32) -> u32;

/// One beside the other, as the blocks of a pool are.
fn adjacent(index: u32) -> u32 {
    0x00AA_0000 + index
}

/// All over 170.0.0.0 to 223.255.255.0, worse than any real table; no two in one place, because the factor
/// and the range have no divisor in common.
fn scattered(index: u32) -> u32 {
    0x00AA_0000 + (u64::from(index) * 40_507 % 0x0036_0000) as u32
}

fn one_peer_to_another(count: u32, place: Place) {
    let before = IN_USE.load(Ordering::Relaxed);
    let mut rib = rib();
    rib.peer_up(PeerId(1), peer(1));
    rib.peer_up(PeerId(2), peer(2));
    let feed = feed(count, 1, 60_000, place);
    let start = cpu();
    for update in feed {
        let _ = rib.update(PeerId(1), update, 0);
    }
    let received = cpu();
    resolve(&mut rib);
    rib.settle();
    let settled = cpu();
    let told = pull(&mut rib, PeerId(2));
    let pulled = cpu();
    let handed = forward(&mut rib);
    let forwarded = cpu();
    assert_eq!((told, handed), (count as usize, count as usize));
    let spread = spread(place);
    println!("{count} {spread} prefixes, one peer to another, {} attribute sets", rib.attribute_sets());
    report("  update", count, received - start);
    report("  settle", count, settled - received);
    report("  pull", count, pulled - settled);
    report("  together", count, pulled - start);
    report("  forwarding", count, forwarded - pulled);
    let grown = IN_USE.load(Ordering::Relaxed) - before;
    println!("  memory: {} octets a prefix", grown / count as usize);
    let start = cpu();
    rib.peer_down(PeerId(1));
    rib.settle();
    assert_eq!(pull(&mut rib, PeerId(2)), count as usize);
    forward(&mut rib);
    report("  peer down, withdrawn everywhere", count, cpu() - start);
    assert!(rib.is_empty());
}

fn two_paths_each(count: u32, sets: u32, place: Place) {
    let before = IN_USE.load(Ordering::Relaxed);
    let mut rib = rib();
    (1..=3).for_each(|id| rib.peer_up(PeerId(id), peer(id)));
    for id in 1..=2 {
        for update in feed(count, id, sets, place) {
            let _ = rib.update(PeerId(id), update, 0);
        }
    }
    resolve(&mut rib);
    rib.settle();
    let tables = IN_USE.load(Ordering::Relaxed) - before;
    pull(&mut rib, PeerId(3));
    let advertised = IN_USE.load(Ordering::Relaxed) - before;
    forward(&mut rib);
    let forwarded = IN_USE.load(Ordering::Relaxed) - before;
    let spread = spread(place);
    println!("{count} {spread} prefixes, two paths each, {} attribute sets", rib.attribute_sets());
    println!("  tables:                  {} octets a prefix", tables / count as usize);
    println!("  with one Adj-RIB-Out:    {} octets a prefix", advertised / count as usize);
    println!("  with forwarding:         {} octets a prefix", forwarded / count as usize);
    let start = cpu();
    rib.next_hop(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), Resolution::Unreachable);
    rib.settle();
    report("  one next hop lost", count, cpu() - start);
}

fn rib() -> Rib {
    Rib::new(RibSettings::new(BgpId::new(Ipv4Addr::new(10, 0, 0, 1)).expect("not zero")))
}

fn peer(id: u32) -> PeerInfo {
    let address = Ipv4Addr::from_bits(0xC000_0200 + id);
    PeerInfo {
        asn: Asn(65000 + id),
        local_asn: Asn(64512),
        own_as: rib::OwnAs::default(),
        bgp_id: BgpId::new(address).expect("not zero"),
        address: address.into(),
        role: None,
        interface: None,
        link: None,
        families: FamilySet::ALL,
        next_hop_self: NextHopSelf { ipv4: Some(NextHop::V4(Ipv4Addr::new(192, 0, 2, 200))), ipv6: None },
        extended_next_hop: FamilySet::NONE,
        import: Arc::new(Import::Safe(rib::Safe::default())),
        export: Arc::new(Export::All),
        max_prefixes: None,
        long_lived: FamilySet::NONE,
        enforce_first_as: true,
        client: false,
        next_hop: rib::NextHopMode::Auto,
        add_path: rib::AddPath::default(),
        graceful_shutdown: true,
        drain: None,
        blackhole: false,
        link_bandwidth: None,
        aigp: false,
        codec: bgp::wire::CodecContext::before_open(),
    }
}

/// Makes updates of five prefixes, and of so many attribute sets at most.
fn feed(count: u32, id: u32, sets: u32, place: Place) -> Vec<Update> {
    let prefix = |index: u32| {
        let address = Ipv4Addr::from_bits(place(index) << 8);
        Nlri::from(IpNet::V4(Ipv4Net::new(address, 24).expect("24 bits")))
    };
    let update = |first: u32| {
        let path = [65000 + id, 3356, 100_000 + first / 5 % sets, 200_000 + first / 5 % sets % 977];
        let next_hop = NextHop::V4(Ipv4Addr::from_bits(0xC000_0200 + id));
        let mut attributes = PathAttributes::originated(next_hop);
        attributes.as_path = AsPath::sequence(path.map(Asn));
        let nlri = (first..(first + 5).min(count)).map(prefix).collect();
        Update { announced: vec![Announcement { attributes, nlri }], ..Update::default() }
    };
    (0..count).step_by(5).map(update).collect()
}

fn spread(place: Place) -> &'static str {
    if place(1) == place(0) + 1 { "adjacent" } else { "scattered" }
}

fn resolve(rib: &mut Rib) {
    for address in rib.tracked_next_hops().added {
        rib.next_hop(address, Resolution::OnLink { interface: Some(2) });
    }
}

fn pull(rib: &mut Rib, id: PeerId) -> usize {
    let mut told = 0;
    loop {
        let adverts = rib.pull(id, 4096);
        told += adverts.announced.iter().map(|advert| advert.nlri.len()).sum::<usize>();
        told += adverts.withdrawn.iter().map(|(_, list)| list.len()).sum::<usize>();
        if !adverts.more {
            return told;
        }
    }
}

fn forward(rib: &mut Rib) -> usize {
    let mut handed = 0;
    while rib.has_pending_forwarding() {
        handed += rib.pull_forwarding(4096).len();
    }
    handed
}

/// Returns the processor time of this thread: other work on the machine does not count.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn report(what: &str, count: u32, took: Duration) {
    println!("{what}: {} ns a prefix", took.as_nanos() / u128::from(count));
}
