//! Learned routes into the kernel: by crate `fib`, and by a writer with nothing else to do.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use fib::{Change, Command, Event, FibSettings, NextHop, NextHopSet, Target};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use nix::net::if_::if_nametoindex;
use tokio::sync::mpsc;

use crate::rack::{Rack, Transport, link, their_address};
use crate::raw_netlink::{Hop, Messages, Via, Writer, our_route_count};

/// Changes in one command: as many as `podbgpd` hands over at once.
const CHANGES: usize = 1024;
/// The first nexthop the raw writer makes.
const FIRST_NEXT_HOP: u32 = 7000;
/// Within this it is done, or never.
const LONGEST: Duration = Duration::from_secs(120);

/// Makes so many distinct prefixes of a family: blocks of 64 addresses, or of 2⁶⁴.
///
/// # Panics
/// With more than a hundred million.
#[must_use]
pub fn blocks(transport: Transport, count: usize) -> Vec<IpNet> {
    let all = 0..u32::try_from(count).expect("a number of routes");
    match transport {
        Transport::V4 => {
            let first = u32::from(Ipv4Addr::new(11, 0, 0, 0));
            let block = |number: u32| Ipv4Net::new((first + (number << 6)).into(), 26);
            all.map(|number| block(number).expect("a length of 26").into()).collect()
        }
        Transport::V6 => {
            let block = |number: u32| {
                let [high, low] = [(number >> 16) as u16, number as u16];
                Ipv6Net::new(Ipv6Addr::new(0x2001, 0xdb8, high, low, 0, 0, 0, 0), 64)
            };
            all.map(|number| block(number).expect("a length of 64").into()).collect()
        }
    }
}

/// A node with two uplinks, and the two next hops of every route.
#[derive(Debug)]
pub struct Site {
    hops: Vec<Hop>,
    rack: Rack,
}

impl Site {
    /// Builds it.
    ///
    /// # Errors
    /// The links have no index.
    pub fn new(transport: Transport) -> Result<Self> {
        let rack = Rack::new(2);
        let hop = |peer| {
            let index = rack.ours.run(|| if_nametoindex(link(peer).as_str()));
            Ok((their_address(peer, transport), index.context("every link has an index")?))
        };
        let hops = [0, 1].map(hop).into_iter().collect::<Result<Vec<Hop>>>()?;
        Ok(Self { hops, rack })
    }

    /// Writes the routes as fast as the kernel takes them, each with its next hops or through one nexthop group.
    ///
    /// # Errors
    /// The kernel refuses one.
    pub fn write_raw(self, prefixes: &[IpNet], grouped: bool) -> Result<Duration> {
        let (mut first, via) = if grouped {
            let (messages, group) = Messages::group(&self.hops, FIRST_NEXT_HOP);
            (messages, Via::Group(group))
        } else {
            (Messages::default(), Via::Inline(self.hops.clone()))
        };
        let mut routes = Messages::routes(prefixes, &via);
        let took = self.rack.ours.run(|| -> Result<Duration> {
            let mut writer = Writer::open()?;
            let start = Instant::now();
            writer.write(&mut first)?;
            writer.write(&mut routes)?;
            Ok(start.elapsed())
        })?;
        self.finish(prefixes.len()).map(|()| took)
    }

    /// Has crate `fib` install the routes, and waits until it says that the kernel confirmed every one.
    ///
    /// # Errors
    /// It does not come to that.
    pub fn install(self, prefixes: &[IpNet], settings: FibSettings) -> Result<Duration> {
        let (sender, mut events) = mpsc::channel(64);
        let handle = self.rack.ours.run(|| fib::spawn(settings, sender))?;
        loop {
            match events.blocking_recv() {
                Some(Event::Ready { .. }) => break,
                Some(Event::Failed(reason)) => bail!("{reason}"),
                Some(_) => {}
                None => bail!("fib has ended"),
            }
        }
        let listening = std::thread::spawn(move || while events.blocking_recv().is_some() {});
        let hops = self.hops.iter().map(|&(gateway, link)| NextHop::via_interface(gateway, link));
        let target = Target::Forward(NextHopSet::new(hops).context("two next hops")?);
        let change = |prefix: &IpNet| Change { metric: None, prefix: *prefix, target: Some(target.clone()) };
        let commands: Vec<_> = prefixes
            .chunks(CHANGES)
            .map(|chunk| Command::Apply(chunk.iter().map(change).collect()))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let start = Instant::now();
        let took = runtime.block_on(async {
            for command in commands {
                handle.send(command).await.map_err(|_| anyhow!("fib has ended"))?;
            }
            while handle.stats().installed < prefixes.len() {
                ensure!(start.elapsed() < LONGEST, "{:?}", handle.stats());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(start.elapsed())
        })?;
        handle.join();
        listening.join().map_err(|_| anyhow!("the listener panicked"))?;
        self.finish(prefixes.len()).map(|()| took)
    }

    /// Checks that the kernel has the routes and takes them away, so that nobody pays for that later.
    fn finish(self, count: usize) -> Result<()> {
        let ours = &self.rack.ours;
        let there = ours.run(our_route_count)?;
        for peer in [0, 1] {
            ours.set_down(&link(peer))?;
        }
        ensure!(there == count, "the kernel has {there} routes of {count}");
        Ok(())
    }
}
