//! What ends sessions without a word from the peer: links that go dark, addresses that go, neighbours that do
//! not answer.
//!
//! A thread and a socket of their own: whoever keeps half a million routes may be busy for a second, and the
//! notifications of a flooded neighbour table must not push out those about routes. The one surprise: a lost
//! notification costs nothing but another reading, because only differences are told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::{mpsc, watch};
use tracing::error;

use crate::Error;
use crate::handle::Link;
use crate::netlink::{Ears, Heard};

/// How many tellings may wait for the daemon; further ones wait in the socket.
const TELLINGS: usize = 64;
/// How long after its addresses a link may go down.
const MOMENT: Duration = Duration::from_millis(5);

/// Something that has just become true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// An interface appeared or changed.
    Link(Link),
    /// An interface is no more.
    LinkGone(Link),
    /// The node has an address, ready for use.
    Address(Address),
    /// The node no longer has an address.
    AddressGone(Address),
    /// The kernel asked a neighbour for its link-layer address as often as it does, and got no answer.
    NeighbourFailed {
        /// The index of the interface it was asked on.
        interface: u32,
        /// The neighbour.
        address: IpAddr,
    },
}

/// An address of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The index of its interface.
    pub interface: u32,
    /// The address itself.
    pub address: IpAddr,
    /// Who is on the link by it: the subnet, or the other end of a point-to-point link.
    pub on_link: IpNet,
}

/// The way to the thread that watches. Dropping it ends the thread.
#[derive(Debug)]
pub struct Watch {
    sights: mpsc::Receiver<Vec<Sight>>,
    neighbours: watch::Sender<BTreeSet<IpAddr>>,
}

impl Watch {
    /// Waits for what there is to tell; `None` once the thread has ended. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Option<Vec<Sight>> {
        self.sights.recv().await
    }

    /// Names the neighbours whose failure is of interest, instead of those named before.
    pub fn heed(&self, neighbours: BTreeSet<IpAddr>) {
        self.neighbours.send_replace(neighbours);
    }
}

/// Starts the thread that watches the network namespace of the caller. Needs no privilege.
///
/// It first tells of everything there is.
///
/// # Errors
/// If netlink cannot be opened.
pub fn watch() -> Result<Watch, Error> {
    let ears = Ears::open()?;
    let (telling, sights) = mpsc::channel(TELLINGS);
    let (neighbours, heeded) = watch::channel(BTreeSet::new());
    let run = move || {
        if let Err(error) = listen(ears, &telling, &heeded) {
            error!(target: "fib", %error, "links and addresses are no longer watched");
        }
    };
    thread::Builder::new().name("watch".into()).spawn(run).map_err(Error::Thread)?;
    Ok(Watch { sights, neighbours })
}

/// Listens until nobody wants to know any more.
fn listen(
    mut ears: Ears,
    telling: &mpsc::Sender<Vec<Sight>>,
    heeded: &watch::Receiver<BTreeSet<IpAddr>>,
) -> Result<(), Error> {
    let mut known = Known::default();
    let mut buffer = Vec::new();
    let mut reading = Reading::Wanted;
    while !telling.is_closed() {
        if reading == Reading::Wanted {
            known.begin_reading();
            ears.read_links()?;
            reading = Reading::UnderWay;
        }
        let mut sights = Vec::new();
        for heard in hear(&mut ears, &mut buffer)? {
            match heard {
                Heard::LinksRead => ears.read_addresses()?,
                // One reading has to end before another can begin.
                Heard::Overrun if reading == Reading::UnderWay => reading = Reading::InVain,
                Heard::Overrun | Heard::Overtaken => reading = Reading::Wanted,
                Heard::AllRead if reading == Reading::InVain => reading = Reading::Wanted,
                Heard::AllRead => {
                    reading = Reading::Done;
                    known.forget_unread(&mut sights);
                }
                heard => known.learn(heard, &heeded.borrow(), &mut sights),
            }
        }
        // Whoever is gone need not be told, and is noticed above.
        let _ = if sights.is_empty() { Ok(()) } else { telling.blocking_send(sights) };
    }
    Ok(())
}

/// Waits a little for what there is to hear. The IPv6 addresses of a link that is set down go a moment before it
/// does; whoever is told of both at once can tell the cause from the consequence.
fn hear(ears: &mut Ears, buffer: &mut Vec<u8>) -> Result<Vec<Heard>, Error> {
    let mut all = ears.hear(buffer)?;
    if all.iter().any(|heard| matches!(heard, Heard::AddressGone(_))) {
        thread::sleep(MOMENT);
        while let Some(more) = ears.hear_more(buffer)? {
            all.extend(more);
        }
    }
    Ok(all)
}

/// How far the reading of everything has come.
#[derive(PartialEq, Eq)]
enum Reading {
    Wanted,
    UnderWay,
    /// Under way, and something was lost meanwhile.
    InVain,
    Done,
}

