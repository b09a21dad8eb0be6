//! Keeps the shelf of one kind: the only place that reads foreign kinds.
//!
//! An object that goes away is believed only when the hub still has its kind: who removes a kind removes all
//! objects of it, and asked for no machine to go. As definition and objects are told of by two watches,
//! of which either may be late, the hub itself is asked whenever something is taken away.

use super::{
    Hub,
    definition::{self, Definition, Served},
    shelf::{Availability, Shelf},
};
use crate::kinds::{Foreign, Kind, Told, View};
use futures::{
    StreamExt as _,
    stream::{BoxStream, pending},
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use std::{pin::pin, time::Duration};
use tokio::time::Instant;

/// Before a kind that cannot be read is tried again: twice as long each time.
const FIRST: Duration = Duration::from_millis(200);
/// The longest of these pauses.
const LONGEST: Duration = Duration::from_secs(5);
/// Doublings after which that is reached.
const DOUBLINGS: u32 = 5;
/// An Agent with its inventory may have 100 KiB: no more of them than this are in memory at once.
const PAGE: u32 = 100;
/// A watch that is cut off again and again for so long tells nothing any more.
const AWAY: Duration = Duration::from_secs(30);
/// Longest pause between two attempts to go on with a watch.
const PAUSE: Duration = Duration::from_mins(2);
/// Events that are taken in at once.
const BATCH: usize = 500;

/// Definitions are large; that one has changed is all that is watched.
type Watched = PartialObjectMeta<CustomResourceDefinition>;
type Batch<S> = Vec<watcher::Result<Event<Told<S>>>>;

/// Why a kind cannot be followed any further.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Its definition cannot be read.
    #[error("reading the definition")]
    Definition(#[source] kube::Error),
    /// Its definition or its objects cannot be listed or watched.
    #[error("watching {0}")]
    Watch(&'static str, #[source] Refused),
    /// A watch has ended, which none does.
    #[error("the watch has ended")]
    Ended,
}

/// What the API server says where it refuses a watch. kube's own errors say it three times over.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
struct Refused {
    code: u16,
    message: String,
}

/// Keeps the shelf of one kind.
pub(super) struct Keeper<'a, S: Foreign> {
    pub(super) hub: &'a Hub,
    pub(super) client: &'a Client,
    pub(super) shelf: &'a Shelf<S>,
}

/// What is followed of a kind that the hub has.
struct Followed<S: Foreign> {
    kind: Option<Served>,
    objects: BoxStream<'static, Batch<S>>,
    /// The first and the last of the interruptions since anything was told.
    interrupted: Option<(Instant, Instant)>,
}

// === impl Keeper ===

impl<S: Foreign> Keeper<'_, S> {
    /// Follows the kind, whether the hub has it or not. Never returns.
    pub(super) async fn keep(self) {
        let mut failures = 0;
        self.clock();
        loop {
            let Err(error) = self.follow().await;
            let was_live = *self.shelf.lock().availability() == Availability::Live;
            failures = if was_live { 1 } else { failures + 1 };
            self.fail(error, failures);
            tokio::time::sleep(pause(failures)).await;
        }
    }

    /// Says why the kind cannot be read. One that has just been defined is served a moment later.
    fn fail(&self, error: Error, failures: u32) {
        if error.is_of_one_not_served() && failures <= DOUBLINGS {
            self.turn(Availability::Syncing);
            return;
        }
        let kind = S::KIND;
        let error = format!("{:#}", anyhow::Error::new(error));
        if self.turn(Availability::Unreadable(error.clone())) {
            tracing::warn!(%kind, error, "Kind cannot be read");
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible, Error> {
        let definitions = Api::<Watched>::all(self.client.clone());
        let named = format!("metadata.name={}", S::KIND.definition());
        let changes = watcher(definitions, watcher::Config::default().fields(&named));
        let mut changes = pin!(changes.default_backoff());
        let mut followed = Followed::nothing();
        loop {
            tokio::select! {
                // What is told of the definition decides whether the objects count.
                biased;
                change = changes.next() => {
                    let change = change.ok_or(Error::Ended)?;
                    if Self::tells_of_definition(change)? {
                        self.look(&mut followed).await?;
                    }
                }
                batch = followed.objects.next() => {
                    self.take_in(batch.ok_or(Error::Ended)?, &mut followed).await?;
                }
            }
        }
    }

    /// Whether the definition is another one than before.
    fn tells_of_definition(change: watcher::Result<Event<Watched>>) -> Result<bool, Error> {
        match change {
            Ok(Event::Init | Event::InitApply(_)) => Ok(false),
            Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_)) => Ok(true),
            Err(error) => {
                note(S::KIND, error).map_err(|it| Error::Watch("the definition", it))?;
                Ok(false)
            }
        }
    }

    /// Asks the hub for the kind, and follows its objects if it has it. Whether it has.
    async fn look(&self, followed: &mut Followed<S>) -> Result<bool, Error> {
        let definition = definition::look(self.client, S::KIND).await;
        match definition.map_err(Error::Definition)? {
            Definition::Absent => {
                *followed = Followed::nothing();
                self.turn(Availability::Missing);
                Ok(false)
            }
            Definition::Served(served) => {
                if followed.kind.as_ref() != Some(&served) {
                    *followed = Followed::objects(self.client, served);
                    self.turn(Availability::Syncing);
                }
                Ok(true)
            }
        }
    }

    async fn take_in(&self, batch: Batch<S>, followed: &mut Followed<S>) -> Result<(), Error> {
        let mut events = Vec::with_capacity(batch.len());
        for told in batch {
            match told {
                Ok(event) => {
                    followed.interrupted = None;
                    events.push(viewed(event));
                }
                Err(error) => {
                    let error = followed.interrupt(error);
                    error
                        .and_then(|it| note(S::KIND, it))
                        .map_err(|it| Error::Watch("the objects", it))?;
                }
            }
        }
        let away = {
            let known = self.shelf.lock();
            events.iter().any(|event| known.takes_away(event))
        };
        if away {
            let kind = followed.kind.clone();
            if !self.look(followed).await? || followed.kind != kind {
                return Ok(());
            }
        }
        let (changed, turned) = {
            let mut known = self.shelf.lock();
            let before = known.availability().clone();
            let changed: Vec<_> = events.into_iter().flat_map(|it| known.apply(it)).collect();
            known.clock((self.hub.now)());
            (changed, before != *known.availability())
        };
        if turned {
            self.hub.wake_all();
        } else {
            self.hub.wake_for(S::KIND, &changed);
        }
        Ok(())
    }

    /// Tells the shelf what the time is.
    fn clock(&self) {
        self.shelf.lock().clock((self.hub.now)());
    }

    /// The kind is so from now on; whether it was not before.
    fn turn(&self, availability: Availability) -> bool {
        let turned = self.shelf.lock().turn(availability);
        self.clock();
        if turned {
            self.hub.wake_all();
        }
        turned
    }
}

