//! The decision process, step by step: `scripts/decision/*.txt`.
//!
//! A script is a list of paragraphs. In a paragraph, lines with `>` are said to the tables, and the indented
//! lines after them are how every path then stands. What one paragraph announces is said in every possible
//! order; the answer must be the same. `BLESS=1` rewrites the expectations.
//!
//! ```text
//! > settings max-paths 1 | settings strict-multipath | settings always-compare-med
//! > peer NAME as 65001 id 1.1.1.1 address 192.0.2.1
//! > metric 192.0.2.1 10 | metric 192.0.2.1 unreachable
//! > NAME announces 10.0.0.0/8 [path 65001,65002] [via ADDRESS] [med N] [local-pref N] [origin egp]
//!         [originator ID] [clusters ID,ID] [path-id N]
//! > NAME withdraws 10.0.0.0/8 [path-id N]
//!         [communities A,B]
//! > originate 10.0.0.0/8
//! > NAME is lost | NAME is lost for long
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bgp::attributes::{Aigp, Origin};
use bgp::{Announcement, AsPath, Asn, BgpId, Family, FamilySet, NextHop, Nlri, PathAttributes, Update};
use rib::{Export, Import, NextHopSelf, Origination, PeerId, PeerInfo, Resolution, Rib, RibSettings, Source};

/// The AS all scripts speak for.
const OURS: Asn = Asn(65000);
/// A paragraph that announces more is not tried in every order.
const MOST_PERMUTED: usize = 5;

#[test]
fn every_decision_script_holds() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/decision");
    let mut files: Vec<_> =
        std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    anyhow::ensure!(!files.is_empty(), "no scripts in {}", folder.display());
    for file in files {
        let script = std::fs::read_to_string(&file)?;
        let answered = run(&script).with_context(|| file.display().to_string())?;
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &answered)?;
        } else {
            assert_eq!(script, answered, "{} (BLESS=1 rewrites it)", file.display());
        }
    }
    Ok(())
}

/// Returns the script with the answers the tables give.
fn run(script: &str) -> Result<String> {
    let mut answered = String::new();
    let mut said: Vec<&str> = Vec::new();
    for paragraph in script.trim_end().split("\n\n") {
        let kept: Vec<_> = paragraph.lines().filter(|line| !line.starts_with(' ')).collect();
        let inputs: Vec<_> = kept.iter().filter_map(|line| line.strip_prefix("> ")).collect();
        let (announced, other): (Vec<_>, Vec<_>) =
            inputs.iter().copied().partition(|line| line.contains(" announces "));
        if !answered.is_empty() {
            answered.push('\n');
        }
        kept.iter().for_each(|line| answered.extend([line, "\n"]));
        said.extend(other);
        let answer = World::after(&said, &announced)?.standings();
        if announced.len() <= MOST_PERMUTED {
            for order in permutations(&announced) {
                let other = World::after(&said, &order)?.standings();
                anyhow::ensure!(answer == other, "the order {order:#?} gives\n{other}not\n{answer}");
            }
        }
        said.extend(announced);
        if !inputs.is_empty() {
            answered.push_str(&answer);
        }
    }
    Ok(answered)
}

fn permutations<'a>(lines: &[&'a str]) -> Vec<Vec<&'a str>> {
    let Some((&first, rest)) = lines.split_first() else { return vec![Vec::new()] };
    let with_first = |order: Vec<&'a str>| {
        (0..=order.len()).map(move |place| {
            let mut order = order.clone();
            order.insert(place, first);
            order
        })
    };
    permutations(rest).into_iter().flat_map(with_first).collect()
}

struct World {
    rib: Rib,
    names: BTreeMap<String, (PeerId, Ipv4Addr, Asn)>,
    originated: Vec<Origination>,
    metrics: BTreeMap<IpAddr, Resolution>,
}

impl World {
    fn after(said: &[&str], announced: &[&str]) -> Result<Self> {
        let router_id = BgpId::new(Ipv4Addr::new(10, 0, 0, 1)).context("zero")?;
        let rib = Rib::new(RibSettings::new(router_id));
        let mut world =
            Self { rib, names: BTreeMap::new(), originated: Vec::new(), metrics: BTreeMap::new() };
        for line in said.iter().chain(announced) {
            world.hear(line).with_context(|| format!("> {line}"))?;
            world.resolve();
            world.rib.settle();
        }
        world.rib.audit().map_err(anyhow::Error::msg)?;
        Ok(world)
    }

