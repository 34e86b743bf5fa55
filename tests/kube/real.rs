//! The same against a real API server: of `KUBECONFIG`, or one that is started from `KUBEBUILDER_ASSETS`.

use std::cell::RefCell;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hyper::Method;
use podbgpd::kube::Api;
use serde_json::{Value, json};
use support::apiserver::collection;
use support::{SOON, eventually, skip};
use tokio::runtime::Runtime;

use crate::following::{SCENARIOS, Server};

/// Long enough for a server that has just started.
const ANSWER: Duration = Duration::from_secs(10);
/// The token of the server we start.
const TOKEN: &str = "of-the-tests";

/// A real server, spoken to through the daemon's own client.
struct Real {
    kubeconfig: PathBuf,
    api: Api,
    runtime: RefCell<Runtime>,
    /// What was put there and is to be taken away, by path.
    there: RefCell<Vec<String>>,
    _started: Option<Started>,
}

/// A server of our own, with its store.
struct Started {
    processes: Vec<Child>,
    directory: PathBuf,
}

impl Drop for Started {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            // Asked to, it would take ten seconds and keep the port.
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Real {
    fn new(kubeconfig: PathBuf, started: Option<Started>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let api = Api::new(Some(kubeconfig.clone()), ANSWER);
        Self { kubeconfig, api, runtime: RefCell::new(runtime), there: RefCell::default(), _started: started }
    }

    fn path(api_version: &str, kind: &str, namespace: &str, name: &str) -> String {
        let collection = collection(api_version, kind);
        let (base, plural) = collection.rsplit_once('/').expect("a path");
        match namespace {
            "" => format!("{base}/{plural}/{name}"),
            namespace => format!("{base}/namespaces/{namespace}/{plural}/{name}"),
        }
    }

    fn write(&self, method: Method, path: &str, body: &Value) {
        let (path, content_type) = match method {
            Method::PATCH => {
                (format!("{path}?fieldManager=tests&force=true"), "application/apply-patch+yaml")
            }
            _ => (path.to_owned(), "application/json"),
        };
        let written = self.api.write(method, &path, content_type, body.to_string().into_bytes());
        let written = self.runtime.borrow_mut().block_on(written);
        written.unwrap_or_else(|failure| panic!("{path}: {failure}"));
    }
}

impl Server for Real {
    fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    fn put(&self, object: Value) {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let path = Self::path(
            &word(&object["apiVersion"]),
            &word(&object["kind"]),
            &word(&metadata["namespace"]),
            &word(&metadata["name"]),
        );
        self.write(Method::PATCH, &path, &object);
        self.there.borrow_mut().push(path);
    }

    fn delete(&self, api_version: &str, kind: &str, name: &str) {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let path = Self::path(api_version, kind, namespace, name);
        self.write(Method::DELETE, &path, &json!({}));
        self.there.borrow_mut().retain(|there| *there != path);
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // Somebody else's cluster is left as it was, even by a test that failed.
        for path in self.there.take() {
            let gone = self.api.write(Method::DELETE, &path, "application/json", b"{}".to_vec());
            let _ = self.runtime.borrow_mut().block_on(gone);
        }
    }
}

#[test]
fn all_of_it_holds_for_a_real_api_server() {
    let server = match (std::env::var_os("KUBECONFIG"), std::env::var_os("KUBEBUILDER_ASSETS")) {
        (Some(kubeconfig), _) => Real::new(kubeconfig.into(), None),
        (None, Some(assets)) => start(Path::new(&assets)),
        (None, None) => return skip("no real API server: set KUBECONFIG or KUBEBUILDER_ASSETS"),
    };
    for (name, scenario) in SCENARIOS {
        crate::say(&format!("{name}, for real"));
        scenario(&server);
    }
}

/// Starts etcd and kube-apiserver from a directory, as `setup-envtest` fills it.
fn start(assets: &Path) -> Real {
    let directory = std::env::temp_dir().join(format!("podbgp-apiserver-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    let port =
        || TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let (client, peer, secure) = (port(), port(), port());
    let file = |name: &str| directory.join(name).display().to_string();
    fs::write(file("tokens"), format!("{TOKEN},tests,tests,system:masters\n")).expect("a file");
    let key =
        Command::new("openssl").args(["genrsa", "-out", &file("key"), "2048"]).stderr(Stdio::null()).status();
    assert!(key.is_ok_and(|status| status.success()), "openssl makes the key of service accounts");
    let run = |program: &str, arguments: &[String]| {
        let log = fs::File::create(directory.join(format!("{program}.log"))).expect("a log");
        let errors = log.try_clone().expect("a log");
        let mut command = Command::new(assets.join(program));
        command.args(arguments).stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("it starts")
    };
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let etcd = run(
        "etcd",
        &[
            format!("--data-dir={}", file("etcd")),
            format!("--listen-client-urls={}", url(client)),
            format!("--advertise-client-urls={}", url(client)),
            format!("--listen-peer-urls={}", url(peer)),
            "--unsafe-no-fsync".to_owned(),
        ],
    );
    let apiserver = run(
        "kube-apiserver",
        &[
            format!("--etcd-servers={}", url(client)),
            format!("--secure-port={secure}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--cert-dir={}", file("certificates")),
            format!("--token-auth-file={}", file("tokens")),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://localhost".to_owned(),
            format!("--service-account-key-file={}", file("key")),
            format!("--service-account-signing-key-file={}", file("key")),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        ],
    );
    let kubeconfig = directory.join("kubeconfig");
    let cluster =
        json!({ "server": format!("https://127.0.0.1:{secure}"), "insecure-skip-tls-verify": true });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": cluster }],
        "users": [{ "name": "test", "user": { "token": TOKEN } }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
    });
    fs::write(&kubeconfig, config.to_string()).expect("the kubeconfig is written");
    let real = Real::new(kubeconfig, Some(Started { processes: vec![etcd, apiserver], directory }));
    eventually(SOON * 3, "the server to be ready", || {
        real.runtime.borrow_mut().block_on(real.api.get("/readyz"))?;
        // Made by a controller that need not be there.
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "default" } });
        let made = real.api.write(
            Method::PATCH,
            "/api/v1/namespaces/default?fieldManager=tests",
            "application/apply-patch+yaml",
            namespace.to_string().into_bytes(),
        );
        real.runtime.borrow_mut().block_on(made)?;
        Ok(())
    });
    real
}