/// Before the next attempt, after so many in a row that failed.
fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS);
    (FIRST * 2_u32.pow(doublings)).min(LONGEST)
}

/// Passes an error on that the same watch will not get over.
fn note(kind: Kind, error: watcher::Error) -> Result<(), Refused> {
    if let Some(refused) = refused(&error) {
        return Err(refused);
    }
    let error = format!("{:#}", anyhow::Error::new(error));
    tracing::debug!(%kind, error, "Watch was interrupted");
    Ok(())
}

/// A watch that is refused goes on in silence once it is permitted: nobody could tell.
fn refused(error: &watcher::Error) -> Option<Refused> {
    use watcher::Error::{
        InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed,
    };
    let status = match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => match error {
            kube::Error::Api(status) => status,
            _ => return None,
        },
        WatchError(status) => status,
        NoResourceVersion => {
            return Some(Refused {
                code: 405,
                message: "it cannot be watched".into(),
            });
        }
    };
    let refused = matches!(status.code, 401 | 403 | 404 | 405);
    refused.then(|| Refused {
        code: status.code,
        message: status.message.clone(),
    })
}

fn viewed<S: Foreign>(event: Event<Told<S>>) -> Event<View<S>> {
    let view = |told: Told<S>| {
        let view = View::of(told);
        if let Some(error) = &view.malformed {
            let (kind, meta) = (S::KIND, &view.meta);
            let (name, namespace) = (&meta.name, &meta.namespace);
            tracing::warn!(%kind, name, namespace, error, "Object cannot be read");
        }
        view
    };
    match event {
        Event::Init => Event::Init,
        Event::InitApply(told) => Event::InitApply(view(told)),
        Event::InitDone => Event::InitDone,
        Event::Apply(told) => Event::Apply(view(told)),
        Event::Delete(told) => Event::Delete(view(told)),
    }
}