    fn hear(&mut self, line: &str) -> Result<()> {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["settings", ref words @ ..] => self.settings(words)?,
            ["peer", name, "as", asn, "id", id, "address", address] => {
                self.peer(name, asn.parse()?, id.parse()?, address.parse()?)?;
            }
            ["metric", address, metric] => {
                let gateways = vec![rib::Gateway::new(Ipv4Addr::new(10, 9, 9, 9).into(), None)];
                let resolution = match metric {
                    "unreachable" => Resolution::Unreachable,
                    metric => Resolution::Via { gateways, metric: metric.parse()? },
                };
                self.metrics.insert(address.parse()?, resolution);
            }
            ["originate", prefix] => {
                self.originated.push(Origination::of(prefix.parse()?));
                self.rib.originate(self.originated.clone(), 0);
            }
            [name, "is", "lost"] => self.rib.peer_lost(self.peer_id(name)?, FamilySet::ALL),
            [name, "is", "lost", "for", "long"] => {
                let peer = self.peer_id(name)?;
                self.rib.peer_lost(peer, FamilySet::ALL);
                Family::ALL.iter().for_each(|&family| self.rib.begin_long_lived(peer, family));
            }
            [name, "announces", prefix, ref said @ ..] => self.announce(name, prefix, said)?,
            [name, "withdraws", prefix, ref said @ ..] => {
                let peer = self.peer_id(name)?;
                let mut nlri = Nlri::from(prefix.parse::<ipnet::IpNet>()?);
                if let ["path-id", number] = said {
                    nlri.path_id = number.parse()?;
                }
                self.rib.update(peer, Update { withdrawn: vec![nlri], ..Update::default() }, 0);
            }
            _ => bail!("what?"),
        }
        Ok(())
    }

    fn settings(&mut self, words: &[&str]) -> Result<()> {
        let mut settings = self.rib.settings().clone();
        match *words {
            ["max-paths", count] => settings.max_paths = count.parse()?,
            ["strict-multipath"] => settings.multipath_relax = false,
            ["always-compare-med"] => settings.always_compare_med = true,
            _ => bail!("no such setting"),
        }
        self.rib.set_settings(settings);
        Ok(())
    }

    fn peer(&mut self, name: &str, asn: Asn, id: Ipv4Addr, address: Ipv4Addr) -> Result<()> {
        let peer = PeerId(self.names.len() as u32);
        self.names.insert(name.to_owned(), (peer, address, asn));
        let info = PeerInfo {
            asn,
            local_asn: OURS,
            own_as: rib::OwnAs::default(),
            bgp_id: BgpId::new(id).context("zero")?,
            address: address.into(),
            role: None,
            interface: None,
            link: None,
            families: FamilySet::ALL,
            next_hop_self: NextHopSelf::default(),
            extended_next_hop: FamilySet::NONE,
            import: Arc::new(Import::All),
            export: Arc::new(Export::None),
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
            aigp: true,
            codec: bgp::wire::CodecContext::before_open(),
        };
        self.rib.peer_up(peer, info);
        Ok(())
    }

    fn announce(&mut self, name: &str, prefix: &str, said: &[&str]) -> Result<()> {
        let (peer, address, asn) = *self.names.get(name).context("no such peer")?;
        let mut nlri = Nlri::from(prefix.parse::<ipnet::IpNet>()?);
        let mut attributes = PathAttributes::originated(NextHop::V4(address));
        if asn != OURS {
            attributes.as_path = AsPath::sequence([asn]);
        }
        // An internal peer that means something else says so; the default is what RFC 4271 §5.1.5 asks for.
        attributes.local_pref = (asn == OURS).then_some(100);
        for pair in said.chunks(2) {
            let &[key, value] = pair else { bail!("{pair:?} is no pair") };
            match key {
                "path" => {
                    let asns = value.split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?;
                    attributes.as_path = AsPath::sequence(asns);
                }
                "via" => attributes.next_hop = NextHop::V4(value.parse()?),
                "med" => attributes.med = Some(value.parse()?),
                "aigp" => {
                    let aigp = Aigp::of(value.parse()?);
                    attributes.rare.edit(|rare| rare.aigp = Some(aigp));
                }
                "local-pref" => attributes.local_pref = Some(value.parse()?),
                "origin" => attributes.origin = origin(value)?,
                "originator" => {
                    let id = BgpId::new(value.parse()?);
                    attributes.rare.edit(|rare| rare.originator_id = id);
                }
                "clusters" => {
                    let clusters = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
                    attributes.rare.edit(|rare| rare.cluster_list = clusters);
                }
                "communities" => {
                    attributes.communities = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
                    attributes.communities.sort_unstable();
                }
                "path-id" => nlri.path_id = value.parse()?,
                _ => bail!("what is {key}?"),
            }
        }
        let announced = vec![Announcement { attributes, nlri: vec![nlri] }];
        self.rib.update(peer, Update { announced, ..Update::default() }, 0);
        Ok(())
    }

    /// Resolves every next hop: on the link, unless the script says otherwise.
    fn resolve(&mut self) {
        for address in self.rib.tracked_next_hops().added {
            self.rib.next_hop(address, Resolution::OnLink { interface: None });
        }
        for (address, resolution) in &self.metrics {
            self.rib.next_hop(*address, resolution.clone());
        }
    }

    fn standings(&self) -> String {
        let mut text = String::new();
        for destination in Family::ALL.into_iter().flat_map(|family| self.rib.destinations(family)) {
            // To write to a string cannot fail.
            let _ = writeln!(text, "    {}", destination.prefix());
            for path in destination.paths() {
                let name = match path.source() {
                    Source::Local => "ours",
                    Source::Peer(peer) => self.name(peer),
                };
                let id = if path.path_id() == 0 { String::new() } else { format!("#{}", path.path_id()) };
                let _ = writeln!(text, "      {name}{id} {}", path.standing());
            }
        }
        text
    }

    fn peer_id(&self, name: &str) -> Result<PeerId> {
        self.names.get(name).map(|(peer, ..)| *peer).context("no such peer")
    }

    fn name(&self, peer: PeerId) -> &str {
        self.names.iter().find(|(_, (id, ..))| *id == peer).map_or("nobody", |(name, _)| name)
    }
}

fn origin(text: &str) -> Result<Origin> {
    Ok(match text {
        "igp" => Origin::Igp,
        "egp" => Origin::Egp,
        "incomplete" => Origin::Incomplete,
        _ => bail!("no origin is called {text}"),
    })
}
