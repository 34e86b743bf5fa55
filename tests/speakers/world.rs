//! Speakers, the pipes between them, and time that passes when it is told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use bgp::fsm::{Cause, State};
use bytes::Bytes;
use control::{
    AdvertisedView, ClusterView, ConfigView, ErrorView, FibView, PeerView, RouteQuery, RouteView, Selection,
    StatusView,
};
use fib::Command;
use ipnet::IpNet;
use podbgpd::addresses::LocalEnd;
use podbgpd::bfd::Wanted;
use podbgpd::control::Page;
use podbgpd::intent::{Change, Intent};
use podbgpd::speaker::{Input, Notice, Output, Past, Speaker, Surroundings};
use podbgpd::transport::{Key, Place};

#[path = "world/links.rs"]
pub(crate) mod links;
#[path = "world/restarts.rs"]
mod restarts;

/// How long octets are on their way.
pub(crate) const DELAY: Duration = Duration::from_millis(10);
/// The interface all kernels reach everybody by.
pub(crate) const INTERFACE: u32 = 2;
/// How many changes a kernel takes at once.
const CHANGES: usize = 100;

/// Where the node of this number is.
pub(crate) fn address(number: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, number])
}

/// What the node of this number is reached by, on the one link there is.
pub(crate) fn local_end(number: u8) -> LocalEnd {
    LocalEnd {
        ipv4: Some([192, 0, 2, number].into()),
        ipv4_elsewhere: false,
        ipv6: Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into())),
        ipv6_elsewhere: false,
        link_local: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number.into())),
    }
}

/// A connection at one of its ends.
type Socket = (u8, Key);

/// Nodes numbered from one, and what is on its way between them.
pub(crate) struct World {
    epoch: Instant,
    pub(crate) now: Instant,
    pub(crate) nodes: BTreeMap<u8, Node>,
    /// The other end of each connection.
    wires: BTreeMap<Socket, Socket>,
    on_its_way: BTreeMap<(Instant, u64), (u8, Parcel)>,
    sent: u64,
    /// Those who read nothing, and what waits for them.
    stuck: BTreeMap<u8, VecDeque<(Key, Bytes)>>,
    /// Those whose packets go nowhere.
    unplugged: BTreeSet<u8>,
    /// What every node's status says of the cluster.
    pub(crate) cluster: Option<ClusterView>,
    /// Those whose daemon has ended, with the kernel and the intent it left.
    ended: BTreeMap<u8, (Kernel, Intent)>,
}

/// A speaker with its kernel.
pub(crate) struct Node {
    pub(crate) speaker: Speaker,
    pub(crate) kernel: Kernel,
    pub(crate) notices: Vec<Notice>,
    /// The connections the speaker closed.
    pub(crate) closed: usize,
    /// What the speaker said of passwords.
    pub(crate) passwords: Vec<(IpAddr, bool)>,
    /// The BFD sessions the speaker asked for last, and how often it asked.
    pub(crate) watched: Vec<Wanted>,
    pub(crate) watched_anew: usize,
    /// The neighbours whose failure the speaker wants to know of.
    pub(crate) heeded: BTreeSet<IpAddr>,
    /// The links the speaker wants looked at.
    pub(crate) sought: BTreeSet<u32>,
    /// The next hops that were to be left at once, and how many routes the kernel had been told to change by then.
    pub(crate) lost: Vec<(fib::NextHop, usize)>,
    /// The octets handed to connections, and of those the ones taken.
    pub(crate) transmitted: usize,
    pub(crate) written: usize,
    /// The most that was ever between the two.
    pub(crate) most_unwritten: usize,
}

/// What a kernel would hold.
#[derive(Default)]
pub(crate) struct Kernel {
    pub(crate) routes: BTreeMap<IpNet, fib::Target>,
    pub(crate) commands: Vec<&'static str>,
    pub(crate) changes: usize,
    /// The routes that were taken away, each time.
    pub(crate) removed: Vec<IpNet>,
    /// What this run of the daemon asked for; the rest goes when it has converged.
    claimed: BTreeSet<IpNet>,
    pub(crate) converged_at: Option<Instant>,
    /// How long it takes to say where a next hop leads.
    pub(crate) resolves_after: Duration,
}

#[derive(Debug)]
enum Parcel {
    Dial(Key, Place),
    Refused(Key),
    Octets { to: Key, from: Socket, octets: Bytes },
    Closed(Key),
    Fib(fib::Event),
}

