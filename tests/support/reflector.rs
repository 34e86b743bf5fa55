//! A route reflector and its clients: everybody says a little, and everybody is told all of it.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bgp::{AsPath, Asn, BgpId, Capability, Family, HoldTime, Message, NextHop, Open, PathAttributes};
use ipnet::{IpNet, Ipv4Net};
use lab::process::Process;

use crate::full_table::read_announced;
use crate::measure::{Memory, Subject, memory, processor_time};
use crate::podbgpd::binary;
use crate::puppet::{Puppet, message_length};
use crate::rack::{Rack, Transport, UPLINK, our_address};
use crate::{SOON, eventually};

/// The AS of everybody.
const ASN: u32 = 64_512;
/// How many prefixes of a client share their attributes.
const SHARING: usize = 10;
/// How long clients hear nothing before we call it stuck.
const STUCK: Duration = Duration::from_secs(30);

/// What it took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From the first announcement until every client had heard all of the others.
    pub elapsed: Duration,
    /// Processor time of the daemon meanwhile, user and system.
    pub processor: Duration,
    /// The most memory the daemon ever had resident, in KiB.
    pub peak_resident: u64,
    /// The memory it had resident with all sessions and no route, in KiB.
    pub idle_resident: u64,
    /// UPDATEs that reached the clients.
    pub updates: usize,
}

/// Has so many clients announce so many prefixes each to a reflector, all at once.
///
/// # Errors
/// The daemon did not start, got stuck, or a client was told of something that is its own.
///
/// # Panics
/// A session does not come up; there are more than 200 clients.
pub fn reflect(subject: Subject, clients: usize, prefixes: usize) -> Result<Cost> {
    ensure!((2..=200).contains(&clients), "between two and 200 clients have an address");
    let rack = Rack::new(1);
    for client in 1..clients {
        let address = format!("{}/24", address(client)).parse()?;
        rack.theirs[0].add_address(UPLINK, address)?;
    }
    let daemon = start(subject, &rack, clients)?;
    let mut clients: Vec<_> = (0..clients).map(|number| Client::connect(&rack, number, prefixes)).collect();
    let count = clients.len();
    for client in &mut clients {
        client.puppet.end_of_rib()?;
        client.told = vec![false; count * prefixes];
        client.missing = (count - 1) * prefixes;
    }
    std::thread::sleep(Duration::from_millis(500));

    let idle_resident = memory(daemon.id(), Memory::Now)?;
    let processor = processor_time(daemon.id())?;
    let start = Instant::now();
    for client in &mut clients {
        client.announce(prefixes)?;
    }
    let done = listen(&mut clients, prefixes).with_context(|| daemon.last_words())?;
    Ok(Cost {
        elapsed: done.duration_since(start),
        processor: processor_time(daemon.id())?.saturating_sub(processor),
        peak_resident: memory(daemon.id(), Memory::Peak)?,
        idle_resident,
        updates: clients.iter().map(|client| client.updates).sum(),
    })
}

