//! Requests to the API server: connections, credentials, and what an answer means.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::kube::client::{Body, ConfigExt as _};
use ::kube::config::{KubeConfigOptions, Kubeconfig};
use ::kube::{Client, Config};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::sync::Mutex;
use tower::ServiceBuilder;
use tracing::warn;

use super::failure::{Failure, Refusal};
use super::kinds::CalicoGroup;
use super::lines;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// After how long a silent connection is probed, how often then, and after how many probes it is dead.
const PROBES: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(5), 3);
/// How long what we sent may stay without acknowledgement.
const UNHEARD: Duration = Duration::from_secs(15);
/// The largest answer that is read as a whole.
const LARGEST: usize = 8 << 20;
/// Who asks, for the audit log of the server.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("podbgpd/", env!("CARGO_PKG_VERSION")));
/// The variable that settles which group Calico uses.
const CALICO_API_GROUP: &str = "CALICO_API_GROUP";

/// The way to the API server. It is opened when first needed, and anew when the credentials are not accepted.
#[derive(Debug)]
pub struct Api {
    kubeconfig: Option<PathBuf>,
    answer: Duration,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    client: Option<Client>,
    calico: Option<CalicoGroup>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("calico", &self.calico).finish_non_exhaustive()
    }
}

impl Api {
    /// Makes the way to the server of a kubeconfig, or of the pod we are in; the server may take so long to answer.
    #[must_use]
    pub fn new(kubeconfig: Option<PathBuf>, answer: Duration) -> Self {
        Self { kubeconfig, answer, opened: Mutex::default() }
    }

