//! Server and client together over a real socket, with an owner who answers from the golden views.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ::control::{ErrorCode, PeerAction, RouteQuery, RouteTable};
use bgpctl::{Client, ClientError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::*;

mod onlookers;

const STATUS: &str = include_str!("../../../control/golden/status_degraded.json");
const PEERS: &str = include_str!("../../../control/golden/peers.json");
const ROUTES: &str = include_str!("../../../control/golden/routes.json");
/// Prefixes the fake owner holds, and how many it tells at a time.
const TABLE: usize = 2500;
const PAGE: usize = 1000;

fn prefix(index: usize) -> IpNet {
    format!("10.{}.{}.0/24", index / 256, index % 256).parse().expect("a prefix")
}

/// Answers as the owner of all state would.
fn reply(request: &Request) -> Result<Response, ErrorView> {
    let golden = "the golden files are views";
    let peers: Vec<PeerView> = serde_json::from_str(PEERS).expect(golden);
    let unknown = |name: &str| ErrorView::new(ErrorCode::NotFound, format!("there is no peer `{name}`"));
    match request {
        Request::Status => Ok(Response::Status(serde_json::from_str(STATUS).expect(golden))),
        Request::Peers => Ok(Response::Peers(peers)),
        Request::Peer { name } => {
            let peer = peers.into_iter().find(|peer| peer.name == *name).ok_or_else(|| unknown(name))?;
            Ok(Response::Peer(Box::new(peer)))
        }
        Request::Routes(RouteQuery { table: RouteTable::Kernel, .. }) => {
            Ok(Response::KernelRoutes(Page { items: vec![], next: None }))
        }
        Request::Routes(query) => {
            let specimen: Vec<RouteView> = serde_json::from_str(ROUTES).expect(golden);
            let start =
                query.after.map_or(0, |after| (0..TABLE).position(|i| prefix(i) == after).unwrap() + 1);
            let end = (start + PAGE).min(TABLE);
            let route = |index| RouteView { prefix: prefix(index), ..specimen[0].clone() };
            let next = (end < TABLE).then(|| prefix(end - 1));
            Ok(Response::Routes(Page { items: (start..end).map(route).collect(), next }))
        }
        Request::PolicyTest(_) => {
            let view = include_str!("../../../control/golden/policy_test.json");
            Ok(Response::PolicyTest(serde_json::from_str(view).expect(golden)))
        }
        Request::History(_) => {
            let history = include_str!("../../../control/golden/history.json");
            Ok(Response::History(serde_json::from_str(history).expect(golden)))
        }
        Request::Cluster => {
            let view = include_str!("../../../control/golden/cluster.json");
            Ok(Response::Cluster(serde_json::from_str(view).expect(golden)))
        }
        Request::Approve => {
            let view = include_str!("../../../control/golden/approved.json");
            Ok(Response::Approved(serde_json::from_str(view).expect(golden)))
        }
        Request::Reload => {
            let refused = include_str!("../../../control/golden/reload_refused.json");
            Ok(Response::Reload(serde_json::from_str(refused).expect(golden)))
        }
        Request::PeerAction { name, action, message } => {
            let effect = message.clone().unwrap_or_default();
            Ok(Response::Action(ActionView { peer: name.clone(), action: *action, effect }))
        }
        Request::Capture { .. } => Ok(Response::Capture(onlookers::captured())),
        Request::Dump { after } => Ok(Response::Dump(Box::new(onlookers::page(*after)))),
        Request::Drains
        | Request::DrainStart { .. }
        | Request::DrainCancel { .. }
        | Request::Shutdown { .. } => {
            let drain = include_str!("../../../control/golden/drain.json");
            Ok(Response::Drain(serde_json::from_str(drain).expect(golden)))
        }
    }
}

/// A server with its owner, on a socket of its own.
struct Rig {
    directory: PathBuf,
    socket: PathBuf,
    _tasks: JoinSet<()>,
}

impl Rig {
    fn new(
        name: &str,
        mut answer: impl FnMut(&Request) -> Option<Result<Response, ErrorView>> + Send + 'static,
    ) -> Self {
        let directory = std::env::temp_dir().join(format!("podbgp-control-{}-{name}", std::process::id()));
        let socket = directory.join("run").join("podbgpd.sock");
        let listener = ControlListener::bind(&socket).expect("the socket is made, with its directory");
        let (requests, mut inbox) = mpsc::channel::<ControlRequest>(4);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut unanswered = Vec::new();
            while let Some(ControlRequest { request, reply }) = inbox.recv().await {
                match answer(&request) {
                    Some(view) => drop(reply.send(view)),
                    None => unanswered.push(reply),
                }
            }
        });
        tasks.spawn(serve(listener, Owner::new(requests)));
        Self { directory, socket, _tasks: tasks }
    }

    fn client(&self) -> Client {
        Client::new(&self.socket)
    }

    /// Sends octets as they are, and reads all that comes back.
    async fn raw(&self, octets: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.socket).await.expect("the server listens");
        stream.write_all(octets).await.expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the server answers");
        answer
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn well(request: &Request) -> Option<Result<Response, ErrorView>> {
    Some(reply(request))
}

