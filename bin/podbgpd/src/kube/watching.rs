//! One watch: list, follow, and begin again, whatever happens.

use std::sync::Arc;
use std::time::Duration;

use cluster::object::Key;
use cluster::{Event, Scope, Watch};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info};

use super::backoff::{Backoff, somewhat_more};
use super::failure::{Failure, Refusal};
use super::items::Items;
use super::kinds::{Group, location, resource};
use super::lines::{self, Lines};
use super::list::{Line, Read, Shell, object};
use super::{Api, News, Pace};

/// A watch that lasted no longer and brought nothing is a failure.
const BRIEF: Duration = Duration::from_millis(500);

/// Follows the objects of one watch.
pub(super) struct Watching {
    api: Arc<Api>,
    watch: Watch,
    pace: Pace,
    tell: mpsc::Sender<News>,
    backoff: Backoff,
    /// The waits before a list that takes the place of a version the server has forgotten. A server that answers so is back,
    /// however long it was away; but one that says it of every list must not be asked in a circle.
    relisting: Backoff,
    /// Whether what was told is complete as of `since`; a list comes first otherwise.
    listed: bool,
    since: Since,
    /// Whether the server is taken to have streaming lists.
    streams: bool,
    in_touch: bool,
}

/// As of when lists and watches are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Since {
    /// Whatever the server has at hand; the cheapest to ask for.
    Any,
    /// This version or a newer one: we must not go back in time, to another server that is behind.
    Version(String),
    /// The newest there is.
    Newest,
}

/// Nobody listens any more.
struct Over;

/// Why a round came to its end.
enum End {
    Failure(Failure),
    Over,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Over> for End {
    fn from(_: Over) -> Self {
        Self::Over
    }
}

/// The list as it is told: as one that takes the place of the last, or, where several watches share a kind, as single
/// objects.
struct Telling {
    single: Option<Key>,
    found: bool,
}

impl Watching {
    pub(super) fn new(api: Arc<Api>, watch: Watch, pace: Pace, tell: mpsc::Sender<News>) -> Self {
        let backoff = Backoff::new(pace.first_retry, pace.last_retry);
        let relisting = Backoff::new(pace.first_retry, pace.last_retry);
        let (listed, since, streams, in_touch) = (false, Since::Any, true, false);
        Self { api, watch, pace, tell, backoff, relisting, listed, since, streams, in_touch }
    }

