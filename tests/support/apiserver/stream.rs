//! Answers that take their time: watches, and lists of a slow server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Shared;
use super::faults::{Faults, StreamingLists};
use super::selector::Selector;
use super::serve::{Body, Query, Target, refuse, status, with};

/// How long a watch lasts whose client does not say.
const LASTS: u64 = 1800;

/// Waits until the server is not frozen.
pub(super) async fn thaw(shared: &Shared) {
    let mut changed = shared.version.subscribe();
    while shared.lock().faults.frozen {
        if changed.changed().await.is_err() {
            return;
        }
    }
}

/// Sends an answer at the pace of the faults.
pub(super) fn paced(octets: Vec<u8>, faults: &Faults) -> Response<Body> {
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    let slow = faults.slow;
    tokio::spawn(async move {
        // Whoever asked may be gone.
        let _ = send(&mut sender, octets, slow).await;
    });
    with(200, body.boxed())
}

/// Sends no more of an answer than so many octets, with a length that promises all of them.
pub(super) fn cut(mut octets: Vec<u8>, most: usize) -> Response<Body> {
    let promised = octets.len();
    octets.truncate(most);
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        let _ = send(&mut sender, octets, None).await;
    });
    let mut response = with(200, body.boxed());
    response.headers_mut().insert("content-length", promised.into());
    response
}

/// The client is gone.
struct Left;

async fn send(
    sender: &mut Sender<Bytes>,
    octets: Vec<u8>,
    slow: Option<(usize, Duration)>,
) -> Result<(), Left> {
    let Some((size, pause)) = slow else {
        return sender.send_data(octets.into()).await.map_err(|_| Left);
    };
    for piece in octets.chunks(size) {
        sender.send_data(piece.to_vec().into()).await.map_err(|_| Left)?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// Begins a watch, or refuses it.
pub(super) fn watch(
    shared: &Arc<Shared>,
    target: &Target,
    selector: &Selector,
    query: &Query,
    faults: &Faults,
) -> Response<Body> {
    let initial = query.is_set("sendInitialEvents");
    if !query.get("resourceVersionMatch").is_empty() && !initial {
        return refuse(
            422,
            "Invalid",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        );
    }
    if initial && faults.streaming_lists == StreamingLists::Refused {
        return refuse(
            422,
            "Invalid",
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
        );
    }
    let from: u64 = query.get("resourceVersion").parse().unwrap_or_default();
    if from > shared.lock().store.version() {
        return refuse(504, "Timeout", "Too large resource version");
    }
    let (sender, body) = Channel::<Bytes, Infallible>::new(16);
    let watch = Watch {
        shared: shared.clone(),
        collection: target.collection.clone(),
        namespace: target.namespace.clone(),
        selector: selector.clone(),
        sender,
        version: from,
        until: Instant::now() + Duration::from_secs(query.get("timeoutSeconds").parse().unwrap_or(LASTS)),
    };
    let bookmarks = query.is_set("allowWatchBookmarks");
    let first = match (initial, from, faults.streaming_lists) {
        (true, _, StreamingLists::BreakOff) => First::BreakOff,
        (true, _, StreamingLists::NotUnderstood) => First::Everything { end: false },
        (true, ..) => First::Everything { end: bookmarks },
        // As the server does for those who know no version: everything, as additions.
        (false, 0, _) => First::Everything { end: false },
        (false, ..) => First::Nothing,
    };
    tokio::spawn(async move {
        let mut watch = watch;
        // Whoever watches may leave at any time.
        let _ = watch.run(first, bookmarks).await;
    });
    with(200, body.boxed())
}

/// What a watch begins with.
enum First {
    Nothing,
    /// The objects that are there, and perhaps a bookmark at their end.
    Everything {
        end: bool,
    },
    /// The server finds out too late that it cannot.
    BreakOff,
}

struct Watch {
    shared: Arc<Shared>,
    collection: String,
    namespace: String,
    selector: Selector,
    sender: Sender<Bytes>,
    /// Up to which version everything has been told.
    version: u64,
    until: Instant,
}

impl Watch {
    async fn run(&mut self, first: First, bookmarks: bool) -> Result<(), Left> {
        let mut changed = self.shared.version.subscribe();
        match first {
            First::Nothing => {}
            First::BreakOff => {
                let why = "RequestWatchProgress is disabled; etcd does not support it";
                return self.event("ERROR", status(500, "InternalError", why)).await;
            }
            First::Everything { end } => {
                let (objects, version) = {
                    let inside = self.shared.lock();
                    let objects = inside.store.select(&self.collection, &self.namespace, &self.selector);
                    (objects, inside.store.version())
                };
                for object in objects {
                    self.event("ADDED", Value::clone(&object)).await?;
                }
                self.version = version;
                if end {
                    self.bookmark(json!({ "k8s.io/initial-events-end": "true" })).await?;
                }
            }
        }
        loop {
            changed.mark_unchanged();
            thaw(&self.shared).await;
            let told = {
                let inside = self.shared.lock();
                inside.store.since(self.version, &self.collection, &self.namespace, &self.selector)
            };
            let Ok((events, version)) = told else {
                return self.event("ERROR", status(410, "Expired", "too old resource version")).await;
            };
            self.version = version;
            for (kind, object) in events {
                self.event(kind, object).await?;
            }
            let every = self.shared.lock().faults.bookmarks.filter(|_| bookmarks);
            let mark = every.map_or(self.until, |every| (Instant::now() + every).min(self.until));
            tokio::select! {
                _ = changed.changed() => {}
                () = tokio::time::sleep_until(mark) => {
                    if every.is_some() {
                        self.bookmark(json!({})).await?;
                    }
                    if Instant::now() >= self.until {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn bookmark(&mut self, annotations: Value) -> Result<(), Left> {
        let metadata = json!({ "resourceVersion": self.version.to_string(), "annotations": annotations });
        self.event("BOOKMARK", json!({ "metadata": metadata })).await
    }

    async fn event(&mut self, kind: &str, object: Value) -> Result<(), Left> {
        thaw(&self.shared).await;
        let slow = self.shared.lock().faults.slow;
        let line = format!("{}\n", json!({ "type": kind, "object": object }));
        send(&mut self.sender, line.into_bytes(), slow).await
    }
}