#[tokio::test]
async fn the_client_gets_the_views_the_owner_made() {
    let rig = Rig::new("views", well);
    let status: StatusView = rig.client().ask(&Request::Status).await.unwrap();
    assert!(matches!(reply(&Request::Status), Ok(Response::Status(expected)) if *expected == status));
    let peers: Vec<PeerView> = rig.client().ask(&Request::Peers).await.unwrap();
    assert!(matches!(reply(&Request::Peers), Ok(Response::Peers(expected)) if expected == peers));
    let refused: ReloadView = rig.client().ask(&Request::Reload).await.unwrap();
    assert!(!refused.applied && refused.errors.len() == 2);
    let message = Some("rewiring – back soon".to_owned());
    let request = Request::PeerAction { name: "tor-a".into(), action: PeerAction::Down, message };
    let done: ActionView = rig.client().ask(&request).await.unwrap();
    assert_eq!(done.effect, "rewiring – back soon");
}

#[tokio::test]
async fn a_list_of_many_pages_is_one_array() {
    let rig = Rig::new("pages", well);
    let routes: Vec<RouteView> = rig.client().ask(&Request::Routes(RouteQuery::default())).await.unwrap();
    let prefixes: Vec<IpNet> = routes.iter().map(|route| route.prefix).collect();
    assert_eq!(prefixes, (0..TABLE).map(prefix).collect::<Vec<_>>());
    let query = RouteQuery { table: RouteTable::Kernel, ..RouteQuery::default() };
    let none: Vec<KernelRouteView> = rig.client().ask(&Request::Routes(query)).await.unwrap();
    assert_eq!(none, []);
}

#[tokio::test]
async fn a_list_the_owner_cannot_finish_is_an_error_and_no_shorter_list() {
    let rig = Rig::new("cut", |request| match request {
        Request::Routes(RouteQuery { after: Some(_), .. }) => Some(Err(stopping())),
        _ => well(request),
    });
    let routes = rig.client().ask::<Vec<RouteView>>(&Request::Routes(RouteQuery::default())).await;
    assert!(matches!(routes, Err(ClientError::Broken { .. })), "{routes:?}");
}

