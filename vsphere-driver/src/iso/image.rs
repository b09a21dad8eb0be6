//! A content that is wanted on datastores: how far it is on each, and what is to be done next.

use super::{
    digest::Digest,
    name::Label,
    retry,
    source::{Content, Source},
    wishes::IsoId,
};
use crate::{
    edge::caller::Caller,
    machines::work::{JobId, Started},
    soap::MoRef,
};
use contract::v1::{Fault, Operation, OperationState, Reason, Verb};
use prost_types::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

/// A content that is wanted, whole, on datastores.
#[derive(Debug)]
pub struct Image {
    /// Tells it from others under the same key, before and after it.
    pub job: JobId,
    /// Where it comes from.
    pub origin: Origin,
    /// One for each datastore.
    pub copies: BTreeMap<MoRef, Copy>,
    /// Rung when there may be something to do.
    pub wake: Arc<Notify>,
    /// Nobody wants it any more.
    pub stop: CancellationToken,
}

/// Where a content comes from.
#[derive(Debug)]
pub enum Origin {
    /// A URL.
    Url(Box<Remote>),
    /// Somebody's upload. What it is called for people.
    Upload(String),
}

/// A source, and what it said.
#[derive(Debug)]
pub struct Remote {
    /// The source.
    pub source: Source,
    /// Tells it from others in records; absent where that could be guessed.
    pub address: Option<Digest>,
    /// What it said last of its content.
    pub content: Option<Content>,
    /// When it said so.
    pub checked_at: Option<Timestamp>,
    /// Why it could not be asked the last time.
    pub fault: Option<Fault>,
    /// What each of those who want it calls the present content.
    pub revisions: BTreeMap<IsoId, String>,
    /// Revisions that the present content is known to have.
    pub confirmed: BTreeSet<String>,
    asking_for: Option<BTreeSet<String>>,
    ask_at: Option<Instant>,
    failures: u32,
}

/// The content on one datastore.
#[derive(Debug)]
pub struct Copy {
    /// Who wants it there.
    pub wanted_by: BTreeSet<IsoId>,
    /// Begins the name of its file.
    pub label: Label,
    /// How far it is.
    pub stage: Stage,
    /// Why it is no further.
    pub fault: Option<Fault>,
    /// The transfer under way, else the last.
    pub operation: Option<Operation>,
    /// Who asked first.
    pub caller: Caller,
    /// For whom, as in the audit line.
    pub whose: String,
    /// Nobody wants it there any more.
    pub stop: CancellationToken,
    /// Tells it from another on the same datastore, before and after it.
    pub job: JobId,
    is_running: bool,
    try_at: Option<Instant>,
    failures: u32,
}

/// How far a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for its source or its turn.
    Pending,
    /// So many bytes are on the datastore.
    Transferring(u64),
    /// All of its bytes are there.
    Verifying(u64),
    /// It is whole.
    Ready(Stored),
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name in the folder.
    pub file: String,
    /// `[datastore] folder/file.iso`.
    pub path: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The SHA-256 of its content.
    pub sha256: Digest,
    /// When it was whole.
    pub stored_at: Option<Timestamp>,
    /// Found there, not transferred: what its source said of it then.
    pub found: Option<Content>,
}

/// Something to do now.
#[derive(Debug)]
pub enum Step {
    /// Ask the source for its content.
    Ask(Box<Source>),
    /// Have the content on a datastore.
    Carry(Box<Errand>),
}

/// What a transfer has to know.
#[derive(Clone, Debug)]
pub struct Errand {
    /// The datastore.
    pub datastore: MoRef,
    /// The source.
    pub source: Source,
    /// Tells the source from others in records.
    pub address: Option<Digest>,
    /// What the caller calls the content.
    pub revision: String,
    /// What the source says of its content. Absent: it could not be asked.
    pub content: Option<Content>,
    /// Begins the name of the file.
    pub label: Label,
    /// Who asked first.
    pub caller: Caller,
    /// For whom, as in the audit line.
    pub whose: String,
    /// Cancelled when nobody wants it any more.
    pub stop: CancellationToken,
    /// The copy.
    pub job: JobId,
}

/// What comes next.
#[derive(Debug, Default)]
pub struct Plan {
    /// What to do now; it counts as begun.
    pub steps: Vec<Step>,
    /// When to look again, if nothing happens before.
    pub again: Option<Instant>,
}

// === impl Image ===

