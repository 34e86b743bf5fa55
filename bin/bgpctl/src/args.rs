//! The words of the command line.

mod history;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use control::{
    Direction, Family, GivenAttributes, PeerAction, PolicyTest, Request, RouteQuery, RouteTable, Selection,
};
use ipnet::IpNet;

use history::History;

/// Ask podbgpd what it does, and tell it what to do.
#[derive(Debug, Parser)]
#[command(name = "bgpctl", version, after_help = "Exit codes: 0 fine, 1 error, 2 something is down.")]
pub(crate) struct Args {
    /// The daemon's control socket
    #[arg(long, global = true, value_name = "PATH", env = "PODBGP_SOCKET", default_value = control::DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
    /// How to show the answer
    #[arg(short = 'o', long = "output", global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How to show an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines that fit the terminal
    #[default]
    Text,
    /// JSON with stable field names
    Json,
    /// Text with every column, however wide
    Wide,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Asking(Asking),
    /// Watch a peer's messages as they pass by, until there were enough
    Capture(Capture),
    /// Write all tables in a format other programs read
    #[command(subcommand)]
    Dump(Dump),
}

/// What the daemon answers with one view.
#[derive(Debug, Subcommand)]
pub(crate) enum Asking {
    /// Show what the daemon knows
    #[command(subcommand)]
    Show(Show),
    /// Ask what a policy does
    #[command(subcommand)]
    Policy(Policy),
    /// Show what happened and why: sessions, best paths, drains, reloads
    History(History),
    /// Do what the cluster wants and is held, since it takes away too much at once
    Approve {
        /// Only show what is held, with the rest of what is known of the cluster
        #[arg(long)]
        show: bool,
    },
    /// Read the configuration file again and apply the difference
    Reload,
    /// Take a peer up or down, reset its session, or refresh its routes
    Peer {
        /// The peer's name
        name: String,
        /// What to do
        #[arg(value_enum)]
        action: Action,
        /// What to tell the peer when its session is closed
        #[arg(long, short, value_name = "TEXT")]
        message: Option<String>,
    },
    /// Have traffic leave peers before their sessions end, and undo that
    #[command(subcommand)]
    Drain(Drain),
    /// Leave every peer and end the daemon; routes stay in the kernel
    Shutdown {
        /// Without a drain before: packets under way are lost
        #[arg(long)]
        now: bool,
        /// What to tell the peers when their sessions are closed
        #[arg(long, short, value_name = "TEXT")]
        message: Option<String>,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Capture {
    /// The peer's name
    #[arg(long, value_name = "NAME")]
    pub(crate) peer: String,
    /// Write packets to this file for tcpdump and Wireshark, instead of lines
    #[arg(short, long, value_name = "FILE.pcap")]
    pub(crate) write: Option<PathBuf>,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dump {
    /// Every path as received, with its peers (RFC 6396)
    Mrt {
        /// The file to write; - is the standard output
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Drain {
    /// Announce that our routes go, withdraw them, then close the sessions and keep them closed
    Start {
        /// The peers to leave; all without any
        #[arg(value_name = "PEER")]
        peers: Vec<String>,
        /// What to tell the peers when their sessions are closed
        #[arg(long, short, value_name = "TEXT")]
        message: Option<String>,
    },
    /// Show who is drained, and how far
    Status,
    /// Go back to how it was before, from any stage
    Cancel {
        /// The peers to come back to; all without any
        #[arg(value_name = "PEER")]
        peers: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// Whether all is well, in a line, and the facts
    Status,
    /// All peers, a line for each, or one in full
    #[command(alias = "peer")]
    Peers {
        /// The peer to show in full
        name: Option<String>,
    },
    /// What is known of the cluster, how fresh it is, and what is held
    Cluster,
    /// Routes, and for a prefix every candidate with the reason it lost
    #[command(alias = "route")]
    Routes(Routes),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Routes {
    /// A prefix, or an address to find the longest match of
    #[arg(value_name = "PREFIX|ADDRESS", value_parser = selection)]
    selection: Option<Selection>,
    /// Only what this peer announced
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    /// What the peer announced, accepted or not
    #[arg(long, requires = "peer", conflicts_with_all = ["advertised", "rejected", "kernel"])]
    received: bool,
    /// What the peer was told
    #[arg(long, requires = "peer", conflicts_with_all = ["rejected", "kernel"])]
    advertised: bool,
    /// What was refused, with the reason
    #[arg(long, conflicts_with = "kernel")]
    rejected: bool,
    /// What the kernel holds
    #[arg(long, conflicts_with = "peer")]
    kernel: bool,
    /// Only IPv4
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Only IPv6
    #[arg(short = '6', long)]
    ipv6: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Say what would become of a route, by which rule, and what each rule changes; nothing happens to it
    Test(Box<Test>),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Test {
    /// The prefix of the route; the one in the tables, unless its attributes are given
    #[arg(value_name = "PREFIX", value_parser = network)]
    prefix: IpNet,
    /// The peer whose policy it is
    #[arg(long, value_name = "NAME")]
    peer: String,
    /// Which of its policies
    #[arg(long, value_enum)]
    direction: Way,
    /// On the way out: the peer the route is from, if it is not ours or the best
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// igp, egp or incomplete
    #[arg(long)]
    origin: Option<String>,
    /// AS numbers with spaces between, such as "65001 65002"
    #[arg(long, value_name = "PATH")]
    as_path: Option<String>,
    /// The next hop
    #[arg(long, value_name = "ADDRESS")]
    next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC
    #[arg(long)]
    med: Option<u32>,
    /// LOCAL_PREF
    #[arg(long)]
    local_pref: Option<u32>,
    /// A community, such as 65001:100; may be repeated
    #[arg(long = "community", value_name = "COMMUNITY")]
    communities: Vec<String>,
    /// An extended community, such as rt:65001:100; may be repeated
    #[arg(long = "ext-community", visible_alias = "extended-community", value_name = "COMMUNITY")]
    extended_communities: Vec<String>,
    /// A large community, such as 65001:1:2; may be repeated
    #[arg(long = "large-community", value_name = "COMMUNITY")]
    large_communities: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// What the peer announces
    Import,
    /// What the peer is told
    Export,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Action {
    /// Let a peer that was held down come up
    Up,
    /// Close the session and hold the peer down
    Down,
    /// Close the session and let it come up again
    Reset,
    /// Ask for the peer's routes and send ours again
    Refresh,
}

impl Asking {
    pub(crate) fn request(self) -> Request {
        match self {
            Self::Show(Show::Status) => Request::Status,
            Self::Show(Show::Peers { name: None }) => Request::Peers,
            Self::Show(Show::Peers { name: Some(name) }) => Request::Peer { name },
            Self::Show(Show::Routes(routes)) => Request::Routes(routes.query()),
            Self::Policy(Policy::Test(test)) => Request::PolicyTest(Box::new(test.request())),
            Self::History(history) => Request::History(history.query()),
            Self::Show(Show::Cluster) | Self::Approve { show: true } => Request::Cluster,
            Self::Approve { show: false } => Request::Approve,
            Self::Reload => Request::Reload,
            Self::Drain(Drain::Start { peers, message }) => Request::DrainStart { peers, message },
            Self::Drain(Drain::Status) => Request::Drains,
            Self::Drain(Drain::Cancel { peers }) => Request::DrainCancel { peers },
            Self::Shutdown { now, message } => Request::Shutdown { now, message },
            Self::Peer { name, action, message } => {
                let action = match action {
                    Action::Up => PeerAction::Up,
                    Action::Down => PeerAction::Down,
                    Action::Reset => PeerAction::Reset,
                    Action::Refresh => PeerAction::Refresh,
                };
                Request::PeerAction { name, action, message }
            }
        }
    }
}

impl Test {
    fn request(self) -> PolicyTest {
        PolicyTest {
            peer: self.peer,
            direction: match self.direction {
                Way::Import => Direction::Import,
                Way::Export => Direction::Export,
            },
            prefix: self.prefix,
            from: self.from,
            attributes: GivenAttributes {
                origin: self.origin,
                as_path: self.as_path,
                next_hop: self.next_hop,
                med: self.med,
                local_pref: self.local_pref,
                communities: self.communities,
                extended_communities: self.extended_communities,
                large_communities: self.large_communities,
            },
        }
    }
}

impl Routes {
    fn query(self) -> RouteQuery {
        let family = match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::Ipv4),
            (_, true) => Some(Family::Ipv6),
            _ => None,
        };
        let table = match self.peer {
            Some(peer) if self.received => RouteTable::Received { peer },
            Some(peer) if self.advertised => RouteTable::Advertised { peer },
            peer if self.rejected => RouteTable::Rejected { peer },
            _ if self.kernel => RouteTable::Kernel,
            peer => RouteTable::Loc { peer },
        };
        RouteQuery { table, selection: self.selection.unwrap_or_default(), family, after: None }
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .map(|prefix: IpNet| prefix.trunc())
        .map_err(|_| "not a prefix such as 10.1.2.0/24".to_owned())
}

fn selection(text: &str) -> Result<Selection, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Selection::Address(address));
    }
    let prefix =
        text.parse::<IpNet>().map_err(|_| "neither a prefix (10.1.2.0/24) nor an address (10.1.2.3)")?;
    Ok(Selection::Prefix(prefix.trunc()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn request(line: &str) -> Request {
        match Args::try_parse_from(line.split(' ')).expect("the line is right").command {
            Command::Asking(asking) => asking.request(),
            other => panic!("{other:?} is no view"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_verb_becomes_its_request() {
        let routes =
            |table, selection| Request::Routes(RouteQuery { table, selection, ..RouteQuery::default() });
        let tor = || "tor-a".to_owned();
        assert_eq!(request("bgpctl show status"), Request::Status);
        assert_eq!(request("bgpctl show peers"), Request::Peers);
        assert_eq!(request("bgpctl show peers tor-a -o json"), Request::Peer { name: tor() });
        assert_eq!(request("bgpctl --socket /s reload"), Request::Reload);
        assert_eq!(request("bgpctl show cluster"), Request::Cluster);
        assert_eq!(request("bgpctl approve"), Request::Approve);
        assert_eq!(request("bgpctl approve --show"), Request::Cluster);
        assert_eq!(
            request("bgpctl peer tor-a down --message bye"),
            Request::PeerAction { name: tor(), action: PeerAction::Down, message: Some("bye".into()) }
        );
        assert_eq!(
            request("bgpctl drain start tor-a tor-b -m bye"),
            Request::DrainStart { peers: vec![tor(), "tor-b".into()], message: Some("bye".into()) }
        );
        assert_eq!(request("bgpctl drain status"), Request::Drains);
        assert_eq!(request("bgpctl drain cancel"), Request::DrainCancel { peers: vec![] });
        assert_eq!(request("bgpctl shutdown --now"), Request::Shutdown { now: true, message: None });
        assert_eq!(
            request("bgpctl history --peer tor-a --prefix 10.1.2.3/8 --since 2h --limit 7"),
            Request::History(control::HistoryQuery {
                peer: Some(tor()),
                prefix: Some("10.0.0.0/8".parse().unwrap()),
                since: Some(7200),
                limit: Some(7),
            })
        );
        assert_eq!(request("bgpctl show routes"), routes(RouteTable::default(), Selection::All));
        assert_eq!(
            request("bgpctl show routes 10.1.2.3/8"),
            routes(RouteTable::default(), Selection::Prefix("10.0.0.0/8".parse().unwrap()))
        );
        assert_eq!(
            request("bgpctl show routes fd00::1"),
            routes(RouteTable::default(), Selection::Address("fd00::1".parse().unwrap()))
        );
        let received = RouteTable::Received { peer: tor() };
        assert_eq!(request("bgpctl show routes --peer tor-a --received"), routes(received, Selection::All));
        let advertised = RouteTable::Advertised { peer: tor() };
        assert_eq!(
            request("bgpctl show routes --peer tor-a --advertised"),
            routes(advertised, Selection::All)
        );
        let rejected = RouteTable::Rejected { peer: None };
        assert_eq!(request("bgpctl show routes --rejected"), routes(rejected, Selection::All));
        let test = PolicyTest {
            peer: tor(),
            direction: Direction::Export,
            prefix: "10.1.2.0/24".parse().unwrap(),
            from: Some("tor-b".to_owned()),
            attributes: GivenAttributes {
                communities: vec!["1:2".to_owned(), "no-export".to_owned()],
                ..GivenAttributes::default()
            },
        };
        assert_eq!(
            request(
                "bgpctl policy test --peer tor-a --direction export 10.1.2.3/24 --from tor-b --community 1:2 \
                 --community no-export"
            ),
            Request::PolicyTest(Box::new(test))
        );
        assert_eq!(request("bgpctl show routes --kernel"), routes(RouteTable::Kernel, Selection::All));
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for line in [
            "bgpctl",
            "bgpctl show routes --received",
            "bgpctl show routes --peer a --received --advertised",
            "bgpctl show routes --kernel --peer a",
            "bgpctl show routes 10.0.0.0/33",
            "bgpctl peer tor-a explode",
            "bgpctl capture",
            "bgpctl capture --peer tor-a --count many",
            "bgpctl dump",
            "bgpctl show routes -4 -6",
            "bgpctl history --since yesterday",
            "bgpctl history --limit 0",
        ] {
            assert!(Args::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
