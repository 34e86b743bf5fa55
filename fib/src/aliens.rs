//! Routes others have in the main table, for whoever announces them.
//!
//! A thread and a socket of their own, as for [`watch`](crate::watch()): our own routes by the hundred thousand do not
//! get through to it, and whoever adds pods by the thousand does not delay what keeps ours. Of all the routes there are
//! only those somebody asked for are remembered. What is told is always the whole list, the latest one only.
//!
//! The one surprise: with an interface that is set down or goes, the kernel drops its IPv4 routes without a word.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;

use ipnet::IpNet;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tracing::error;

use crate::Error;
use crate::netlink::{AlienEars, AlienHeard};

/// A route in the main table that is neither ours, nor the kernel's own, nor learned from a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlienRoute {
    /// The destination.
    pub prefix: IpNet,
    /// The name of the interface it leaves by; of several, the first.
    pub interface: String,
    /// The gateway; none if the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Its metric.
    pub metric: u32,
    /// Whose it is.
    pub protocol: u8,
}

/// Which routes of others are told of: those inside one of these blocks, the block itself included, and not inside one
/// of those left out, which may themselves be told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// The blocks.
    pub within: Vec<IpNet>,
    /// What is left out of them.
    pub except: Vec<IpNet>,
}

impl Interest {
    fn covers(&self, prefix: &IpNet) -> bool {
        self.within.iter().any(|block| block.contains(prefix))
            && !self.except.iter().any(|block| block != prefix && block.contains(prefix))
    }
}

/// The way to the thread that listens. Dropping it ends the thread.
#[derive(Debug)]
pub struct Aliens {
    interest: watch::Sender<Interest>,
    told: watch::Receiver<Option<Arc<[AlienRoute]>>>,
}

impl Aliens {
    /// Says which routes matter from now on; a list of those follows the first time, and whenever it is another one.
    pub fn want(&self, interest: Interest) {
        self.interest.send_if_modified(|known| {
            let news = *known != interest;
            *known = interest;
            news
        });
    }

    /// Waits for another list of all routes that matter, in the order of prefixes and metrics; `None` once the thread
    /// has ended. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Option<Arc<[AlienRoute]>> {
        loop {
            self.told.changed().await.ok()?;
            if let Some(routes) = self.told.borrow_and_update().clone() {
                return Some(routes);
            }
        }
    }
}

/// Starts the thread that listens in the network namespace of the caller; routes of `protocol` are ours. Needs no
/// privilege. Nothing matters until [`Aliens::want`] says so.
///
/// # Errors
/// If netlink cannot be opened.
pub fn aliens(protocol: u8) -> Result<Aliens, Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
    let ears = {
        let _inside = runtime.enter();
        AlienEars::open(protocol)?
    };
    let (interest, wanted) = watch::channel(Interest::default());
    let (telling, told) = watch::channel(None);
    let run = move || {
        if let Err(error) = runtime.block_on(listen(ears, wanted, telling)) {
            error!(target: "fib", %error, "routes of others are no longer watched");
        }
    };
    thread::Builder::new().name("aliens".into()).spawn(run).map_err(Error::Thread)?;
    Ok(Aliens { interest, told })
}

/// Listens until nobody wants to know any more.
async fn listen(
    mut ears: AlienEars,
    mut wanted: watch::Receiver<Interest>,
    telling: watch::Sender<Option<Arc<[AlienRoute]>>>,
) -> Result<(), Error> {
    let mut known = Known::default();
    // Before that there is nothing to tell, and no empty list that could be taken for the answer.
    let mut asked = false;
    let mut reading = Reading::Wanted;
    let mut buffer = Vec::new();
    loop {
        if reading == Reading::Wanted {
            known.begin_reading();
            ears.read_links()?;
            reading = Reading::UnderWay;
        }
        let heard = tokio::select! {
            heard = ears.hear(&mut buffer) => heard?,
            changed = wanted.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                known.interest = wanted.borrow_and_update().clone();
                asked = true;
                reading = reading.again();
                continue;
            }
        };
        for heard in heard {
            match heard {
                AlienHeard::LinksRead => ears.read_routes()?,
                AlienHeard::Overrun | AlienHeard::AddressGone => reading = reading.again(),
                // That reading has ended, and says nothing of what is gone.
                AlienHeard::Overtaken => reading = Reading::Wanted,
                AlienHeard::AllRead if reading == Reading::InVain => reading = Reading::Wanted,
                AlienHeard::AllRead => {
                    reading = Reading::Done;
                    known.forget_unread();
                }
                heard => known.learn(heard),
            }
        }
        if asked && reading == Reading::Done && std::mem::take(&mut known.changed) {
            let routes = known.list();
            telling.send_if_modified(|told| {
                let news = told.as_deref() != Some(&routes[..]);
                *told = Some(routes.into());
                news
            });
        }
    }
}

/// How far the reading of everything has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Wanted,
    UnderWay,
    /// Under way, and has to be done again when it is over: one reading has to end before another can begin.
    InVain,
    Done,
}

impl Reading {
    fn again(self) -> Self {
        match self {
            Self::Wanted | Self::Done => Self::Wanted,
            Self::UnderWay | Self::InVain => Self::InVain,
        }
    }
}

