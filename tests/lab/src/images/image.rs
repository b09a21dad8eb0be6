//! One image: what it holds, what goes wrong with it, and who asked for it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method};
use tokio::sync::watch;

use super::content::Content;
use super::trouble::{Lasts, Trouble, Troubles};

/// An image that is served. Clones are the same.
#[derive(Clone)]
pub struct Image {
    url: String,
    token: String,
    served: Arc<Served>,
}

/// What was asked of an image, and what was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests for its headers.
    pub heads: u64,
    /// Requests for its bytes.
    pub gets: u64,
    /// Those of them that got a part of it.
    pub parts: u64,
    /// Bytes of it that were sent.
    pub bytes: u64,
    /// Replies that came to stand still, as they were told.
    pub stalled: u64,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its headers.
    pub headers: HeaderMap,
}

/// An image as the service has it.
#[derive(Debug)]
pub(super) struct Served {
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

/// All that changes of it.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) content: Content,
    pub(super) troubles: Troubles,
    pub(super) counts: Counts,
    pub(super) asked: Vec<Asked>,
}

// === impl Image ===

impl Image {
    pub(super) fn new(url: String, token: String, served: Arc<Served>) -> Self {
        Self { url, token, served }
    }

    /// Where it is. A credential.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The part of the URL that is the credential.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The URL without the token, as it may be shown.
    pub fn masked(&self) -> String {
        self.url.replace(&self.token, "***")
    }

    /// What it holds now.
    pub fn content(&self) -> Content {
        self.served.lock().content.clone()
    }

    /// Lets it hold something else from now on, under the same URL.
    pub fn change(&self, content: Content) {
        self.served.change(|inner| inner.content = content);
    }

    /// Has something go wrong until [`calm`](Self::calm).
    pub fn always(&self, trouble: Trouble) {
        let add = |inner: &mut Inner| inner.troubles.add(trouble, Lasts::Always);
        self.served.change(add);
    }

    /// Has something go wrong once.
    pub fn once(&self, trouble: Trouble) {
        let add = |inner: &mut Inner| inner.troubles.add(trouble, Lasts::Once);
        self.served.change(add);
    }

    /// Takes all troubles away. Replies that stood still go on.
    pub fn calm(&self) {
        self.served.change(|inner| inner.troubles.clear());
    }

    /// Takes all troubles away but this new one, which happens once.
    pub fn calm_but_once(&self, trouble: Trouble) {
        self.served.change(|inner| {
            inner.troubles.clear();
            inner.troubles.add(trouble, Lasts::Once);
        });
    }

    /// What it was asked for since it was published.
    pub fn counts(&self) -> Counts {
        self.served.lock().counts
    }

    /// All requests since then, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.served.lock().asked.clone()
    }

    /// Waits until its counts are as `reached` says.
    pub async fn until(&self, reached: impl Fn(Counts) -> bool) {
        let mut changes = self.served.changed.subscribe();
        // The sender is in `self`: it cannot end before.
        let _ = changes.wait_for(|()| reached(self.counts())).await;
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Image")
            .field("url", &self.masked())
            .finish_non_exhaustive()
    }
}

// === impl Served ===

impl Served {
    pub(super) fn new(content: Content) -> Self {
        let inner = Inner {
            content,
            troubles: Troubles::default(),
            counts: Counts::default(),
            asked: Vec::new(),
        };
        Self {
            inner: Mutex::new(inner),
            changed: watch::Sender::new(()),
        }
    }

    /// Changes something, and tells those who wait.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.send_replace(());
        changed
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until replies need not stand still any more.
    pub(super) async fn until_moving(&self) {
        let still = |trouble: &Trouble| matches!(trouble, Trouble::Stalled { .. }).then_some(());
        let mut changes = self.changed.subscribe();
        let moving = |(): &()| self.lock().troubles.all(still).next().is_none();
        let _ = changes.wait_for(moving).await;
    }
}
