//! What a link does: follows its Secret, connects by it, and follows the machines.

use super::{Guard, Link, Phase, SecretRef, names::Names, view::Concerned};
use crate::{
    crd::{SECRET_FINALIZER, VMwareNodePoolTemplate},
    credentials::{self, InvalidSecret},
    driver::{Caller, Driver, Event, Fault, Kind, Login, Message, On, Vcenter},
    follow::follow,
    hub::Sought,
    metrics, retry,
};
use futures::{StreamExt as _, stream::BoxStream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, runtime::reflector::ObjectRef};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc::UnboundedSender, watch},
    time::{sleep, timeout},
};

/// Bookmarks come every 10 s; who is silent for as long as this is not there.
pub(super) const SILENCE: Duration = Duration::from_secs(30);
/// Changes that come together wake together.
const TOGETHER: Duration = Duration::from_millis(100);

/// One link at work.
pub(super) struct Session<D> {
    pub(super) link: Arc<Link>,
    pub(super) driver: Arc<D>,
    pub(super) caller: Caller,
    pub(super) wake: UnboundedSender<ObjectRef<VMwareNodePoolTemplate>>,
    pub(super) challenge: watch::Sender<Option<i32>>,
    pub(super) names: Arc<Names>,
    pub(super) watch: metrics::Watch,
    pub(super) now: fn() -> Timestamp,
}

/// What the Secret says now.
#[derive(Clone, PartialEq, Eq)]
enum Credential {
    /// Nothing yet, or nothing to log in by.
    None(Phase),
    Login(Box<Login>),
}

/// Why a stream was left.
enum Ended {
    /// It broke.
    Fault(Fault),
    /// The vCenter is connected, and the driver has not said yet which one it is.
    Unidentified,
}

// === impl Session ===

impl<D: Driver> Session<D> {
    /// Works until nobody uses the link, then has the driver log out.
    #[tracing::instrument(name = "link", skip_all, fields(%secret))]
    pub(super) async fn run(self, secrets: Api<Secret>, secret: SecretRef) {
        let (tell, credentials) = watch::channel(Credential::None(Phase::Starting));
        tokio::select! {
            biased;
            () = self.follow_secret(secrets, &secret.name, tell) => {}
            () = self.serve(credentials) => {}
            () = self.follow_isos() => {}
            () = self.wake_those_concerned() => {}
            () = self.link.unused.cancelled() => {}
        }
        self.disconnect(self.forget()).await;
    }

    /// Tells what the Secret says, each time that it says something else.
    async fn follow_secret(
        &self,
        secrets: Api<Secret>,
        name: &str,
        tell: watch::Sender<Credential>,
    ) {
        let tell = |found: Sought<Secret>| {
            if let Sought::Absent | Sought::Found(_) = found {
                self.link.guard(guard(found.found()));
            }
            let credential = read(&found);
            tell.send_if_modified(|told| {
                let differs = *told != credential;
                *told = credential;
                differs
            });
        };
        follow(secrets, name, tell).await;
    }

