//! One JSON array out of many pages.

use ::control::Request;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::Response as HttpResponse;
use serde::Serialize;
use tracing::debug;

use super::{AdvertisedView, JSON, KernelRouteView, Owner, Page, Response, RouteView};
use crate::http::{self, Body, CutShort};

/// Chunks made ahead of a slow reader.
const CHUNKS_AHEAD: usize = 2;

/// An entry of a list that comes in pages.
pub(super) trait Entry: Serialize + Send + Sync + Sized + 'static {
    /// Takes the page of such entries out of an answer.
    fn page(response: Response) -> Option<Page<Self>>;
}

impl Entry for RouteView {
    fn page(response: Response) -> Option<Page<Self>> {
        if let Response::Routes(page) = response { Some(page) } else { None }
    }
}

impl Entry for AdvertisedView {
    fn page(response: Response) -> Option<Page<Self>> {
        if let Response::Advertised(page) = response { Some(page) } else { None }
    }
}

impl Entry for KernelRouteView {
    fn page(response: Response) -> Option<Page<Self>> {
        if let Response::KernelRoutes(page) = response { Some(page) } else { None }
    }
}

/// Answers with an array that starts with `first` and goes on as the owner's pages come.
pub(super) fn list<T: Entry>(owner: Owner, request: Request, first: Page<T>) -> HttpResponse<Body> {
    let (sender, body) = Channel::new(CHUNKS_AHEAD);
    // Ends with the reader: a body nobody reads any more refuses the next chunk.
    tokio::spawn(write(owner, request, first, sender));
    http::answer_streaming(200, JSON, body.boxed_unsync())
}

async fn write<T: Entry>(
    owner: Owner,
    mut request: Request,
    first: Page<T>,
    mut sender: Sender<Bytes, CutShort>,
) {
    let mut page = first;
    let mut separator: &[u8] = b"[";
    loop {
        let mut chunk = Vec::new();
        for item in &page.items {
            chunk.extend_from_slice(separator);
            separator = b",\n";
            if let Err(error) = serde_json::to_writer(&mut chunk, item) {
                debug!(target: "control", %error, "a list cannot be written as JSON");
                return sender.abort(CutShort);
            }
        }
        let Some(after) = page.next else {
            chunk.extend_from_slice(if separator == b"[" { b"[]\n" } else { b"]\n" });
            // An error means that the reader has gone.
            let _ = sender.send_data(chunk.into()).await;
            return;
        };
        if !chunk.is_empty() && sender.send_data(chunk.into()).await.is_err() {
            return;
        }
        page = match next_page(&owner, &mut request, after).await {
            Some(page) => page,
            None => return sender.abort(CutShort),
        };
    }
}

async fn next_page<T: Entry>(owner: &Owner, request: &mut Request, after: ipnet::IpNet) -> Option<Page<T>> {
    let Request::Routes(query) = request else { return None };
    query.after = Some(after);
    match owner.ask(request.clone()).await {
        Ok(response) => T::page(response),
        Err(error) => {
            debug!(target: "control", error = error.error, "a list was cut short");
            None
        }
    }
}