/// A route as it is remembered: its interface by index, and the reading that last found it.
#[derive(Debug)]
struct Remembered {
    interface: u32,
    gateway: Option<IpAddr>,
    protocol: u8,
    reading: u32,
}

#[derive(Debug, Default)]
struct Known {
    interest: Interest,
    /// With the reading that last found each.
    links: BTreeMap<u32, (String, u32)>,
    /// By what identifies a route within its table.
    routes: BTreeMap<(IpNet, u32), Remembered>,
    reading: u32,
    /// Whether there may be another list to tell.
    changed: bool,
}

impl Known {
    fn begin_reading(&mut self) {
        self.reading = self.reading.wrapping_add(1);
    }

    fn learn(&mut self, heard: AlienHeard) {
        let reading = self.reading;
        match heard {
            AlienHeard::Link { index, name, enabled } => {
                let before = self.links.insert(index, (name.clone(), reading));
                self.changed |= before.is_none_or(|(before, _)| before != name);
                if !enabled {
                    self.forget_silent(index);
                }
            }
            AlienHeard::LinkGone(index) => {
                self.links.remove(&index);
                self.forget_silent(index);
            }
            AlienHeard::Route { prefix, metric, interface, gateway, protocol } => {
                if self.interest.covers(&prefix) {
                    let route = Remembered { interface, gateway, protocol, reading };
                    self.routes.insert((prefix, metric), route);
                    self.changed = true;
                }
            }
            AlienHeard::RouteGone { prefix, metric } => {
                self.changed |= self.routes.remove(&(prefix, metric)).is_some();
            }
            AlienHeard::LinksRead
            | AlienHeard::AllRead
            | AlienHeard::Overtaken
            | AlienHeard::Overrun
            | AlienHeard::AddressGone => {}
        }
    }

    /// Forgets what the kernel drops with an interface and does not tell.
    fn forget_silent(&mut self, interface: u32) {
        let before = self.routes.len();
        self.routes.retain(|_, route| route.interface != interface);
        self.changed |= self.routes.len() < before;
    }

    /// Forgets what the reading that has just ended did not find.
    fn forget_unread(&mut self) {
        let (reading, interest) = (self.reading, &self.interest);
        self.links.retain(|_, (_, read)| *read == reading);
        self.routes.retain(|(prefix, _), route| route.reading == reading && interest.covers(prefix));
        self.changed = true;
    }

    fn list(&self) -> Vec<AlienRoute> {
        let route = |(&(prefix, metric), route): (&(IpNet, u32), &Remembered)| {
            // Of a link that has no name yet more will be heard.
            let (interface, _) = self.links.get(&route.interface)?;
            let (gateway, protocol) = (route.gateway, route.protocol);
            Some(AlienRoute { prefix, interface: interface.clone(), gateway, metric, protocol })
        };
        self.routes.iter().filter_map(route).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn known() -> Known {
        let interest = Interest { within: vec![net("10.0.0.0/8")], except: vec![net("10.1.0.0/16")] };
        Known { interest, ..Known::default() }
    }

    fn link(index: u32, enabled: bool) -> AlienHeard {
        AlienHeard::Link { index, name: format!("cali{index}"), enabled }
    }

    fn route(prefix: &str, interface: u32) -> AlienHeard {
        AlienHeard::Route { prefix: net(prefix), metric: 0, interface, gateway: None, protocol: 80 }
    }

    fn told(known: &Known) -> Vec<String> {
        known.list().iter().map(|route| format!("{} {}", route.prefix, route.interface)).collect()
    }

    #[test]
    fn only_what_matters_is_remembered() {
        let mut known = known();
        known.learn(link(1, true));
        for prefix in ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "10.2.0.7/32", "11.0.0.0/8", "0.0.0.0/0"] {
            known.learn(route(prefix, 1));
        }
        assert_eq!(told(&known), ["10.0.0.0/8 cali1", "10.1.0.0/16 cali1", "10.2.0.7/32 cali1"]);
        assert_eq!(known.routes.len(), 3);
    }

    #[test]
    fn what_the_kernel_drops_with_an_interface_is_forgotten() {
        let mut known = known();
        known.learn(link(1, true));
        known.learn(link(2, true));
        known.learn(route("10.2.0.1/32", 1));
        known.learn(route("10.2.0.2/32", 2));
        known.learn(link(1, false));
        assert_eq!(told(&known), ["10.2.0.2/32 cali2"]);
        known.learn(AlienHeard::LinkGone(2));
        assert!(told(&known).is_empty() && known.routes.is_empty());
    }

    #[test]
    fn what_another_reading_does_not_find_is_gone() {
        let mut known = known();
        known.begin_reading();
        known.learn(link(1, true));
        known.learn(route("10.2.0.1/32", 1));
        known.learn(route("10.2.0.2/32", 1));
        known.forget_unread();
        known.begin_reading();
        known.learn(link(1, true));
        known.learn(route("10.2.0.2/32", 1));
        known.forget_unread();
        assert_eq!(told(&known), ["10.2.0.2/32 cali1"]);
        known.interest = Interest::default();
        known.forget_unread();
        assert!(told(&known).is_empty());
    }
}