    /// Runs until nobody listens.
    pub(super) async fn run(mut self) {
        loop {
            match self.round().await {
                // A watch that the server ended in its time: on with the next.
                Ok(()) => {}
                Err(End::Over) => return,
                Err(End::Failure(failure)) => {
                    let Ok(wait) = self.failed(failure).await else { return };
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Lists unless that is done, then follows until the server ends the watch.
    async fn round(&mut self) -> Result<(), End> {
        let calico = match resource(self.watch.kind).group {
            Group::Calico => self.api.calico_group().await?,
            _ => Default::default(),
        };
        let (path, selector) = location(&self.watch, calico);
        if !self.listed && !self.streams {
            self.list(&path, &selector).await?;
        }
        self.follow(&path, &selector).await
    }

    /// Takes note of a failure, and returns how long to wait.
    async fn failed(&mut self, failure: Failure) -> Result<Duration, Over> {
        let refusal = failure.refusal().cloned().unwrap_or_default();
        if refusal.is_absent() {
            // The next time it may be in the other group.
            self.api.forget_calico_group().await;
            (self.listed, self.since) = (false, Since::Any);
            self.tell(News::Event(Event::Absent(self.watch.kind))).await?;
            self.touch().await?;
            return Ok(somewhat_more(self.pace.absent));
        }
        if refusal.is_expired() || refusal.is_too_new() {
            debug!(target: "kubernetes", kind = ?self.watch.kind, %refusal, "listing anew");
            (self.listed, self.since) = (false, Since::Newest);
            return Ok(self.relisting.next());
        }
        if let (403, false, Scope::In { namespace, name }) = (refusal.code, self.listed, &self.watch.scope) {
            // One that may not be read is as good as none: everything else must not wait for it.
            let key = Key { namespace: namespace.clone(), name: name.clone() };
            self.tell(News::Event(Event::Delete(self.watch.kind, key))).await?;
            self.tell(News::Event(Event::End(self.watch.kind))).await?;
        }
        self.in_touch = false;
        self.tell(News::OutOfTouch(self.watch.clone(), failure)).await?;
        Ok(self.backoff.next().max(refusal.retry_after.unwrap_or_default()))
    }

    /// Lists page by page.
    async fn list(&mut self, path: &str, selector: &str) -> Result<(), End> {
        let mut telling = self.begin().await?;
        let mut next = String::new();
        loop {
            let position = match (next.as_str(), &self.since) {
                ("", Since::Any) => "&resourceVersion=0".to_owned(),
                ("", Since::Version(version)) => {
                    format!("&resourceVersion={version}&resourceVersionMatch=NotOlderThan")
                }
                ("", Since::Newest) => String::new(),
                (next, _) => format!("&continue={next}"),
            };
            let query = format!("{path}?limit={}{position}&{selector}", self.pace.page);
            let shell = self.page(&query, &mut telling).await?;
            // A token is base64 of the server's; its padding would end the value.
            next = shell.metadata.next.replace('+', "%2B").replace('=', "%3D");
            if next.is_empty() {
                self.since = Since::Version(shell.metadata.resource_version);
                return self.end(telling).await;
            }
        }
    }

    /// Reads a page, object by object.
    async fn page(&mut self, query: &str, telling: &mut Telling) -> Result<Shell, End> {
        let mut body = self.api.stream(query).await?;
        let mut items = Items::default();
        while let Some(octets) = lines::more(&mut body, Instant::now() + self.pace.answer).await? {
            let mut read = Vec::new();
            let kind = self.watch.kind;
            let each = |json: &[u8]| read.push(object(kind, &String::from_utf8_lossy(json)));
            if items.feed(&octets, each).is_err() {
                return Err(Failure::Garbled("an object or a list without end".to_owned()).into());
            }
            for object in read {
                self.apply(object, telling).await?;
            }
        }
        let shell = items.end().and_then(|shell| serde_json::from_slice(&shell).ok());
        shell.ok_or_else(|| Failure::Away("the list was cut short".to_owned()).into())
    }

    /// Follows what happens, after the objects that are there if they have not been listed.
    async fn follow(&mut self, path: &str, selector: &str) -> Result<(), End> {
        let mut telling = match self.listed {
            true => None,
            false => Some(self.begin().await?),
        };
        let version = match &self.since {
            Since::Any => "0",
            Since::Version(version) => version,
            Since::Newest => "",
        };
        let initial = match telling {
            Some(_) => "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
            None => "",
        };
        let lasts = somewhat_more(self.pace.watch);
        let query = format!(
            "{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={version}{initial}&{selector}",
            lasts.as_secs().max(1)
        );
        let body = match self.api.stream(&query).await {
            Err(Failure::Refused(refusal)) if telling.is_some() && refusal.is_about_the_request() => {
                self.go_without_streams(&refusal);
                return Ok(());
            }
            body => body?,
        };
        let mut lines = Lines::new(body);
        let dead = Instant::now() + lasts + self.pace.grace;
        if telling.is_none() {
            self.touch().await?;
        }
        let began = Instant::now();
        let mut heard = false;
        loop {
            let by = if telling.is_some() { Instant::now() + self.pace.answer } else { dead };
            let line = match lines.next(by).await {
                // A server that does not know what it was asked for says nothing when it has said everything.
                Err(failure) if telling.is_some() && by <= Instant::now() => {
                    let message = failure.to_string();
                    self.go_without_streams(&Refusal { message, ..Refusal::default() });
                    return Ok(());
                }
                line => line?,
            };
            let Some(line) = line else {
                // One that brought something or lasted a while ended well. Others would make us ask in a circle.
                let well = heard || began.elapsed() >= BRIEF;
                return if well {
                    Ok(())
                } else {
                    Err(Failure::Away("the server ended the watch".to_owned()).into())
                };
            };
            match Line::read(self.watch.kind, &line)? {
                Line::Error(refusal)
                    if telling.is_some() && !refusal.is_expired() && !refusal.is_too_new() =>
                {
                    self.go_without_streams(&refusal);
                    return Ok(());
                }
                Line::Error(refusal) => return Err(Failure::Refused(refusal).into()),
                Line::Applied(object, version) => match &mut telling {
                    Some(telling) => self.apply(object, telling).await?,
                    None => {
                        self.progress(version);
                        self.tell_object(object).await?;
                    }
                },
                Line::Deleted(key, version) => {
                    if telling.is_none() {
                        self.progress(version);
                    }
                    self.tell(News::Event(Event::Delete(self.watch.kind, key))).await?;
                }
                Line::Bookmark { version, initial_end } => {
                    if initial_end && let Some(telling) = telling.take() {
                        self.since = Since::Version(version);
                        self.end(telling).await?;
                    } else if telling.is_none() {
                        self.progress(version);
                    }
                }
            }
            heard = telling.is_none();
        }
    }

    /// Lists come in pages from now on.
    fn go_without_streams(&mut self, refusal: &Refusal) {
        self.streams = false;
        info!(target: "kubernetes", kind = ?self.watch.kind, why = %refusal.message,
            "the server has no streaming lists; listing page by page");
    }

    /// Something good came.
    fn progress(&mut self, version: String) {
        self.backoff.reset();
        self.relisting.reset();
        if !version.is_empty() {
            self.since = Since::Version(version);
        }
    }

    async fn begin(&mut self) -> Result<Telling, Over> {
        let single = match &self.watch.scope {
            Scope::In { namespace, name } => Some(Key { namespace: namespace.clone(), name: name.clone() }),
            _ => None,
        };
        if single.is_none() {
            self.tell(News::Event(Event::Begin(self.watch.kind))).await?;
        }
        Ok(Telling { single, found: false })
    }

    async fn apply(&mut self, object: Read, telling: &mut Telling) -> Result<(), Over> {
        telling.found = true;
        self.tell_object(object).await
    }

    async fn end(&mut self, telling: Telling) -> Result<(), End> {
        if let Some(key) = telling.single
            && !telling.found
        {
            self.tell(News::Event(Event::Delete(self.watch.kind, key))).await?;
        }
        self.tell(News::Event(Event::End(self.watch.kind))).await?;
        self.listed = true;
        self.backoff.reset();
        Ok(self.touch().await?)
    }

    async fn tell_object(&self, object: Read) -> Result<(), Over> {
        self.tell(News::Event(match object {
            Ok(object) => Event::Apply(object),
            Err((key, why)) => Event::Unreadable(self.watch.kind, key, why),
        }))
        .await
    }

    async fn touch(&mut self) -> Result<(), Over> {
        if !std::mem::replace(&mut self.in_touch, true) {
            self.tell(News::InTouch(self.watch.clone())).await?;
        }
        Ok(())
    }

    async fn tell(&self, news: News) -> Result<(), Over> {
        self.tell.send(news).await.map_err(|_| Over)
    }
}
