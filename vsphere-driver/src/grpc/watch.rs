//! Streams of changes: what a reader missed, and then each change, until it goes.

pub(super) mod machines;

use crate::vcenter::{VCenter, state::State};
use contract::v1::{Bookmark, Fault, Reason, SnapshotBegin};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Things in one message.
pub(super) const PAGE: usize = 100;
/// Between two bookmarks at the most.
const BOOKMARK: Duration = Duration::from_secs(10);
/// How long changes gather before they are told.
const GATHER: Duration = Duration::from_millis(20);
/// Messages that wait for a slow reader.
const BUFFER: usize = 2;

/// What the call returns.
pub(super) type Stream<M> =
    Pin<Box<dyn futures::Stream<Item = Result<M, Status>> + Send + 'static>>;

type Sender<F> = mpsc::Sender<Result<<F as Feed>::Message, Status>>;

/// Things of a vCenter whose changes are told.
pub(super) trait Feed: Send + Sync + 'static {
    /// What a thing is known by.
    type Id: Send + Sync;
    /// Some of what changed.
    type Changes: Send;
    /// A message of the stream.
    type Message: Send + 'static;

    /// Tells what this reader is told of from what others are, in tokens.
    fn digest(&self) -> String;

    /// Whether anything can be told yet.
    fn is_known(state: &State) -> bool;

    /// The number of the last change, and all things, of which some may not be told.
    fn all(&self, state: &State) -> (u64, Vec<Self::Id>);

    /// Those of these things that are told, as they are now.
    fn shown(&self, state: &State, ids: &[Self::Id]) -> Option<Self::Changes>;

    /// What changed after a number; nothing when the reader missed something and must begin anew.
    fn page(&self, state: &State, after: u64) -> Option<Page<Self::Changes>>;

    /// A message of the stream.
    fn message(event: Event<Self::Changes>, token: String) -> Self::Message;
}

/// What a message says.
pub(super) enum Event<C> {
    /// A snapshot begins.
    Begin(SnapshotBegin),
    /// Things changed.
    Changes(C),
    /// The snapshot ends.
    End,
    /// Nothing more up to a time.
    Bookmark(Bookmark),
}

/// Some of what changed.
pub(super) struct Page<C> {
    /// What is told of it, if anything is.
    pub(super) changes: Option<C>,
    /// The number of the last change in it.
    pub(super) last: u64,
    /// More may follow.
    pub(super) more: bool,
}

/// Nobody reads any more.
struct Gone;

/// Tells changes of a vCenter's things from the token on.
pub(super) fn stream<F: Feed>(
    vcenter: Arc<VCenter>,
    run_id: String,
    feed: F,
    resume_token: &str,
) -> Stream<F::Message> {
    let (sender, receiver) = mpsc::channel(BUFFER);
    let prefix = format!("{run_id}.{}", feed.digest());
    let resumed = resume_token
        .strip_prefix(&prefix)
        .and_then(|rest| rest.strip_prefix('.'));
    let at = resumed.and_then(|number| number.parse().ok());
    let teller = Teller {
        vcenter,
        run_id,
        feed,
        prefix,
        at,
        sender,
    };
    tokio::spawn(async move {
        let (stop, sender) = (teller.vcenter.stop.clone(), teller.sender.clone());
        let name = teller.vcenter.name.clone();
        tokio::select! {
            biased;
            () = teller.run() => {}
            () = stop.cancelled() => {
                let what = format!("vCenter `{name}` was disconnected");
                let fault = Fault::new(Reason::VcenterUnknown, what).with("vcenter", name);
                // A reader that is gone need not be told.
                let _ = sender.send(Err(fault.into_status(""))).await;
            }
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

/// Tells one reader.
struct Teller<F: Feed> {
    vcenter: Arc<VCenter>,
    run_id: String,
    feed: F,
    /// What this reader's tokens begin with.
    prefix: String,
    /// Number of the last change that was told.
    at: Option<u64>,
    sender: Sender<F>,
}

impl<F: Feed> Teller<F> {
    async fn run(mut self) {
        // The reader is gone: there is nobody to tell.
        let _ = self.tell().await;
    }

    async fn tell(&mut self) -> Result<(), Gone> {
        let mut changes = self.vcenter.changes();
        let mut connection = None;
        let mut next_bookmark = Instant::now();
        loop {
            changes.catch_up();
            if self.vcenter.read(F::is_known) {
                self.tell_changes().await?;
            }
            let now = self.vcenter.freshness().connection_state();
            if connection != Some(now) || Instant::now() >= next_bookmark {
                connection = Some(now);
                next_bookmark = Instant::now() + BOOKMARK;
                self.bookmark().await?;
            }
            tokio::select! {
                biased;
                () = self.sender.closed() => return Err(Gone),
                news = timeout_at(next_bookmark, changes.rung()) => {
                    if news.is_ok() {
                        sleep(GATHER).await;
                    }
                }
            }
        }
    }

    /// Tells what changed since the last time; a snapshot where that is not known.
    async fn tell_changes(&mut self) -> Result<(), Gone> {
        loop {
            let Some(at) = self.at else {
                self.snapshot().await?;
                continue;
            };
            let page = self.vcenter.read(|state| self.feed.page(state, at));
            let Some(Page {
                changes,
                last,
                more,
            }) = page
            else {
                self.at = None;
                continue;
            };
            self.at = Some(last);
            if let Some(changes) = changes {
                self.send(Event::Changes(changes), true).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn snapshot(&mut self) -> Result<(), Gone> {
        let freshness = Some(self.vcenter.freshness());
        let run_id = self.run_id.clone();
        let (last, ids) = self.vcenter.read(|state| self.feed.all(state));
        let begin = SnapshotBegin { run_id, freshness };
        self.send(Event::Begin(begin), false).await?;
        for some in ids.chunks(PAGE) {
            let shown = self.vcenter.read(|state| self.feed.shown(state, some));
            if let Some(changes) = shown {
                self.send(Event::Changes(changes), false).await?;
            }
        }
        self.at = Some(last);
        self.send(Event::End, true).await
    }

    async fn bookmark(&self) -> Result<(), Gone> {
        let freshness = Some(self.vcenter.freshness());
        self.send(Event::Bookmark(Bookmark { freshness }), self.at.is_some())
            .await
    }

    async fn send(&self, event: Event<F::Changes>, with_token: bool) -> Result<(), Gone> {
        let token = match self.at.filter(|_| with_token) {
            Some(at) => format!("{}.{at}", self.prefix),
            None => String::new(),
        };
        let message = F::message(event, token);
        self.sender.send(Ok(message)).await.map_err(|_| Gone)
    }
}