#[tokio::test]
async fn an_error_keeps_its_kind_and_its_words() {
    let rig = Rig::new("errors", well);
    let answer = rig.client().ask::<PeerView>(&Request::Peer { name: "tor-x".into() }).await;
    let Err(ClientError::Refused(view)) = answer else { panic!("{answer:?}") };
    assert_eq!(view, ErrorView::new(ErrorCode::NotFound, "there is no peer `tor-x`"));
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_does_not_answer_delays_nobody_for_ever() {
    let (requests, mut inbox) = mpsc::channel(1);
    let owner = Owner::new(requests);
    let asked = owner.ask(Request::Status).await;
    assert_eq!(asked.unwrap_err().code, ErrorCode::Unavailable);
    drop(inbox.recv().await);
    // The queue is empty again: the answer that never comes is the reply that is dropped.
    let (asked, _) = tokio::join!(owner.ask(Request::Status), async { drop(inbox.recv().await) });
    assert_eq!(asked.unwrap_err(), stopping());
}

#[tokio::test]
async fn what_is_no_request_is_answered_like_one() {
    let rig = Rig::new("raw", well);
    let post = |body: &str| {
        format!(
            "POST /v1/peers/tor-a/down HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert!(rig.raw(b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(rig.raw(b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
    assert!(rig.raw(b"GET /v1/reload HTTP/1.1\r\nhost: x\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
    assert!(rig.raw(post(&"x".repeat(300)).as_bytes()).await.starts_with("HTTP/1.1 400 "));
    assert!(rig.raw(post(&"x".repeat(5000)).as_bytes()).await.starts_with("HTTP/1.1 413 "));
    assert!(rig.raw(b"\x16\x03\x01\x02\x00\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    let refused = rig.raw(b"POST /v1/reload HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 422 ") && refused.contains("\"applied\":false"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn idle_callers_keep_their_places_only_for_a_while() {
    let rig = Rig::new("idle", well);
    let mut idle = Vec::new();
    for _ in 0..64 {
        idle.push(UnixStream::connect(&rig.socket).await.expect("there is room in the queue"));
    }
    let status =
        tokio::time::timeout(Duration::from_secs(14), rig.client().ask::<StatusView>(&Request::Status)).await;
    assert!(matches!(status, Ok(Ok(_))), "{status:?}");
}

#[test]
fn only_root_and_the_daemons_user_may_act() {
    assert_eq!(rights(0, 1000), Rights::Act);
    assert_eq!(rights(1000, 1000), Rights::Act);
    assert_eq!(rights(1001, 1000), Rights::Look);
}

#[tokio::test]
async fn who_may_only_look_is_told_so() {
    struct Looker(ControlDoor);
    impl http::Door for Looker {
        type Stream = UnixStream;
        type Caller = Rights;
        async fn accept(&self) -> io::Result<(UnixStream, Rights)> {
            Ok((self.0.accept().await?.0, Rights::Look))
        }
        async fn answer(&self, rights: Rights, request: hyper::Request<Incoming>) -> HttpResponse<Body> {
            self.0.answer(rights, request).await
        }
    }
    let directory = std::env::temp_dir().join(format!("podbgp-control-{}-look", std::process::id()));
    let socket = directory.join("podbgpd.sock");
    let listener = ControlListener::bind(&socket).unwrap();
    let (requests, mut inbox) = mpsc::channel::<ControlRequest>(4);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Some(ControlRequest { request, reply: answer }) = inbox.recv().await {
            let _ = answer.send(reply(&request));
        }
    });
    tasks.spawn(http::serve(Arc::new(Looker(ControlDoor { listener, owner: Owner::new(requests) }))));
    let client = Client::new(&socket);
    assert!(client.ask::<StatusView>(&Request::Status).await.is_ok());
    let refused = client.ask::<ReloadView>(&Request::Reload).await;
    assert!(
        matches!(&refused, Err(ClientError::Refused(view)) if view.code == ErrorCode::Forbidden),
        "{refused:?}"
    );
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_goes_with_the_daemon() {
    let rig = Rig::new("mode", well);
    let file = std::fs::metadata(&rig.socket).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    assert_eq!(file.uid(), nix::unistd::geteuid().as_raw());
    let other = rig.directory.join("other.sock");
    drop(ControlListener::bind(&other).unwrap());
    assert!(!other.exists());
}

#[tokio::test]
async fn a_socket_is_taken_from_the_dead_but_not_from_the_living() {
    let rig = Rig::new("stale", well);
    assert!(matches!(ControlListener::bind(&rig.socket), Err(BindError::InUse { .. })));
    assert!(rig.client().ask::<StatusView>(&Request::Status).await.is_ok());

    let stale = rig.directory.join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    assert!(matches!(
        Client::new(&stale).ask::<StatusView>(&Request::Status).await,
        Err(ClientError::NobodyThere(_))
    ));
    let taken = ControlListener::bind(&stale).unwrap();
    assert!(UnixStream::connect(&stale).await.is_ok());
    drop(taken);

    let file = rig.directory.join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(matches!(ControlListener::bind(&file), Err(BindError::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_a_helpful_line() {
    let missing = Client::new(Path::new("/nonexistent/podbgpd.sock"));
    let error = missing.ask::<StatusView>(&Request::Status).await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent/podbgpd.sock") && error.contains("is podbgpd running?"), "{error}");
    assert!(!error.contains('\n'));
}
