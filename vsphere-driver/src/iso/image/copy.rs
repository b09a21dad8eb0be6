//! A content on one datastore: how far it is, and when it is tried again.

use crate::{
    edge::caller::Caller,
    iso::{digest::Digest, name::Label, retry, source::Content, wishes::IsoId},
    machines::work::{JobId, Started},
};
use contract::v1::{Fault, Operation, OperationState, Reason, Verb};
use prost_types::Timestamp;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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
    attempt: Option<Attempt>,
    try_at: Option<Instant>,
    failures: u32,
}

/// A transfer under way.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// Tells what is heard of it from what is heard of another.
    pub(super) job: JobId,
    /// What the source said of what is fetched. Absent: it could not be asked.
    content: Option<Content>,
    /// Cancelled when nobody wants any more what it brings.
    pub(super) stop: CancellationToken,
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
            attempt: None,
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

    /// When it is tried the next time.
    pub(super) fn try_at(&self) -> Option<Instant> {
        self.try_at.filter(|_| self.attempt.is_none())
    }

    /// Whether what is heard of a transfer is heard of the one under way.
    pub fn is_of(&self, job: JobId) -> bool {
        let attempt = self.attempt.as_ref();
        attempt.is_some_and(|attempt| attempt.job == job)
    }

    /// Its source answered. With another content than before, a whole file is the one of before, and so is
    /// what is being fetched.
    pub(super) fn source_answered(&mut self, is_changed: bool, now: Instant) {
        let is_of_before = |attempt: &mut Attempt| is_changed || attempt.content.is_none();
        if let Some(attempt) = self.attempt.take_if(is_of_before) {
            attempt.stop.cancel();
            self.stage = Stage::Pending;
        }
        if is_changed && self.is_ready() {
            self.stage = Stage::Pending;
        }
        if !self.is_ready() && self.attempt.is_none() && self.try_at.is_none() {
            self.try_at = Some(now);
        }
    }

    /// Somebody asks again: what failed is tried at once.
    pub(super) fn nudge(&mut self, now: Instant) {
        if self.fault.is_some() && self.attempt.is_none() {
            self.fault = None;
            self.try_at = Some(now);
        }
    }

    /// Begins what is due, of the content that the source says it has.
    pub(super) fn begin_due(
        &mut self,
        content: Option<&Content>,
        (now, at): (Instant, Timestamp),
    ) -> Option<Attempt> {
        let is_due = self.try_at().is_some_and(|due| due <= now);
        if !is_due || self.is_ready() {
            return None;
        }
        let attempt = Attempt {
            job: JobId::new(),
            content: content.cloned(),
            stop: self.stop.child_token(),
        };
        self.attempt = Some(attempt.clone());
        self.try_at = None;
        self.fault = None;
        let started = Started {
            operation_id: self.caller.operation_id.clone(),
            hub_id: self.caller.hub_id.clone(),
            client: self.caller.client.clone(),
            at,
        };
        self.operation = Some(started.queued(Verb::TransferIso));
        Some(attempt)
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
        self.attempt = None;
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
