//! Requests and answers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::faults::Faults;
use super::selector::Selector;
use super::store::Store;
use super::{Seen, Shared, discovery, patch, stream};

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// Serves connections for ever.
pub(super) async fn serve(shared: Arc<Shared>, listener: std::net::TcpListener) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket of our own");
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        // Events are small and must not wait for each other.
        let _ = connection.set_nodelay(true);
        let shared = shared.clone();
        tokio::spawn(async move {
            let mut epoch = shared.epoch.subscribe();
            let service = service_fn(|request| {
                let shared = shared.clone();
                async move { Ok::<_, Infallible>(answer(&shared, request).await) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service);
            tokio::select! {
                // Whoever asked may be gone.
                _ = served => {}
                _ = epoch.changed() => {}
            }
        });
    }
}

/// What a request is about.
pub(super) struct Target {
    pub(super) collection: String,
    pub(super) namespace: String,
    pub(super) name: Option<String>,
    status: bool,
}

/// The values of a query.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    fn read(query: &str) -> Self {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), decode(value))).collect())
    }

    pub(super) fn get(&self, key: &str) -> &str {
        self.0.get(key).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        matches!(self.get(key), "true" | "1")
    }
}

async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
    let content_type =
        head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let place = {
        let mut inside = shared.lock();
        inside.seen.push(Seen {
            method: head.method.to_string(),
            path: path.clone(),
            query: query.clone(),
            body: json.clone(),
            status: 0,
            at: Instant::now(),
        });
        inside.seen.len() - 1
    };
    stream::thaw(shared).await;
    let response = respond(shared, &head.method, &path, &Query::read(&query), content_type, json);
    shared.lock().seen[place].status = response.status().as_u16();
    response
}