/// What has been told, so that only differences are.
#[derive(Debug, Default)]
struct Known {
    /// With the reading that last found each.
    links: BTreeMap<u32, (Link, u32)>,
    addresses: BTreeMap<Address, u32>,
    /// How often everything has been read.
    reading: u32,
}

impl Known {
    fn begin_reading(&mut self) {
        self.reading = self.reading.wrapping_add(1);
    }

    fn learn(&mut self, heard: Heard, heeded: &BTreeSet<IpAddr>, out: &mut Vec<Sight>) {
        let reading = self.reading;
        match heard {
            Heard::Link(link) => {
                let before = self.links.insert(link.index, (link.clone(), reading));
                if before.is_none_or(|(before, _)| before != link) {
                    out.push(Sight::Link(link));
                }
            }
            Heard::LinkGone(index) => {
                out.extend(self.links.remove(&index).map(|(link, _)| gone(link)));
            }
            Heard::Address(address) => {
                if self.addresses.insert(address, reading).is_none() {
                    out.push(Sight::Address(address));
                }
            }
            Heard::AddressGone(address) => {
                out.extend(self.addresses.remove(&address).map(|_| Sight::AddressGone(address)));
            }
            Heard::NeighbourFailed { interface, address } => {
                if heeded.contains(&address) {
                    out.push(Sight::NeighbourFailed { interface, address });
                }
            }
            Heard::LinksRead | Heard::AllRead | Heard::Overtaken | Heard::Overrun => {}
        }
    }

    /// Tells of what the reading that has just ended did not find.
    fn forget_unread(&mut self, out: &mut Vec<Sight>) {
        let reading = self.reading;
        for (_, (link, _)) in self.links.extract_if(.., |_, (_, read)| *read != reading) {
            out.push(gone(link));
        }
        for (address, _) in self.addresses.extract_if(.., |_, read| *read != reading) {
            out.push(Sight::AddressGone(address));
        }
    }
}

fn gone(link: Link) -> Sight {
    Sight::LinkGone(Link { up: false, enabled: false, ..link })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, up: bool) -> Link {
        Link { index, name: format!("eth{index}"), enabled: true, up }
    }

    fn address(interface: u32) -> Address {
        let address = IpAddr::from([10, 0, interface as u8, 1]);
        Address { interface, address, on_link: IpNet::new(address, 24).unwrap().trunc() }
    }

    fn learn(known: &mut Known, heard: impl IntoIterator<Item = Heard>) -> Vec<Sight> {
        let mut out = Vec::new();
        let heeded = [IpAddr::from([10, 0, 1, 2])].into();
        heard.into_iter().for_each(|heard| known.learn(heard, &heeded, &mut out));
        out
    }

    fn forget_unread(known: &mut Known) -> Vec<Sight> {
        let mut out = Vec::new();
        known.forget_unread(&mut out);
        out
    }

    #[test]
    fn what_is_the_same_is_told_once() {
        let mut known = Known::default();
        let told = learn(&mut known, [Heard::Link(link(1, true)), Heard::Link(link(1, true))]);
        assert_eq!(told, [Sight::Link(link(1, true))]);
        let told = learn(&mut known, [Heard::Address(address(1)), Heard::Address(address(1))]);
        assert_eq!(told, [Sight::Address(address(1))]);
        assert_eq!(learn(&mut known, [Heard::Link(link(1, false))]), [Sight::Link(link(1, false))]);
        assert_eq!(learn(&mut known, [Heard::LinkGone(2), Heard::AddressGone(address(2))]), []);
    }

    #[test]
    fn what_another_reading_does_not_find_is_gone() {
        let mut known = Known::default();
        known.begin_reading();
        learn(&mut known, [1, 2].map(|index| Heard::Link(link(index, true))));
        learn(&mut known, [1, 2].map(|index| Heard::Address(address(index))));
        assert_eq!(forget_unread(&mut known), []);
        known.begin_reading();
        assert_eq!(learn(&mut known, [Heard::Link(link(1, true)), Heard::Address(address(1))]), []);
        let told = forget_unread(&mut known);
        let dark = Link { enabled: false, ..link(2, false) };
        assert_eq!(told, [Sight::LinkGone(dark), Sight::AddressGone(address(2))]);
    }

    #[test]
    fn a_neighbour_nobody_asked_about_is_not_told_of() {
        let failed = |host| Heard::NeighbourFailed { interface: 1, address: IpAddr::from([10, 0, 1, host]) };
        let told = learn(&mut Known::default(), [failed(2), failed(3)]);
        let address = IpAddr::from([10, 0, 1, 2]);
        assert_eq!(told, [Sight::NeighbourFailed { interface: 1, address }]);
    }
}