impl World {
    /// Starts a speaker for each intent, the first as node 1.
    pub(crate) fn new(intents: impl IntoIterator<Item = Intent>) -> Self {
        let now = Instant::now();
        let mut world = Self {
            epoch: now,
            now,
            nodes: BTreeMap::new(),
            wires: BTreeMap::new(),
            on_its_way: BTreeMap::new(),
            sent: 0,
            stuck: BTreeMap::new(),
            unplugged: BTreeSet::new(),
            cluster: None,
            ended: BTreeMap::new(),
        };
        for (number, intent) in (1..).zip(intents) {
            world.start(number, Past::default(), intent, Kernel::default());
        }
        world
    }

    fn start(&mut self, number: u8, past: Past, intent: Intent, kernel: Kernel) {
        let mut out = Vec::new();
        let speaker = Speaker::after(past, intent, self.now, &mut out);
        let node = Node {
            speaker,
            kernel,
            notices: Vec::new(),
            closed: 0,
            passwords: Vec::new(),
            watched: Vec::new(),
            watched_anew: 0,
            heeded: BTreeSet::new(),
            sought: BTreeSet::new(),
            lost: Vec::new(),
            transmitted: 0,
            written: 0,
            most_unwritten: 0,
        };
        self.nodes.insert(number, node);
        self.carry_out(number, out);
        self.settle(number);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let parcel = self.on_its_way.first_key_value().map(|(&(when, _), _)| when);
            let deadlines = self.nodes.values().filter_map(|node| node.speaker.next_deadline());
            let Some(next) = deadlines.chain(parcel).min().filter(|&next| next <= end) else { break };
            self.now = self.now.max(next);
            match self.on_its_way.first_entry() {
                Some(entry) if entry.key().0 <= self.now => {
                    let (to, parcel) = entry.remove();
                    self.deliver(to, parcel);
                }
                _ => self.tick(),
            }
        }
        self.now = end;
    }

    /// Has a speaker do something, and sees to what comes of it.
    pub(crate) fn act<T>(
        &mut self,
        number: u8,
        act: impl FnOnce(&mut Speaker, Instant, &mut Vec<Output>) -> T,
    ) -> T {
        let mut out = Vec::new();
        let now = self.now;
        let result = act(&mut self.node(number).speaker, now, &mut out);
        self.carry_out(number, out);
        self.settle(number);
        result
    }

    /// Reloads a node with what an edit makes of its intent.
    pub(crate) fn reload(
        &mut self,
        number: u8,
        edit: impl FnOnce(&mut Intent),
    ) -> Result<Vec<Change>, Vec<Change>> {
        let mut intent = self.node(number).speaker.intent().clone();
        edit(&mut intent);
        self.act(number, |speaker, now, out| speaker.reload(intent, now, out))
    }

    /// Has nothing of a node arrive anywhere, nor anything at it.
    pub(crate) fn unplug(&mut self, number: u8) {
        self.unplugged.insert(number);
    }

    /// Connects it again.
    pub(crate) fn plug_in(&mut self, number: u8) {
        self.unplugged.remove(&number);
    }

    /// Has a node read nothing more from its connections.
    pub(crate) fn stop_reading(&mut self, number: u8) {
        self.stuck.entry(number).or_default();
    }

    /// Has a node read what has waited for it.
    pub(crate) fn read_again(&mut self, number: u8) {
        for (to, octets) in self.stuck.remove(&number).unwrap_or_default() {
            if let Some(&from) = self.wires.get(&(number, to)) {
                self.send(number, Parcel::Octets { to, from, octets });
            }
        }
    }

    pub(crate) fn node(&mut self, number: u8) -> &mut Node {
        self.nodes.get_mut(&number).expect("the node is there")
    }

    /// What the other node calls a connection of this one.
    pub(crate) fn other_end(&self, number: u8, key: Key) -> Key {
        self.wires[&(number, key)].1
    }

    /// How a node sees its peer of another number.
    pub(crate) fn peer(&self, number: u8, peer: u8) -> PeerView {
        self.nodes[&number].speaker.peer_view(&crate::name(peer), self.now).expect("the peer is there")
    }

    pub(crate) fn status(&self, number: u8) -> StatusView {
        let config = ConfigView {
            file: String::new(),
            loaded_at: 0,
            loaded_age_seconds: 0,
            reloads: 0,
            reload_failures: 0,
            last_reload_error: None,
        };
        let kernel = Some(FibView { enabled: true, ..FibView::default() });
        self.nodes[&number].speaker.status_view(
            Surroundings {
                kernel,
                config,
                wrong_hands: Vec::new(),
                stations: Vec::new(),
                mrt: None,
                cluster: self.cluster.clone(),
            },
            self.now,
        )
    }

    pub(crate) fn received(&self, number: u8, peer: u8) -> Vec<RouteView> {
        let speaker = &self.nodes[&number].speaker;
        all(|query| speaker.received(query, &crate::name(peer), self.now))
    }

    pub(crate) fn rejected(&self, number: u8, peer: u8) -> Vec<RouteView> {
        let speaker = &self.nodes[&number].speaker;
        all(|query| speaker.rejected(query, Some(&crate::name(peer)), self.now))
    }

    /// What a node says of one prefix.
    pub(crate) fn route(&self, number: u8, prefix: IpNet) -> RouteView {
        let query = RouteQuery { selection: Selection::Prefix(prefix), ..RouteQuery::default() };
        let page = self.nodes[&number].speaker.loc_rib(&query, None, self.now);
        page.expect("no peer is named").items.remove(0)
    }

    pub(crate) fn advertised(&self, number: u8, peer: u8) -> Vec<AdvertisedView> {
        let speaker = &self.nodes[&number].speaker;
        all(|query| speaker.advertised(query, &crate::name(peer)))
    }

    /// The prefixes a node has from a peer.
    pub(crate) fn prefixes(&self, number: u8, peer: u8) -> Vec<IpNet> {
        self.received(number, peer).into_iter().map(|route| route.prefix).collect()
    }

    fn tick(&mut self) {
        for number in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.act(number, |speaker, now, out| speaker.handle(Input::Tick, now, out));
        }
    }

    fn send(&mut self, to: u8, parcel: Parcel) {
        self.send_after(DELAY, to, parcel);
    }

    fn send_after(&mut self, delay: Duration, to: u8, parcel: Parcel) {
        self.sent += 1;
        self.on_its_way.insert((self.now + delay, self.sent), (to, parcel));
    }

    fn deliver(&mut self, to: u8, parcel: Parcel) {
        match parcel {
            Parcel::Dial(key, remote) => self.dial(to, key, remote),
            Parcel::Refused(key) => self.input(to, Input::ConnectFailed(key, "refused".to_owned())),
            Parcel::Octets { to: key, from, octets } => {
                if let Some(waiting) = self.stuck.get_mut(&to) {
                    waiting.push_back((key, octets));
                    return;
                }
                let count = octets.len();
                self.input(to, Input::Received(key, octets));
                if let Some(node) = self.nodes.get_mut(&from.0).filter(|_| self.wires.contains_key(&from)) {
                    node.written += count;
                    self.input(from.0, Input::Written(from.1, count));
                }
            }
            Parcel::Closed(key) => self.input(to, Input::Closed(key, "closed by the peer".to_owned())),
            Parcel::Fib(event) => self.input(to, Input::Fib(event)),
        }
    }

    /// Brings two ends together, if the one dialled is there and wants it.
    fn dial(&mut self, from: u8, key: Key, remote: Place) {
        let mut others = self.nodes.keys().copied();
        let found = others.find(|&to| remote == address(to).into() || remote == links::place(to));
        let Some(to) = found.filter(|to| !self.unplugged.contains(to) && !self.unplugged.contains(&from))
        else {
            return;
        };
        let mut out = Vec::new();
        let now = self.now;
        let over_link = remote.interface.is_some();
        let (place, end): (_, fn(u8) -> LocalEnd) = match over_link {
            true => (links::place(from), links::end),
            false => (address(from).into(), local_end),
        };
        let accepted = Input::Accepted(place, end(to));
        self.node(to).speaker.handle(accepted, now, &mut out);
        let answer = out.iter().find_map(|output| match output {
            Output::Accept(key, _) => Some(*key),
            _ => None,
        });
        match answer {
            Some(other) => {
                self.wires.insert((from, key), (to, other));
                self.wires.insert((to, other), (from, key));
                self.carry_out(to, out);
                self.input(from, Input::Connected(key, end(from)));
            }
            None => {
                self.carry_out(to, out);
                self.send(from, Parcel::Refused(key));
            }
        }
        self.settle(to);
    }

    pub(crate) fn input(&mut self, number: u8, input: Input) {
        self.act(number, |speaker, now, out| speaker.handle(input, now, out));
    }

    fn carry_out(&mut self, number: u8, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Connect(key, endpoint) => {
                    self.send(number, Parcel::Dial(key, endpoint.remote.into()))
                }
                Output::Transmit(key, octets) => self.transmit((number, key), octets),
                Output::Close(key) => {
                    self.node(number).closed += 1;
                    if let Some((to, other)) = self.wires.remove(&(number, key)) {
                        self.send(to, Parcel::Closed(other));
                    }
                }
                Output::Sign(of, signing) => {
                    self.node(number).passwords.push((of.prefix.addr(), signing.is_some()));
                }
                Output::Seek(links) => self.node(number).sought = links,
                Output::Notice(notice) => {
                    let now = self.now;
                    let node = self.node(number);
                    node.speaker.remember(&notice, now);
                    node.notices.push(notice);
                }
                Output::Bfd(sessions) => {
                    let node = self.node(number);
                    node.watched = sessions;
                    node.watched_anew += 1;
                }
                Output::Heed(neighbours) => self.node(number).heeded = neighbours,
                Output::Lose(next_hops) => {
                    let node = self.node(number);
                    let changes = node.kernel.changes;
                    node.lost.extend(next_hops.into_iter().map(|next_hop| (next_hop, changes)));
                }
                Output::Accept(..) | Output::Refuse | Output::Heard(..) => {}
            }
        }
    }

    fn transmit(&mut self, from: Socket, octets: Bytes) {
        let node = self.node(from.0);
        node.transmitted += octets.len();
        node.most_unwritten = node.most_unwritten.max(node.transmitted - node.written);
        let Some(&(to, key)) = self.wires.get(&from) else { return };
        if !self.unplugged.contains(&from.0) && !self.unplugged.contains(&to) {
            self.send(to, Parcel::Octets { to: key, from, octets });
        }
    }

    fn settle(&mut self, number: u8) {
        let mut out = Vec::new();
        let now = self.now;
        self.node(number).speaker.settle(now, &mut out);
        self.carry_out(number, out);
        while let Some(command) = self.node(number).speaker.kernel_command(CHANGES) {
            let kernel = &mut self.node(number).kernel;
            if let Some(event) = kernel.obey(command, now) {
                let delay = kernel.resolves_after;
                self.send_after(delay, number, Parcel::Fib(event));
            }
        }
    }
}