fn respond(
    shared: &Arc<Shared>,
    method: &Method,
    path: &str,
    query: &Query,
    content_type: &str,
    body: Value,
) -> Response<Body> {
    let mut inside = shared.lock();
    if let Some(instead) = inside.faults.instead(path) {
        let mut response = refuse(instead.status, instead.reason, "as the test wants it");
        if let Some(seconds) = instead.retry_after {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        return response;
    }
    if let Some(found) = discovery::answer(&inside.store, path) {
        return say(200, &found);
    }
    let Some(target) = target(path).filter(|target| inside.store.is_installed(&target.collection)) else {
        return refuse(404, "NotFound", "the server could not find the requested resource");
    };
    if method != Method::GET {
        drop(inside);
        return shared.change(|store| write(store, method, &target, content_type, body));
    }
    if let Some(name) = &target.name {
        return match inside.store.get(&target.collection, &target.namespace, name) {
            Some(object) => say(200, object),
            None => refuse(404, "NotFound", &format!("{name} not found")),
        };
    }
    let selector = match Selector::read(query.get("fieldSelector"), query.get("labelSelector")) {
        Ok(selector) => selector,
        Err(why) => return refuse(400, "BadRequest", &why),
    };
    let faults = inside.faults.clone();
    if query.is_set("watch") {
        drop(inside);
        return stream::watch(shared, &target, &selector, query, &faults);
    }
    list(&mut inside.store, &target, &selector, query, &faults)
}

fn list(
    store: &mut Store,
    target: &Target,
    selector: &Selector,
    query: &Query,
    faults: &Faults,
) -> Response<Body> {
    let version: u64 = query.get("resourceVersion").parse().unwrap_or_default();
    if version > store.version() {
        return refuse(504, "Timeout", "Too large resource version");
    }
    let limit = match query.get("limit").parse() {
        Ok(limit) if limit > 0 && !(faults.ignores_limit && query.get("resourceVersion") == "0") => limit,
        _ => usize::MAX,
    };
    let page = match query.get("continue") {
        "" => store.list(&target.collection, &target.namespace, selector, limit),
        token => match store.next(token, limit) {
            Ok(page) => page,
            Err(_) => return refuse(410, "Expired", "The provided continue parameter is too old"),
        },
    };
    let metadata = json!({ "resourceVersion": page.version.to_string(), "continue": page.next });
    let mut octets =
        format!(r#"{{"kind":"List","apiVersion":"v1","metadata":{metadata},"items":["#).into_bytes();
    for (number, item) in page.items.iter().enumerate() {
        if number > 0 {
            octets.push(b',');
        }
        octets.extend(item.to_string().into_bytes());
    }
    octets.extend(b"]}");
    if let Some(most) = faults.cut_lists {
        return stream::cut(octets, most);
    }
    stream::paced(octets, faults)
}

fn write(
    store: &mut Store,
    method: &Method,
    target: &Target,
    content_type: &str,
    body: Value,
) -> Response<Body> {
    let Some(name) = &target.name else {
        return if *method == Method::POST {
            create(store, target, body)
        } else {
            refuse(405, "MethodNotAllowed", "")
        };
    };
    let Some(before) = store.get(&target.collection, &target.namespace, name).cloned() else {
        return refuse(404, "NotFound", &format!("{name} not found"));
    };
    let mut object = before.clone();
    match *method {
        Method::PATCH => {
            if patch::patch(&mut object, content_type, &body).is_none() {
                return refuse(422, "Invalid", "the patch does not apply");
            }
        }
        Method::PUT => object = body,
        Method::DELETE => {
            store.delete(&target.collection, &target.namespace, name);
            return say(200, &json!({ "kind": "Status", "status": "Success" }));
        }
        _ => return refuse(405, "MethodNotAllowed", ""),
    }
    let version = &object["metadata"]["resourceVersion"];
    if !version.is_null() && *version != before["metadata"]["resourceVersion"] {
        return refuse(409, "Conflict", "the object has been modified");
    }
    patch::keep(&mut object, &before, target.status);
    // A write that changes nothing makes no version, as with the real one.
    if object != before {
        store.put(object);
    }
    say(200, store.get(&target.collection, &target.namespace, name).unwrap_or(&Value::Null))
}

fn create(store: &mut Store, target: &Target, mut object: Value) -> Response<Body> {
    if !target.namespace.is_empty() {
        object["metadata"]["namespace"] = json!(target.namespace);
    }
    if let (None, Some(prefix)) =
        (object["metadata"]["name"].as_str(), object["metadata"]["generateName"].as_str())
    {
        object["metadata"]["name"] = json!(format!("{prefix}{}", store.version()));
    }
    let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned) else {
        return refuse(422, "Invalid", "name or generateName is required");
    };
    if store.get(&target.collection, &target.namespace, &name).is_some() {
        return refuse(409, "AlreadyExists", &format!("{name} already exists"));
    }
    if object["apiVersion"].is_null() || object["kind"].is_null() {
        return refuse(400, "BadRequest", "apiVersion and kind are required");
    }
    store.put(object);
    say(201, store.get(&target.collection, &target.namespace, &name).unwrap_or(&Value::Null))
}

/// Reads `/api/v1/...` and `/apis/GROUP/VERSION/...`: a collection, perhaps of a namespace, an object, its status.
fn target(path: &str) -> Option<Target> {
    let parts: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
    let (base, rest) = match parts.first()?.as_str() {
        "api" => parts.split_at_checked(2)?,
        "apis" => parts.split_at_checked(3)?,
        _ => return None,
    };
    let (namespace, rest) = match rest {
        [word, namespace, rest @ ..] if word == "namespaces" && !rest.is_empty() => (namespace.clone(), rest),
        rest => (String::new(), rest),
    };
    let (plural, name, status) = match rest {
        [plural] => (plural, None, false),
        [plural, name] => (plural, Some(name.clone()), false),
        [plural, name, sub] if sub == "status" => (plural, Some(name.clone()), true),
        _ => return None,
    };
    Some(Target { collection: format!("/{}/{plural}", base.join("/")), namespace, name, status })
}

fn decode(text: &str) -> String {
    let (mut octets, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(octet)) => {
                octets.push(octet);
                rest = &tail[2..];
            }
            (b'+', _) => {
                octets.push(b' ');
                rest = tail;
            }
            _ => {
                octets.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

pub(super) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code, "reason": reason, "message": message,
    })
}

pub(super) fn refuse(code: u16, reason: &str, message: &str) -> Response<Body> {
    say(code, &status(code, reason, message))
}

fn say(code: u16, value: &Value) -> Response<Body> {
    with(code, Full::from(value.to_string()).boxed())
}

pub(super) fn with(code: u16, body: Body) -> Response<Body> {
    let response = Response::builder().status(code).header("content-type", "application/json").body(body);
    response.expect("a status and a header of our own")
}