    async fn serve(&self, mut credentials: watch::Receiver<Credential>) {
        loop {
            let credential = credentials.borrow_and_update().clone();
            match credential {
                Credential::Login(login) => {
                    tokio::select! {
                        biased;
                        () = self.stay_connected(&login) => {}
                        changed = credentials.changed() => if changed.is_err() { return },
                    }
                }
                Credential::None(phase) => {
                    self.link.phase(phase);
                    self.disconnect(self.forget()).await;
                    if credentials.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Connects, follows, and does so again for ever.
    async fn stay_connected(&self, login: &Login) {
        let mut failures = 0;
        loop {
            let fault = match self.connect(login).await {
                Ok(()) => self.follow(login, &mut failures).await,
                Err(fault) => fault,
            };
            failures += 1;
            if let Kind::StaleEpoch { highest } = fault.kind {
                self.challenge.send_replace(Some(highest));
            }
            let (reason, problem) = (fault.word, &fault.message);
            tracing::warn!(reason, problem, "Connection lost");
            let pause = retry::delay(&fault, failures, retry::chance());
            self.tell(fault).await;
            // A refusal for good is repeated slowly: the driver may have been given other orders.
            sleep(pause.unwrap_or(SILENCE)).await;
        }
    }

    /// Says why there is no connection.
    async fn tell(&self, fault: Fault) {
        match fault.kind {
            Kind::VcenterUnknown => {}
            Kind::BadLogin(part) => {
                let problem = fault.message;
                let invalid = InvalidSecret::Unusable { part, problem };
                self.link.phase(Phase::BadSecret(invalid));
                // As with a Secret that lacks a key: the login of before is not theirs any more.
                self.disconnect(self.forget()).await;
            }
            Kind::StaleEpoch { .. } | Kind::Unreachable | Kind::Other => {
                self.link.phase(Phase::Broken(fault));
            }
        }
    }

    /// Connects, notes the vCenter, and gives up the one that was connected before.
    async fn connect(&self, login: &Login) -> Result<(), Fault> {
        let vcenter = self.driver.connect(&self.caller, login).await?;
        tracing::info!(vcenter = vcenter.name, server = login.server, "Connected");
        self.names.take(&vcenter.name);
        let mut old = None;
        self.link.change(|inner| {
            if inner.server != login.server {
                inner.view = super::View::default();
                inner.server.clone_from(&login.server);
            }
            inner.view.doubt();
            // One that is connected and still does not say it is not asked again.
            let known = vcenter.freshness.connected || !vcenter.instance_uuid.is_empty();
            inner.to_be_identified = !known;
            let is_other = inner.vcenter.as_ref().map(|old| &old.name) != Some(&vcenter.name);
            if is_other {
                inner.isos = super::isos::Isos::default();
            }
            old = inner.vcenter.replace(vcenter);
            HashSet::from([Concerned::Everybody])
        });
        self.disconnect(old).await;
        Ok(())
    }

    /// Follows the machines of the vCenter, through broken streams, until the driver has forgotten it.
    async fn follow(&self, login: &Login, failures: &mut u32) -> Fault {
        let mut token = None;
        loop {
            let fault = match self.stream(&mut token, failures).await {
                // The vCenter answers for the first time: now the driver knows which one it is.
                Ended::Unidentified => match self.connect(login).await {
                    Ok(()) => continue,
                    Err(fault) => fault,
                },
                Ended::Fault(fault) => fault,
            };
            if matches!(fault.kind, Kind::VcenterUnknown | Kind::StaleEpoch { .. }) {
                self.link.phase(Phase::Starting);
                return fault;
            }
            *failures += 1;
            let (reason, problem) = (fault.word, &fault.message);
            tracing::warn!(reason, problem, "Watch broken");
            let pause = retry::delay(&fault, *failures, retry::chance());
            self.link.phase(Phase::Broken(fault));
            tokio::select! {
                biased;
                () = sleep(pause.unwrap_or(SILENCE)) => {}
                () = self.link.forgotten.notified() => {}
            }
        }
    }

    /// Takes in one stream until it ends.
    async fn stream(&self, token: &mut Option<String>, failures: &mut u32) -> Ended {
        let vcenter = self.name();
        let on = On {
            caller: &self.caller,
            vcenter: &vcenter,
        };
        let opened = timeout(SILENCE, self.driver.watch(on, token.as_deref())).await;
        let mut changes = match opened.unwrap_or_else(|_| Err(silent())) {
            Ok(changes) => changes,
            Err(fault) => return Ended::Fault(fault),
        };
        let mut first = true;
        loop {
            let message = tokio::select! {
                biased;
                message = next(&mut changes) => message,
                () = self.link.forgotten.notified() => Err(forgotten()),
            };
            match message {
                Ok(message) => {
                    self.watch.heard((self.now)());
                    self.take(message, first && token.is_some(), token);
                }
                Err(fault) => return Ended::Fault(fault),
            }
            (first, *failures) = (false, 0);
            if self.link.lock().is_unidentified() {
                return Ended::Unidentified;
            }
        }
    }

    fn take(&self, message: Message, resumes: bool, token: &mut Option<String>) {
        let Message { event, token: next } = message;
        if !next.is_empty() {
            *token = Some(next);
        }
        self.link.change(|inner| {
            inner.phase = Phase::Streaming;
            // The token is of this run of the driver: what follows it continues what is known.
            if resumes && !matches!(event, Event::SnapshotBegin { .. }) {
                inner.view.resumed();
            }
            let told = match &event {
                Event::SnapshotBegin { freshness, .. } | Event::Bookmark(freshness) => {
                    Some(freshness)
                }
                Event::Changes { .. } | Event::SnapshotEnd | Event::Unknown => None,
            };
            if let (Some(told), Some(vcenter)) = (told, &mut inner.vcenter) {
                vcenter.freshness.clone_from(told);
            }
            inner.view.take(event)
        });
    }

    async fn wake_those_concerned(&self) {
        loop {
            self.link.concerned.notified().await;
            sleep(TOGETHER).await;
            for user in self.link.take_concerned() {
                // Nobody listens any more only when the process ends.
                let _ = self.wake.send(user);
            }
        }
    }

    async fn disconnect(&self, vcenter: Option<Vcenter>) {
        let Some(Vcenter { name, .. }) = vcenter else {
            return;
        };
        // Another link may have the same credential, and with it the same name.
        if !self.names.give_up(&name) {
            return;
        }
        match self.driver.disconnect(&self.caller, &name).await {
            Ok(()) => tracing::info!(vcenter = name, "Disconnected"),
            Err(fault) => tracing::warn!(
                vcenter = name,
                reason = fault.word,
                problem = fault.message,
                "Disconnecting failed"
            ),
        }
    }

    fn name(&self) -> String {
        let inner = self.link.lock();
        let vcenter = inner.vcenter.as_ref();
        vcenter
            .map(|vcenter| vcenter.name.clone())
            .unwrap_or_default()
    }

    fn forget(&self) -> Option<Vcenter> {
        self.link.lock().vcenter.take()
    }
}

/// The next message of a watch, or why there is none.
pub(super) async fn next<T>(
    messages: &mut BoxStream<'static, Result<T, Fault>>,
) -> Result<T, Fault> {
    match timeout(SILENCE, messages.next()).await {
        Ok(Some(message)) => message,
        Ok(None) => Err(Fault::unreachable("the driver ended the watch")),
        Err(_) => Err(silent()),
    }
}

pub(super) fn silent() -> Fault {
    Fault::unreachable("the driver was silent for 30 s")
}

fn forgotten() -> Fault {
    Fault {
        word: "VCenterUnknown",
        message: "the driver was restarted; it is connected anew".into(),
        retry: crate::driver::Retry::Recover,
        after: None,
        kind: Kind::VcenterUnknown,
    }
}

fn guard(secret: Option<&Secret>) -> Guard {
    let Some(meta) = secret.map(|secret| &secret.metadata) else {
        return Guard::None;
    };
    let finalizers = meta.finalizers.iter().flatten();
    match meta.deletion_timestamp {
        _ if finalizers.into_iter().any(|name| name == SECRET_FINALIZER) => Guard::Kept,
        Some(_) => Guard::None,
        None => Guard::Bare,
    }
}

fn read(found: &Sought<Secret>) -> Credential {
    let phase = match found
        .as_ref()
        .and_then(|secret| Some(credentials::login(secret)))
    {
        Sought::Found(Ok(login)) => return Credential::Login(Box::new(login)),
        Sought::Found(Err(invalid)) => Phase::BadSecret(invalid),
        Sought::Absent | Sought::KindMissing => Phase::NoSecret,
        Sought::Unreadable(problem) => Phase::SecretRefused(problem),
        Sought::Syncing => Phase::Starting,
    };
    Credential::None(phase)
}