    /// Asks for what is at a path and returns it as a whole.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let body = self.stream(path).await?;
        lines::whole(body, LARGEST, self.answer).await
    }

    /// Writes something, such as a merge patch, and returns the answer.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub async fn write(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, content_type);
        let answer = self.send(request.body(Body::from(body))).await?;
        lines::whole(answer, LARGEST, self.answer).await
    }

    /// Asks for what is at a path and returns the answer as it comes.
    pub(super) async fn stream(&self, path: &str) -> Result<Body, Failure> {
        self.send(Request::get(path).header(ACCEPT, "application/json").body(Body::empty())).await
    }

    async fn send(&self, request: Result<Request<Body>, hyper::http::Error>) -> Result<Body, Failure> {
        let mut request = request.map_err(|error| Failure::Garbled(error.to_string()))?;
        request.headers_mut().insert(USER_AGENT, AGENT);
        let client = self.client().await?;
        let answer = tokio::time::timeout(self.answer, client.send(request)).await;
        let answer = answer.map_err(|_| lines::silent())?;
        let answer = answer.map_err(|error| Failure::Away(lines::chain(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        if status.as_u16() == 401 {
            // Perhaps the file has better ones by now.
            self.opened.lock().await.client = None;
        }
        let retry_after = retry_after(&answer);
        let body = lines::whole(answer.into_body(), LARGEST, self.answer).await.unwrap_or_default();
        Err(Failure::Refused(Refusal::read(status.as_u16(), retry_after, &body)))
    }

    async fn client(&self) -> Result<Client, Failure> {
        let mut opened = self.opened.lock().await;
        if let Some(client) = &opened.client {
            return Ok(client.clone());
        }
        let config = config(self.kubeconfig.as_deref()).await?;
        let client = connect(config).map_err(|error| Failure::Unconfigured(lines::chain(&error)))?;
        opened.client = Some(client.clone());
        Ok(client)
    }

    /// Returns the group Calico's resources are in; asks the server unless that is known or settled.
    ///
    /// # Errors
    /// The server cannot be reached. One that does not tell its groups has the older of the two.
    pub(super) async fn calico_group(&self) -> Result<CalicoGroup, Failure> {
        if let Ok(said) = std::env::var(CALICO_API_GROUP)
            && !said.is_empty()
        {
            return Ok(if said == "projectcalico.org/v3" { CalicoGroup::Native } else { CalicoGroup::Crd });
        }
        if let Some(calico) = self.opened.lock().await.calico {
            return Ok(calico);
        }
        let calico = match self.get("/apis").await {
            Ok(groups) => calico_group(&groups),
            Err(Failure::Refused(refusal)) if matches!(refusal.code, 403 | 404) => CalicoGroup::default(),
            Err(failure) => return Err(failure),
        };
        self.opened.lock().await.calico = Some(calico);
        Ok(calico)
    }

    /// Has the server asked again which group Calico uses.
    pub(super) async fn forget_calico_group(&self) {
        self.opened.lock().await.calico = None;
    }
}

async fn config(kubeconfig: Option<&Path>) -> Result<Config, Failure> {
    let Some(file) = kubeconfig else {
        let remedy = "outside of a pod, name a kubeconfig: kubernetes.kubeconfig";
        return Config::incluster().map_err(|error| {
            Failure::Unconfigured(format!(
                "no service account of a pod here: {}; {remedy}",
                lines::chain(&error)
            ))
        });
    };
    let unusable = |error: &dyn std::error::Error| {
        Failure::Unconfigured(format!(
            "cannot use the kubeconfig {}: {}",
            file.display(),
            lines::chain(error)
        ))
    };
    let read = Kubeconfig::read_from(file).map_err(|error| unusable(&error))?;
    let options = KubeConfigOptions::default();
    Config::from_custom_kubeconfig(read, &options).await.map_err(|error| unusable(&error))
}

/// As `kube` does it, but for connections that notice a dead server: a watch is silent for minutes, and one whose
/// server or load balancer was replaced is silent for ever.
fn connect(config: Config) -> Result<Client, ::kube::Error> {
    if let Some(proxy) = &config.proxy_url {
        warn!(target: "kubernetes", %proxy, "proxies are not supported: the API server is dialled directly");
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let (idle, interval, probes) = PROBES;
    tcp.set_keepalive(Some(idle));
    tcp.set_keepalive_interval(Some(interval));
    tcp.set_keepalive_retries(Some(probes));
    tcp.set_tcp_user_timeout(Some(UNHEARD));
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let client = hyper_util::client::legacy::Builder::new(TokioExecutor::new()).build(tls);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(client);
    Ok(Client::new(service, config.default_namespace))
}

fn retry_after(answer: &Response<Body>) -> Option<u64> {
    answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// Calico's own API server serves the newer group beside the older one; alone, the newer one is the resources
/// themselves.
fn calico_group(groups: &[u8]) -> CalicoGroup {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Groups {
        groups: Vec<Named>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named {
        name: String,
    }
    let groups: Groups = serde_json::from_slice(groups).unwrap_or_default();
    let has = |name: &str| groups.groups.iter().any(|group| group.name == name);
    match has("projectcalico.org") && !has("crd.projectcalico.org") {
        true => CalicoGroup::Native,
        false => CalicoGroup::Crd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calico_uses_the_newer_group_only_where_it_is_alone() {
        let of = |names: &[&str]| {
            let groups: Vec<_> = names.iter().map(|name| serde_json::json!({ "name": name })).collect();
            calico_group(serde_json::json!({ "groups": groups }).to_string().as_bytes())
        };
        assert_eq!(of(&["apps", "projectcalico.org"]), CalicoGroup::Native);
        assert_eq!(of(&["crd.projectcalico.org", "projectcalico.org"]), CalicoGroup::Crd);
        assert_eq!(of(&["crd.projectcalico.org"]), CalicoGroup::Crd);
        assert_eq!(of(&["apps"]), CalicoGroup::Crd);
        assert_eq!(calico_group(b"not JSON"), CalicoGroup::Crd);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_away() {
        let config = Config::new("https://127.0.0.1:1/".parse().unwrap());
        let client = connect(config).expect("there is a TLS library");
        let opened = Mutex::new(Opened { client: Some(client), calico: None });
        let api = Api { kubeconfig: None, answer: CONNECT, opened };
        let failure = api.get("/version").await.unwrap_err();
        assert!(matches!(&failure, Failure::Away(why) if why.contains("refused")), "{failure}");
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let api = Api::new(Some("/nowhere/kubeconfig".into()), CONNECT);
        let failure = api.get("/version").await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Unconfigured(why) if why.contains("/nowhere/kubeconfig")),
            "{failure}"
        );
    }
}
