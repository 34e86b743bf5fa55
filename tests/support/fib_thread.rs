//! The thread that keeps the kernel's routes, driven by a test.

use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc as std_mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fib::{
    Change, Command, Event, FibHandle, FibSettings, Filter, NextHop, NextHopSet, Resolution, RouteState,
    Snapshot, Target,
};
use tokio::sync::{mpsc, oneshot};

use crate::netns::{ip, until, veth};

const PATIENCE: Duration = Duration::from_secs(5);

/// The thread, and what it tells.
#[derive(Debug)]
pub struct Fib {
    /// The way to its thread.
    pub handle: FibHandle,
    events: mpsc::Receiver<Event>,
}

impl Fib {
    /// Starts it in the namespace of the caller and waits until it has read the kernel.
    ///
    /// # Panics
    /// If netlink does not open.
    pub fn start(settings: FibSettings) -> Self {
        let (sender, events) = mpsc::channel(64);
        let handle = fib::spawn(settings, sender).expect("netlink opens");
        let mut fib = Self { handle, events };
        fib.wait_for(|event| matches!(event, Event::Ready { .. }).then_some(()));
        fib
    }

    /// Waits for an event that `pick` likes; the others are dropped.
    ///
    /// # Panics
    /// If it does not come.
    pub fn wait_for<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            match self.events.try_recv() {
                Ok(event) => {
                    if let Some(picked) = pick(&event) {
                        return picked;
                    }
                }
                Err(_) => {
                    assert!(start.elapsed() < PATIENCE, "the event never came");
                    thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }

    /// Hands over a command, waiting for room.
    ///
    /// # Panics
    /// If there is none for long.
    pub fn send(&self, command: Command) {
        let mut command = Some(command);
        until(PATIENCE, "room for a command", || match self.handle.try_send(command.take().unwrap()) {
            Ok(()) => true,
            Err(refused) => {
                command = Some(refused);
                false
            }
        });
    }

    /// Wants a route.
    ///
    /// # Panics
    /// If the prefix is none.
    pub fn want(&self, prefix: &str, target: Target) {
        self.send(Command::Apply(vec![Change {
            metric: None,
            prefix: prefix.parse().unwrap(),
            target: Some(target),
        }]));
    }

    /// Wants no route any more.
    ///
    /// # Panics
    /// If the prefix is none.
    pub fn unwant(&self, prefix: &str) {
        self.send(Command::Apply(vec![Change {
            metric: None,
            prefix: prefix.parse().unwrap(),
            target: None,
        }]));
    }

    /// Asks for wish and reality.
    ///
    /// # Panics
    /// If no answer comes.
    pub fn snapshot(&mut self, filter: Filter) -> Snapshot {
        let (reply, mut answer) = oneshot::channel();
        self.send(Command::Snapshot(filter, reply));
        let mut snapshot = None;
        until(PATIENCE, "a snapshot", || {
            // The thread must never wait for us.
            while self.events.try_recv().is_ok() {}
            snapshot = answer.try_recv().ok();
            snapshot.is_some()
        });
        snapshot.unwrap()
    }

    /// Returns how far a route has come.
    ///
    /// # Panics
    /// If the prefix is none.
    pub fn state(&mut self, prefix: &str) -> Option<RouteState> {
        let snapshot = self.snapshot(Filter::Prefixes(vec![prefix.parse().unwrap()]));
        snapshot.routes.into_iter().next().map(|route| route.state)
    }

    /// Waits for a route and returns how long it took.
    pub fn wait_until_installed(&mut self, prefix: &str) -> Duration {
        until(PATIENCE, "installed", || self.state(prefix) == Some(RouteState::Installed))
    }

    /// Waits for the next word on a tracked next hop.
    ///
    /// # Panics
    /// If the address is none, or no word comes.
    pub fn resolution(&mut self, address: &str) -> Resolution {
        let address: IpAddr = address.parse().unwrap();
        self.wait_for(|event| match event {
            Event::Resolved(answers) => {
                answers.iter().find(|(of, _)| *of == address).map(|(_, resolution)| resolution.clone())
            }
            _ => None,
        })
    }
}

/// Makes a target of gateways whose interface the kernel finds.
///
/// # Panics
/// If there are none, or one is no address.
#[must_use]
pub fn via(addresses: &[&str]) -> Target {
    let next_hops = addresses.iter().map(|address| NextHop::via(address.parse().unwrap()));
    Target::Forward(NextHopSet::new(next_hops).unwrap())
}

/// Two interfaces with a neighbour network each.
pub fn two_links() {
    veth("eth1", "eth1-peer");
    veth("eth2", "eth2-peer");
    ip("addr add 10.0.1.1/24 dev eth1");
    ip("addr add 10.0.2.1/24 dev eth2");
    ip("-6 addr add fd00:1::1/64 dev eth1 nodad");
    ip("-6 addr add fd00:2::1/64 dev eth2 nodad");
}

/// What the kernel holds for a prefix, in one line; empty if nothing.
#[must_use]
pub fn kernel(prefix: &str) -> String {
    let family = if prefix.contains(':') { "-6" } else { "-4" };
    let lines = ip(&format!("-o {family} route show table all exact {prefix}"));
    lines.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Listens for routes being deleted.
#[derive(Debug)]
pub struct DeletionWatch {
    monitor: Child,
    lines: std_mpsc::Receiver<String>,
}

impl DeletionWatch {
    /// Starts `ip monitor` and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn start() -> Self {
        let mut monitor =
            Process::new("ip").args(["-o", "monitor", "route"]).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(monitor.stdout.take().unwrap());
        let (sender, lines) = std_mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let watch = Self { monitor, lines };
        // It listens once it has told of a route made for that purpose.
        let mut protocol = 100;
        let heard = || {
            // A replacement by the same is not told.
            protocol += 1;
            ip(&format!("route replace blackhole 198.18.0.1/32 table 77 proto {protocol}"));
            watch.lines.recv_timeout(Duration::from_millis(50)).is_ok()
        };
        until(PATIENCE, "the monitor listens", heard);
        watch
    }

    /// Ends it and returns what was deleted meanwhile.
    #[must_use]
    pub fn deletions(mut self) -> Vec<String> {
        thread::sleep(Duration::from_millis(100));
        self.end();
        self.lines.iter().filter(|line| line.starts_with("Deleted")).collect()
    }

    fn end(&mut self) {
        // It may have ended already, which is what we want.
        let _ = self.monitor.kill();
        let _ = self.monitor.wait();
    }
}

impl Drop for DeletionWatch {
    fn drop(&mut self) {
        self.end();
    }
}