// === impl Error ===

impl Error {
    /// The hub has the kind, and does not serve its objects yet, or no more.
    fn is_of_one_not_served(&self) -> bool {
        matches!(self, Self::Watch(_, refused) if refused.code == 404)
    }
}

// === impl Followed ===

impl<S: Foreign> Followed<S> {
    fn nothing() -> Self {
        Self {
            kind: None,
            objects: pending().boxed(),
            interrupted: None,
        }
    }

    fn objects(client: &Client, served: Served) -> Self {
        let api = Api::<Told<S>>::all_with(client.clone(), &S::KIND.resource(served.version));
        let told = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
        Self {
            kind: Some(served),
            objects: told.ready_chunks(BATCH).boxed(),
            interrupted: None,
        }
    }

    /// Notes an interruption, and refuses to go on with a watch that told nothing for too long: what is
    /// known is no more what there is.
    fn interrupt(&mut self, error: watcher::Error) -> Result<watcher::Error, Refused> {
        let now = Instant::now();
        let goes_on = self.interrupted.filter(|(_, last)| now - *last < PAUSE);
        let first = goes_on.map_or(now, |(first, _)| first);
        self.interrupted = Some((first, now));
        if now - first < AWAY {
            return Ok(error);
        }
        Err(Refused {
            code: 503,
            message: format!("{:#}", anyhow::Error::new(error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn what_the_same_watch_gets_over_is_told_apart() {
        let failed = |code| {
            let status = Status::failure("no", "reason").with_code(code);
            watcher::Error::InitialListFailed(kube::Error::Api(status.boxed()))
        };
        for (code, is_refused) in [
            (403, true),
            (404, true),
            (401, true),
            (429, false),
            (503, false),
        ] {
            let said = refused(&failed(code)).map(|refused| refused.to_string());
            assert_eq!(said, is_refused.then(|| "no".into()), "{code}");
        }
    }

    #[test]
    fn a_kind_is_tried_again_at_once_and_then_more_and_more_seldom() {
        for (failures, milliseconds) in [(1, 200), (2, 400), (5, 3_200), (6, 5_000), (99, 5_000)] {
            assert_eq!(
                pause(failures),
                Duration::from_millis(milliseconds),
                "{failures}"
            );
        }
    }

    type Answer = Result<http::Response<kube::client::Body>, std::convert::Infallible>;

    /// What a kind is said to be after so many attempts that ended so.
    fn after(code: u16, failures: u32) -> Availability {
        let (wake, _) = tokio::sync::mpsc::unbounded_channel();
        let hub = Hub::new(
            crate::hub::IngressCa::default(),
            wake,
            crate::fixtures::hub::now,
        );
        let silent = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Answer>()
        });
        let keeper = Keeper {
            hub: &hub,
            client: &Client::new(silent, "clusters"),
            shelf: &hub.node_pools,
        };
        let message = "no".into();
        keeper.fail(
            Error::Watch("the objects", Refused { code, message }),
            failures,
        );
        hub.node_pools.lock().availability().clone()
    }

    #[tokio::test]
    async fn a_kind_that_was_just_defined_is_waited_for_and_not_for_ever() {
        let unreadable = || Availability::Unreadable("watching the objects: no".into());
        assert_eq!(after(404, 1), Availability::Syncing);
        assert_eq!(after(404, DOUBLINGS + 1), unreadable());
        assert_eq!(after(403, 1), unreadable());
    }
}