impl Image {
    /// A content of this origin, wanted by nobody yet.
    pub fn new(origin: Origin) -> Self {
        Self {
            job: JobId::new(),
            origin,
            copies: BTreeMap::new(),
            wake: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Begins what is due.
    pub fn begin_due(&mut self, now: Instant, at: Timestamp) -> Plan {
        let Origin::Url(remote) = &mut self.origin else {
            return Plan::default();
        };
        let mut plan = Plan::default();
        if remote.asking_for.is_none() && remote.ask_at.is_some_and(|due| due <= now) {
            remote.asking_for = Some(remote.revisions.values().cloned().collect());
            remote.ask_at = None;
            plan.steps.push(Step::Ask(Box::new(remote.source.clone())));
        }
        let was_asked = remote.content.is_some() || remote.fault.is_some();
        if was_asked && remote.asking_for.is_none() {
            let revision = remote.revision();
            for (datastore, copy) in &mut self.copies {
                if copy.is_due(now) {
                    copy.begin(at);
                    let errand = Errand {
                        datastore: datastore.clone(),
                        source: remote.source.clone(),
                        address: remote.address,
                        revision: revision.clone(),
                        content: remote.content.clone(),
                        label: copy.label.clone(),
                        caller: copy.caller.clone(),
                        whose: copy.whose.clone(),
                        stop: copy.stop.clone(),
                        job: copy.job,
                    };
                    plan.steps.push(Step::Carry(Box::new(errand)));
                }
            }
        }
        let tries = self.copies.values().filter(|copy| !copy.is_running);
        let tries = tries.filter_map(|copy| copy.try_at).filter(|_| was_asked);
        plan.again = tries.chain(remote.ask_at).filter(|at| *at > now).min();
        plan
    }

    /// The source said what its content is, or why it cannot say so.
    pub fn asked(&mut self, said: Result<Content, Fault>, now: Instant, at: Timestamp) {
        let Origin::Url(remote) = &mut self.origin else {
            return;
        };
        let asked_for = remote.asking_for.take().unwrap_or_default();
        match said {
            Ok(content) => {
                let is_changed = remote.is_changed(&content, &asked_for);
                remote.content = Some(content);
                remote.checked_at = Some(at);
                remote.confirmed = asked_for;
                remote.fault = None;
                remote.failures = 0;
                remote.ask_soon(now + retry::CHECK);
                if is_changed {
                    let ready = self.copies.values_mut().filter(|copy| copy.is_ready());
                    ready.for_each(|copy| copy.stage = Stage::Pending);
                }
            }
            Err(fault) => {
                remote.failures += 1;
                if let Some(wait) = retry::wait(&fault, remote.failures) {
                    remote.ask_soon(now + wait);
                }
                remote.fault = Some(fault);
            }
        }
        for copy in self.copies.values_mut() {
            if !copy.is_ready() && !copy.is_running && copy.try_at.is_none() {
                copy.try_at = Some(now);
            }
        }
    }

    /// Somebody asks again for what failed, or for a content that changed.
    pub fn nudge(&mut self, now: Instant) {
        if let Origin::Url(remote) = &mut self.origin {
            let all_confirmed = remote
                .revisions
                .values()
                .all(|it| remote.confirmed.contains(it));
            if remote.fault.take().is_some() || !all_confirmed {
                remote.ask_soon(now);
            }
        }
        for copy in self.copies.values_mut() {
            if copy.fault.is_some() && !copy.is_running {
                copy.fault = None;
                copy.try_at = Some(now);
            }
        }
        self.wake.notify_one();
    }
}

// === impl Remote ===

impl Remote {
    /// A source that nobody asked yet.
    pub fn new(source: Source, address: Option<Digest>, now: Instant) -> Self {
        Self {
            source,
            address,
            content: None,
            checked_at: None,
            fault: None,
            revisions: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            asking_for: None,
            ask_at: Some(now),
            failures: 0,
        }
    }

    /// What is written into records: of several, the one that sorts last.
    pub fn revision(&self) -> String {
        let newest = self.revisions.values().max();
        newest.cloned().unwrap_or_default()
    }

    /// Whether the content is known to be the one that this ISO means.
    pub fn is_confirmed(&self, id: &IsoId) -> bool {
        let revision = self.revisions.get(id);
        revision.is_some_and(|revision| self.confirmed.contains(revision))
    }

    /// Whether a source now has another content than before. One that does not say enough to know is
    /// believed to have, when a caller says so.
    fn is_changed(&self, now: &Content, asked_for: &BTreeSet<String>) -> bool {
        let is_silent = now.etag.is_none() && now.last_modified.is_none();
        let is_told = !self.confirmed.is_empty() && !asked_for.is_subset(&self.confirmed);
        let differs = self.content.as_ref().is_some_and(|before| before != now);
        differs || (is_silent && is_told)
    }

    /// A file was found that is the content, though the source could not be asked.
    fn believe(&mut self, found: Option<Content>) {
        if self.content.is_none() && found.is_some() {
            self.content = found;
            self.confirmed = self.revisions.values().max().cloned().into_iter().collect();
        }
    }

    fn ask_soon(&mut self, at: Instant) {
        self.ask_at = Some(self.ask_at.map_or(at, |due| due.min(at)));
    }
}

// === impl Copy ===

impl Copy {
    /// Nothing is there yet.
    pub fn new((label, whose): (&Label, String), caller: &Caller, now: Instant) -> Self {
        Self {
            wanted_by: BTreeSet::new(),
            label: label.clone(),
            stage: Stage::Pending,
            fault: None,
            operation: None,
            caller: caller.clone(),
            whose,
            stop: CancellationToken::new(),
            job: JobId::new(),
            is_running: false,
            try_at: Some(now),
            failures: 0,
        }
    }

    /// The whole file, if there is one.
    pub fn stored(&self) -> Option<&Stored> {
        match &self.stage {
            Stage::Ready(stored) => Some(stored),
            Stage::Pending | Stage::Transferring(_) | Stage::Verifying(_) => None,
        }
    }

    /// Whether it is whole.
    pub fn is_ready(&self) -> bool {
        self.stored().is_some()
    }

    /// The file went away from outside.
    pub fn lose(&mut self, now: Instant) {
        self.stage = Stage::Pending;
        self.try_at = Some(now);
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.is_running && !self.is_ready() && self.try_at.is_some_and(|due| due <= now)
    }

    fn begin(&mut self, at: Timestamp) {
        self.is_running = true;
        self.try_at = None;
        self.fault = None;
        let started = Started {
            operation_id: self.caller.operation_id.clone(),
            hub_id: self.caller.hub_id.clone(),
            client: self.caller.client.clone(),
            at,
        };
        self.operation = Some(started.queued(Verb::TransferIso));
    }

    /// It came that far.
    pub fn reach(&mut self, stage: Stage, percent: i32) {
        self.stage = stage;
        if let Some(operation) = &mut self.operation {
            operation.state = OperationState::Running.into();
            operation.percent = percent;
        }
    }

    /// Its transfer ended: with the whole file, with a fault, or, where the source could not be asked,
    /// without having been able to begin. Says when the source has to be asked anew, if it has to.
    pub fn ended(
        &mut self,
        result: Result<Option<Stored>, Fault>,
        now: Instant,
        at: Timestamp,
    ) -> Option<Duration> {
        self.is_running = false;
        let mut asks_in = None;
        match result {
            Ok(Some(stored)) => {
                self.failures = 0;
                if stored.found.is_some() {
                    self.operation = None;
                } else if let Some(operation) = &mut self.operation {
                    operation.state = OperationState::Succeeded.into();
                    operation.percent = 100;
                    operation.ended_at = Some(at);
                }
                self.stage = Stage::Ready(stored);
            }
            Ok(None) => {
                self.stage = Stage::Pending;
                self.operation = None;
            }
            Err(fault) => {
                self.failures += 1;
                self.stage = Stage::Pending;
                let wait = retry::wait(&fault, self.failures);
                // Its turn comes when the source has said what it has now.
                let is_for_source = fault.reason() == Reason::IsoSourceChanged;
                asks_in = wait.filter(|_| is_for_source);
                self.try_at = wait.filter(|_| !is_for_source).map(|wait| now + wait);
                if let Some(operation) = &mut self.operation {
                    operation.state = OperationState::Failed.into();
                    operation.ended_at = Some(at);
                    operation.fault = Some(fault.clone());
                }
                self.fault = Some(fault);
            }
        }
        asks_in
    }
}

impl Image {
    /// The transfer to a datastore ended. The copy, if it is still wanted.
    pub fn carried(
        &mut self,
        datastore: &MoRef,
        job: JobId,
        result: Result<Option<Stored>, Fault>,
        (now, at): (Instant, Timestamp),
    ) {
        let Some(copy) = self
            .copies
            .get_mut(datastore)
            .filter(|copy| copy.job == job)
        else {
            return;
        };
        let asks_in = copy.ended(result, now, at);
        let found = copy.stored().and_then(|stored| stored.found.clone());
        if let Origin::Url(remote) = &mut self.origin {
            if let Some(wait) = asks_in {
                remote.ask_soon(now + wait);
            }
            remote.believe(found);
        }
        self.wake.notify_one();
    }
}