/// Reads until every client has all of the others' prefixes; returns when the last one had.
fn listen(clients: &mut [Client], prefixes: usize) -> Result<Instant> {
    for client in clients.iter() {
        client.puppet.stream().set_nonblocking(true)?;
    }
    let mut heard = Instant::now();
    while clients.iter().any(|client| client.missing > 0) {
        let mut idle = true;
        for client in clients.iter_mut() {
            idle &= !client.hear(prefixes)?;
        }
        if !idle {
            heard = Instant::now();
        } else if heard.elapsed() > STUCK {
            let missing: usize = clients.iter().map(|client| client.missing).sum();
            bail!("nothing comes any more, and {missing} prefixes have not");
        } else {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(heard)
}

/// A client of the reflector.
struct Client {
    number: usize,
    puppet: Puppet,
    octets: Vec<u8>,
    /// Which prefixes, numbered over all clients, it was told of.
    told: Vec<bool>,
    missing: usize,
    updates: usize,
}

impl Client {
    fn connect(rack: &Rack, number: usize, prefixes: usize) -> Self {
        let open = || -> Result<Open> {
            let from = address(number);
            Ok(Open {
                asn: Asn(ASN),
                hold_time: HoldTime::new(0).context("no hold time")?,
                bgp_id: BgpId::new(from).context("an identifier")?,
                capabilities: vec![
                    Capability::Multiprotocol(Family::Ipv4.code()),
                    Capability::RouteRefresh,
                    Capability::FourOctetAsn(Asn(ASN)),
                ],
            })
        };
        let puppet = eventually(SOON, "a session", || {
            let IpAddr::V4(to) = our_address(0, Transport::V4) else { bail!("an IPv4 address") };
            let mut puppet = Puppet::dial_from(&rack.theirs[0], address(number), to)?;
            puppet.say(&Message::Open(open()?))?;
            puppet.confirm()?;
            Ok(puppet)
        });
        let octets = Vec::with_capacity(prefixes);
        Self { number, puppet, octets, told: Vec::new(), missing: 0, updates: 0 }
    }

    fn announce(&mut self, prefixes: usize) -> Result<()> {
        let all: Vec<_> = (0..prefixes).map(|index| prefix(self.number * prefixes + index)).collect();
        for (group, sharing) in all.chunks(SHARING).enumerate() {
            let mut attributes = PathAttributes::originated(NextHop::V4(address(self.number)));
            attributes.as_path = AsPath::sequence([Asn(65_000), Asn(65_001 + group as u32)]);
            attributes.local_pref = Some(100);
            self.puppet.announce(&attributes, sharing)?;
        }
        Ok(())
    }

    /// Reads what has come; tells whether anything had.
    fn hear(&mut self, prefixes: usize) -> Result<bool> {
        let mut chunk = [0; 64 * 1024];
        match self.puppet.stream().read(&mut chunk) {
            Ok(0) => bail!("client {} was left", self.number),
            Ok(count) => self.octets.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let (mut start, mut announced) = (0, Vec::new());
        while let Some(length) = message_length(&self.octets[start..]) {
            if self.octets[start + 18] == 2 {
                read_announced(&self.octets[start + 19..start + length], &mut announced)?;
                self.updates += 1;
            }
            start += length;
        }
        self.octets.drain(..start);
        for (bits, _) in announced {
            let index = (bits - FIRST) as usize >> 8;
            ensure!(index / prefixes != self.number, "client {} hears of its own route", self.number);
            let told = self.told.get_mut(index).context("a prefix nobody announced")?;
            self.missing -= usize::from(!std::mem::replace(told, true));
        }
        Ok(true)
    }
}

/// The first prefix's address.
const FIRST: u32 = 20 << 24;

fn prefix(index: usize) -> IpNet {
    // There are far fewer than 2^16.
    let address = Ipv4Addr::from_bits(FIRST + ((index as u32) << 8));
    IpNet::V4(Ipv4Net::new_assert(address, 24))
}

/// The address of a client, on the one link there is.
fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, u8::try_from(number + 2).unwrap_or(u8::MAX))
}

fn start(subject: Subject, rack: &Rack, clients: usize) -> Result<Process> {
    let directory = rack.directory("ours");
    let file = directory.join("configuration");
    let (text, mut command) = match subject {
        Subject::Podbgpd => {
            (podbgpd_config(clients, &directory.join("socket")), Command::new(binary("podbgpd")))
        }
        Subject::Bird => (bird_config(clients), Command::new("bird")),
    };
    fs::write(&file, text)?;
    match subject {
        Subject::Podbgpd => command.arg("--config").arg(&file),
        Subject::Bird => command.arg("-f").arg("-c").arg(&file).arg("-s").arg(directory.join("socket")),
    };
    Process::start(&rack.ours, "daemon", command, &directory)
}

fn podbgpd_config(clients: usize, socket: &Path) -> String {
    let peers = (0..clients).map(|number| {
        format!(
            "[[peer]]\nname = \"client{number}\"\naddress = \"{}\"\nasn = {ASN}\npassive = true\n\
             client = true\nfamilies = [\"ipv4\"]\nimport = \"all\"\nexport = \"all\"\n",
            address(number)
        )
    });
    format!(
        "[node]\nname = \"ours\"\nasn = {ASN}\nrouter-id = \"10.9.255.1\"\n[fib]\ninstall = false\n\
         [control]\nsocket = \"{}\"\n[graceful-restart]\nstate-directory = \"{}\"\n{}",
        socket.display(),
        socket.with_extension("state").display(),
        peers.collect::<String>()
    )
}

fn bird_config(clients: usize) -> String {
    let peers = (0..clients).map(|number| {
        format!(
            "protocol bgp client{number} {{ local as {ASN}; neighbor {} as {ASN}; direct; passive on; rr client; \
             ipv4 {{ gateway direct; import all; export all; }}; }}\n",
            address(number)
        )
    });
    format!(
        "log stderr {{ warning, error, fatal, bug }};\nrouter id {};\nprotocol device {{}}\n{}",
        Ipv4Addr::new(10, 9, 255, 1),
        peers.collect::<String>()
    )
}
