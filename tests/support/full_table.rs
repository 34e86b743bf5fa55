//! A full table from one peer through a daemon to another peer, with time and memory measured.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ipnet::IpNet;
use lab::process::Process;

pub use crate::measure::Subject;

use crate::cluster;
use crate::internet;
use crate::measure::{Memory, memory, processor_time};
use crate::podbgpd::binary;
use crate::puppet::{Puppet, message_length};
use crate::rack::{Rack, Transport, our_address, their_address};

/// The AS of the daemon measured.
const ASN: u32 = 64_512;
/// The AS that sends.
const SENDER: u32 = 65_001;
/// The AS that receives.
const RECEIVER: u32 = 65_002;
/// How long the receiver hears nothing before we call it stuck.
const STUCK: Duration = Duration::from_secs(60);
/// A daemon that has used no processor for so long has nothing left to do.
const AT_REST: Duration = Duration::from_millis(700);

/// What the daemon is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// To pass on what it learns, without a kernel.
    Pass,
    /// To install what it learns.
    Learn,
}

/// What it took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From the first octet sent until the last prefix had arrived.
    pub elapsed: Duration,
    /// Processor time of the daemon meanwhile, user and system.
    pub processor: Duration,
    /// The most memory the daemon ever had resident, in KiB.
    pub peak_resident: u64,
    /// The most memory it had resident before the first route, in KiB.
    pub idle_resident: u64,
    /// The memory it had resident when the work was done, in KiB.
    pub resident: u64,
    /// UPDATEs that reached the receiver.
    pub updates: usize,
}

/// Sends a table of so many prefixes through the daemon.
///
/// # Errors
/// The daemon did not start, got stuck, or the receiver does not have exactly the table that was sent.
pub fn pass_through(subject: Subject, prefixes: usize) -> Result<Cost> {
    let rack = Rack::new(2);
    let daemon = start(subject, &rack, Job::Pass)?;
    let mut receiver = Puppet::connect(&rack.theirs[1], our_address(1, Transport::V4), RECEIVER, 0);
    let mut sender = Puppet::connect(&rack.theirs[0], our_address(0, Transport::V4), SENDER, 0);
    let IpAddr::V4(next_hop) = their_address(0, Transport::V4) else { bail!("an IPv4 address") };
    let table = internet::table(prefixes, SENDER, next_hop);
    let mut stream = internet::encode(&table, sender.context());
    let mut end = bytes::BytesMut::new();
    bgp::wire::pack::end_of_rib(bgp::Family::Ipv4, sender.context(), &mut end);
    stream.extend_from_slice(&end);

    let idle_resident = memory(daemon.id(), Memory::Peak)?;
    let processor = processor_time(daemon.id())?;
    let start = Instant::now();
    let (sent, arrivals) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| sender.send(&stream));
        let arrivals = receive(&mut receiver, prefixes);
        (sending.join(), arrivals)
    });
    let arrivals = arrivals.with_context(|| daemon.last_words())?;
    match sent {
        Ok(sent) => sent.with_context(|| format!("the sender: {}", daemon.last_words()))?,
        Err(_) => bail!("the sender panicked"),
    }
    let processor = processor_time(daemon.id())?.saturating_sub(processor);
    let peak_resident = memory(daemon.id(), Memory::Peak)?;
    let resident = memory(daemon.id(), Memory::Now)?;
    let elapsed = arrivals.check(&table)?.duration_since(start);
    Ok(Cost { elapsed, processor, peak_resident, idle_resident, resident, updates: arrivals.updates })
}

