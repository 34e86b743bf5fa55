//! The machine under us: its shutdown waits for a drain.

use std::time::Instant;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::Node;
use crate::logind::{self, Lock, News};

/// What is heard of the machine, and what holds up its shutdown.
#[derive(Default)]
pub(super) struct Host {
    news: Option<mpsc::Receiver<News>>,
    lock: Option<Lock>,
}

impl Host {
    /// Listens to the machine from now on, if that is wanted. Once begun it goes on: the news need not be heeded.
    pub(super) fn watch(&mut self, wanted: bool) {
        if !wanted || self.news.is_some() {
            return;
        }
        match logind::watch() {
            Ok(news) => self.news = Some(news),
            Err(error) => {
                warn!(target: "drain", %error, "a shutdown of this machine will not wait for a drain");
            }
        }
    }

    /// Waits for what the machine is about to do.
    pub(super) async fn news(&mut self) -> News {
        if let Some(news) = &mut self.news
            && let Some(news) = news.recv().await
        {
            return news;
        }
        std::future::pending().await
    }
}

impl Node {
    pub(super) fn host_news(&mut self, news: News) {
        let now = Instant::now();
        match news {
            News::Goes { within, lock } if self.speaker.intent().drain.on_host_shutdown => {
                info!(target: "drain", ?within, "the machine shuts down");
                self.speaker.host_goes(within, now, &mut self.outputs);
                self.host.lock = Some(lock);
            }
            // Dropped, the lock is nobody's hindrance.
            News::Goes { .. } => {}
            News::Stays => {
                self.host.lock = None;
                self.speaker.host_stays(now, &mut self.outputs);
            }
        }
        self.carry_out();
    }

    /// Holds up the machine no longer once the node is drained, or is not to be.
    pub(super) fn let_the_host_go(&mut self) {
        if self.host.lock.is_some() && !self.speaker.is_draining() {
            self.host.lock = None;
            info!(target: "drain", "the machine is held up no longer");
        }
    }
}