impl Node {
    /// Why sessions ended, in the words of metrics.
    pub(crate) fn ends(&self) -> Vec<&'static str> {
        let end = |notice: &Notice| match notice {
            Notice::State { from: State::Established, cause: Cause::Down(reason), .. } => {
                Some(reason.label())
            }
            _ => None,
        };
        self.notices.iter().filter_map(end).collect()
    }
}

impl Kernel {
    fn obey(&mut self, command: Command, now: Instant) -> Option<fib::Event> {
        let (name, event) = match command {
            Command::Apply(changes) => {
                self.changes += changes.len();
                for fib::Change { prefix, target, .. } in changes {
                    match target {
                        Some(target) => {
                            self.routes.insert(prefix, target);
                            self.claimed.insert(prefix);
                        }
                        None => self.remove(prefix),
                    }
                }
                ("apply", None)
            }
            Command::Track(addresses) => {
                let on_link = |address| (address, fib::Resolution::OnLink { interface: INTERFACE });
                ("track", Some(fib::Event::Resolved(addresses.into_iter().map(on_link).collect())))
            }
            Command::Untrack(_) => ("untrack", None),
            Command::Transit(_) => ("transit", None),
            Command::HostRoutes(_) => ("host routes", None),
            Command::Lose(_) => ("lose", None),
            Command::Settled => ("settled", None),
            Command::Converged => {
                self.converged_at = Some(now);
                let leftover = self.routes.keys().copied().filter(|prefix| !self.claimed.contains(prefix));
                leftover.collect::<Vec<_>>().into_iter().for_each(|prefix| self.remove(prefix));
                ("converged", None)
            }
            Command::Snapshot(..) | Command::Stop => unreachable!("a speaker asks for neither"),
        };
        self.commands.push(name);
        event
    }

    fn remove(&mut self, prefix: IpNet) {
        self.routes.remove(&prefix);
        self.claimed.remove(&prefix);
        self.removed.push(prefix);
    }

    /// The prefixes that packets are sent on for.
    pub(crate) fn forwarded(&self) -> Vec<IpNet> {
        let forwarded = self.routes.iter().filter(|(_, target)| matches!(target, fib::Target::Forward(_)));
        forwarded.map(|(&prefix, _)| prefix).collect()
    }
}

/// Asks for page after page.
fn all<T>(ask: impl Fn(&RouteQuery) -> Result<Page<T>, ErrorView>) -> Vec<T> {
    let mut query = RouteQuery::default();
    let mut items = Vec::new();
    loop {
        let page = ask(&query).expect("the peer is there");
        items.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            return items;
        }
    }
}
