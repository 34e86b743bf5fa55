//! A node without kernel routes, on sockets of its own, asked as operators ask.

use std::net::TcpListener;

use control::{PeerState, Selection, Verdict};
use tokio::sync::oneshot;

use super::*;

const CONFIG: &str = r#"
[node]
name = "node1"
asn = 64512
router-id = "10.0.0.1"
listen = []
blocks = ["10.20.30.64/26"]

[fib]
install = false

[[peer]]
name = "tor-a"
address = "127.0.0.8"
asn = 65001

[[peer]]
name = "tor-b"
address = "127.0.0.9"
asn = 65002
shutdown = true
"#;

struct Rig {
    node: Node,
    folder: PathBuf,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Rig {
    async fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("podbgpd-answer-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("podbgpd.toml");
        std::fs::write(&file, Self::config(&folder, "")).unwrap();
        let config = config::load(&file, &Facts::gather()).unwrap();
        Self { node: Node::open(file, config.intent).await.unwrap(), folder }
    }

    fn config(folder: &std::path::Path, more: &str) -> String {
        let socket = folder.join("podbgpd.sock");
        let state = folder.join("state");
        format!(
            "{CONFIG}\n[control]\nsocket = \"{}\"\n[graceful-restart]\nstate-directory = \"{}\"\n{more}",
            socket.display(),
            state.display()
        )
    }

    /// Writes the file anew, with an edit and something at its end.
    fn write(&self, edit: impl Fn(String) -> String, more: &str) {
        std::fs::write(self.folder.join("podbgpd.toml"), edit(Self::config(&self.folder, more))).unwrap();
    }

    async fn ask(&mut self, request: Request) -> Result<Response, ErrorView> {
        let (reply, answer) = oneshot::channel();
        self.node.answer(ControlRequest { request, reply });
        answer.await.expect("there is an answer")
    }

    async fn status(&mut self) -> control::StatusView {
        match self.ask(Request::Status).await {
            Ok(Response::Status(status)) => *status,
            other => panic!("{other:?}"),
        }
    }

    async fn reload(&mut self) -> ReloadView {
        match self.ask(Request::Reload).await {
            Ok(Response::Reload(view)) => view,
            other => panic!("{other:?}"),
        }
    }

    async fn act(&mut self, peer: &str, action: PeerAction) -> Result<String, ErrorView> {
        let request = Request::PeerAction { name: peer.to_owned(), action, message: None };
        match self.ask(request).await? {
            Response::Action(view) => Ok(view.effect),
            other => panic!("{other:?}"),
        }
    }

    async fn routes(&mut self, table: RouteTable, selection: Selection) -> Result<Vec<String>, ErrorView> {
        let query = RouteQuery { table, selection, ..RouteQuery::default() };
        Ok(match self.ask(Request::Routes(query)).await? {
            Response::Routes(page) => page.items.iter().map(|route| route.prefix.to_string()).collect(),
            Response::Advertised(page) => page.items.iter().map(|route| route.prefix.to_string()).collect(),
            Response::KernelRoutes(page) => page.items.iter().map(|route| route.prefix.to_string()).collect(),
            other => panic!("{other:?}"),
        })
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T, ErrorView>) -> ErrorCode {
    answer.expect_err("it is refused").code
}

#[tokio::test]
async fn the_status_names_the_node_and_what_is_wrong() {
    let mut rig = Rig::new("status").await;
    let status = rig.status().await;
    assert_eq!((status.node.name.as_str(), status.verdict), ("node1", Verdict::Degraded));
    assert_eq!((status.peers.configured, status.peers.administratively_down), (2, 1));
    assert!(!status.fib.enabled);
    assert_eq!((status.config.reloads, status.config.last_reload_error), (0, None));
}

#[tokio::test]
async fn peers_are_found_by_name_and_others_refused() {
    let mut rig = Rig::new("peers").await;
    let Ok(Response::Peers(peers)) = rig.ask(Request::Peers).await else { panic!("peers") };
    let names: Vec<_> = peers.iter().map(|peer| (peer.name.as_str(), peer.state)).collect();
    assert_eq!(names, [("tor-a", PeerState::Connect), ("tor-b", PeerState::Idle)]);
    assert!(rig.ask(Request::Peer { name: "tor-a".into() }).await.is_ok());
    assert_eq!(code(rig.ask(Request::Peer { name: "tor-z".into() }).await), ErrorCode::NotFound);
    assert_eq!(code(rig.act("tor-z", PeerAction::Up).await), ErrorCode::NotFound);
    let received = RouteTable::Received { peer: "tor-z".into() };
    assert_eq!(code(rig.routes(received, Selection::All).await), ErrorCode::NotFound);
}

#[tokio::test]
async fn what_cannot_be_done_to_a_peer_is_a_conflict_that_says_why() {
    let mut rig = Rig::new("actions").await;
    let refused = rig.act("tor-a", PeerAction::Refresh).await.unwrap_err();
    assert_eq!((refused.code, refused.error.as_str()), (ErrorCode::Conflict, "peer tor-a has no session"));
    let refused = rig.act("tor-b", PeerAction::Up).await.unwrap_err();
    assert_eq!(refused.hint.as_deref(), Some("change the file and reload"));
    rig.act("tor-a", PeerAction::Down).await.unwrap();
    assert_eq!(code(rig.act("tor-a", PeerAction::Reset).await), ErrorCode::Conflict);
    rig.act("tor-a", PeerAction::Up).await.unwrap();
    assert_eq!(rig.act("tor-a", PeerAction::Reset).await.unwrap(), "the peer looks for a session");
}

#[tokio::test]
async fn routes_are_selected_by_prefix_and_address() {
    let mut rig = Rig::new("routes").await;
    rig.node.settle();
    let loc = RouteTable::default;
    let block = "10.20.30.64/26";
    assert_eq!(rig.routes(loc(), Selection::All).await.unwrap(), [block]);
    let to = |address: &str| Selection::Address(address.parse().unwrap());
    assert_eq!(rig.routes(loc(), to("10.20.30.65")).await.unwrap(), [block]);
    assert_eq!(rig.routes(loc(), to("10.20.30.1")).await.unwrap(), Vec::<String>::new());
    let exactly = |prefix: &str| Selection::Prefix(prefix.parse().unwrap());
    assert_eq!(rig.routes(loc(), exactly(block)).await.unwrap(), [block]);
    assert_eq!(rig.routes(loc(), exactly("10.20.30.64/27")).await.unwrap(), Vec::<String>::new());
    for table in [
        RouteTable::Received { peer: "tor-a".into() },
        RouteTable::Advertised { peer: "tor-a".into() },
        RouteTable::Rejected { peer: None },
        RouteTable::Kernel,
    ] {
        assert_eq!(rig.routes(table, Selection::All).await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_reload_says_what_it_changed_with_the_effect() {
    let mut rig = Rig::new("reload").await;
    assert_eq!(rig.reload().await.changes, []);
    rig.write(|text| text.replace("\"10.20.30.64/26\"", "\"10.20.30.64/26\", \"10.20.31.0/26\""), "");
    let view = rig.reload().await;
    assert!(view.applied && view.errors.is_empty(), "{view:?}");
    let effects: Vec<_> = view.changes.iter().map(|change| change.effect).collect();
    assert_eq!(effects, [control::Effect::Routes]);
    assert_eq!(rig.status().await.config.reloads, 2);
}

#[tokio::test]
async fn a_reload_of_a_broken_file_or_one_that_needs_a_restart_changes_nothing() {
    let mut rig = Rig::new("refused").await;
    rig.write(|text| text.replace("asn = 65001", "asn = \"x\""), "");
    let view = rig.reload().await;
    assert!(!view.applied && view.errors[0].line.is_some(), "{view:?}");
    rig.write(|text| text.replace("install = false", "install = true"), "");
    let view = rig.reload().await;
    assert!(!view.applied, "{view:?}");
    assert_eq!(view.errors[0].hint.as_deref(), Some("restart podbgpd, or change it back"));
    let config = rig.status().await.config;
    assert_eq!((config.reloads, config.reload_failures), (0, 2));
    assert!(config.last_reload_error.is_some());

    std::fs::remove_file(rig.folder.join("podbgpd.toml")).unwrap();
    let view = rig.reload().await;
    assert!(!view.applied && view.errors.len() == 1, "{view:?}");
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_told_and_asked_for_again() {
    let mut rig = Rig::new("address").await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = format!("[metrics]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    rig.write(|text| text, &metrics);
    let view = rig.reload().await;
    assert!(view.applied, "{view:?}");
    assert_eq!(view.errors[0].key.as_deref(), Some("metrics.listen"));
    assert!(rig.status().await.config.last_reload_error.is_some());
    drop(taken);
    let view = rig.reload().await;
    assert_eq!((view.errors, view.changes), (Vec::new(), Vec::new()), "tried again though nothing changed");
    assert_eq!(rig.status().await.config.last_reload_error, None);
}