/// Has two uplinks announce the blocks of a large cluster to the daemon, which installs them in the kernel with
/// two next hops a route: the daily job of a node, in large.
///
/// # Errors
/// The daemon did not start, or the kernel does not have the whole table in time.
pub fn learn(subject: Subject, prefixes: usize) -> Result<Cost> {
    let rack = Rack::new(2);
    let daemon = start(subject, &rack, Job::Learn)?;
    let mut uplinks = Vec::new();
    for (uplink, asn) in [(0, SENDER), (1, RECEIVER)] {
        let sender = Puppet::connect(&rack.theirs[uplink], our_address(uplink, Transport::V4), asn, 0);
        let IpAddr::V4(next_hop) = their_address(uplink, Transport::V4) else { bail!("an IPv4 address") };
        let stream = internet::encode(&cluster::table(prefixes, asn, next_hop), sender.context());
        uplinks.push((sender, stream));
    }
    let idle_resident = memory(daemon.id(), Memory::Peak)?;
    let processor = processor_time(daemon.id())?;
    let start = Instant::now();
    for (sender, stream) in &mut uplinks {
        sender.send(stream)?;
        sender.end_of_rib()?;
    }
    let done = installed(&rack, &daemon, prefixes).with_context(|| daemon.last_words())?;
    Ok(Cost {
        elapsed: done.duration_since(start),
        processor: processor_time(daemon.id())?.saturating_sub(processor),
        peak_resident: memory(daemon.id(), Memory::Peak)?,
        idle_resident,
        resident: memory(daemon.id(), Memory::Now)?,
        updates: 0,
    })
}

/// Waits until the kernel has so many routes and the daemon is at rest; returns when its work ended.
fn installed(rack: &Rack, daemon: &Process, prefixes: usize) -> Result<Instant> {
    let started = Instant::now();
    let (mut last, mut busy) = (Duration::ZERO, Instant::now());
    while started.elapsed() < STUCK {
        std::thread::sleep(Duration::from_millis(50));
        let spent = processor_time(daemon.id())?;
        if spent != last {
            (last, busy) = (spent, Instant::now());
        } else if busy.elapsed() > AT_REST {
            let table = rack.ours.run(|| fs::read_to_string("/proc/thread-self/net/route"))?;
            // A line of headings, and the links of the rack.
            if table.lines().count() > prefixes {
                return Ok(busy);
            }
        }
    }
    bail!("the kernel does not have {prefixes} routes after {} s", STUCK.as_secs())
}

/// What came, and when.
struct Arrivals {
    /// In the order of arrival, an announcement a row.
    prefixes: Vec<(u32, u8)>,
    /// After which moment how many rows were there.
    moments: Vec<(Instant, usize)>,
    updates: usize,
}

impl Arrivals {
    /// Checks that the table is complete; returns when the last of its prefixes came for the first time.
    fn check(&self, table: &[internet::Group]) -> Result<Instant> {
        let mut missing: BTreeSet<_> = table
            .iter()
            .flat_map(|group| &group.prefixes)
            .filter_map(|prefix| match prefix {
                IpNet::V4(prefix) => Some((u32::from(prefix.addr()), prefix.prefix_len())),
                IpNet::V6(_) => None,
            })
            .collect();
        for (row, prefix) in self.prefixes.iter().enumerate() {
            if missing.remove(prefix) && missing.is_empty() {
                let moment = self.moments.iter().find(|(_, rows)| *rows > row);
                return Ok(moment.context("every row has its moment")?.0);
            }
        }
        bail!("{} prefixes did not arrive, {:?} among them", missing.len(), missing.first())
    }
}

/// Reads until so many prefixes have come. Only the lengths are looked at: the receiver shares the processors
/// with the daemon, and must cost little.
fn receive(receiver: &mut Puppet, count: usize) -> Result<Arrivals> {
    let mut stream = receiver.stream();
    stream.set_read_timeout(Some(STUCK))?;
    let mut arrivals = Arrivals { prefixes: Vec::with_capacity(count), moments: Vec::new(), updates: 0 };
    let mut buffer = vec![0; 1 << 20];
    let mut filled = 0;
    while arrivals.prefixes.len() < count {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => bail!("closed after {} of {count} prefixes", arrivals.prefixes.len()),
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => bail!("stuck after {} of {count} prefixes: {error}", arrivals.prefixes.len()),
        }
        let mut start = 0;
        while let Some(length) = message_length(&buffer[start..filled]) {
            if buffer[start + 18] == 2 {
                read_announced(&buffer[start + 19..start + length], &mut arrivals.prefixes)?;
                arrivals.updates += 1;
            }
            start += length;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        arrivals.moments.push((Instant::now(), arrivals.prefixes.len()));
    }
    Ok(arrivals)
}

/// Reads the announced prefixes of an UPDATE of IPv4 routes.
pub(crate) fn read_announced(body: &[u8], prefixes: &mut Vec<(u32, u8)>) -> Result<()> {
    let two = |at: usize| {
        body.get(at..at + 2).map(|octets| usize::from(u16::from_be_bytes([octets[0], octets[1]])))
    };
    let withdrawn = two(0).context("no withdrawn length")?;
    ensure!(withdrawn == 0, "a withdrawal");
    let attributes = two(2).context("no attribute length")?;
    let mut rest = body.get(4 + attributes..).context("attributes too long")?;
    while let Some((&length, after)) = rest.split_first() {
        let octets = usize::from(length.div_ceil(8));
        let mut address = [0; 4];
        address[..octets].copy_from_slice(after.get(..octets).context("a prefix too long")?);
        prefixes.push((u32::from_be_bytes(address), length));
        rest = &after[octets..];
    }
    Ok(())
}

fn start(subject: Subject, rack: &Rack, job: Job) -> Result<Process> {
    let directory = rack.directory("ours");
    let file = directory.join("configuration");
    let (near, far) = (their_address(0, Transport::V4), their_address(1, Transport::V4));
    let (text, mut command) = match subject {
        Subject::Podbgpd => {
            (podbgpd_config(near, far, job, &directory.join("socket")), Command::new(binary("podbgpd")))
        }
        Subject::Bird => (bird_config(near, far, job), Command::new("bird")),
    };
    fs::write(&file, text)?;
    match subject {
        Subject::Podbgpd => command.arg("--config").arg(&file),
        Subject::Bird => command.arg("-f").arg("-c").arg(&file).arg("-s").arg(directory.join("socket")),
    };
    Process::start(&rack.ours, "daemon", command, &directory)
}

fn podbgpd_config(near: IpAddr, far: IpAddr, job: Job, socket: &std::path::Path) -> String {
    let (install, export) = match job {
        Job::Pass => (false, "all"),
        Job::Learn => (true, "originated"),
    };
    let peer = |name: &str, address: IpAddr, asn: u32| {
        format!(
            "[[peer]]\nname = \"{name}\"\naddress = \"{address}\"\nasn = {asn}\npassive = true\n\
             families = [\"ipv4\"]\nimport = \"all\"\nexport = \"{export}\"\n"
        )
    };
    format!(
        "[node]\nname = \"ours\"\nasn = {ASN}\nrouter-id = \"10.9.255.1\"\n[fib]\ninstall = {install}\n\
         [control]\nsocket = \"{}\"\n[graceful-restart]\nstate-directory = \"{}\"\n{}{}",
        socket.display(),
        socket.with_extension("state").display(),
        peer("near", near, SENDER),
        peer("far", far, RECEIVER)
    )
}

fn bird_config(near: IpAddr, far: IpAddr, job: Job) -> String {
    let (kernel, export) = match job {
        Job::Pass => ("", "all"),
        Job::Learn => ("protocol kernel { ipv4 { export all; }; merge paths on; }\n", "none"),
    };
    let peer = |name: &str, address: IpAddr, asn: u32| {
        format!(
            "protocol bgp {name} {{ local as {ASN}; neighbor {address} as {asn}; passive on; \
             ipv4 {{ import all; export {export}; }}; }}\n"
        )
    };
    format!(
        "log stderr {{ warning, error, fatal, bug }};\nrouter id {};\nprotocol device {{}}\n{kernel}{}{}",
        Ipv4Addr::new(10, 9, 255, 1),
        peer("near", near, SENDER),
        peer("far", far, RECEIVER)
    )
}
