//! A content on one datastore: how far it is, and when it is tried again.

use super::{
    attempt::{Attempt, Refused},
    proof::{Answer, Proof},
};
use crate::{
    edge::caller::Caller,
    iso::{
        digest::Digest,
        name::Label,
        retry,
        source::{Content, Likeness},
        wishes::IsoId,
    },
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
    /// What is known of what was fetched last.
    proof: Option<Proof>,
    /// It is whole, and has to be fetched once more to see whether the source still has it.
    is_doubted: bool,
    /// What was fetched and cannot be had.
    refused: Option<Refused>,
    /// The last transfer was given up because the source said something else.
    was_given_up: bool,
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

/// What follows for its source from the end of a transfer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// It has to be asked anew after this.
    pub(super) asks_in: Option<Duration>,
    /// It could not be asked, and this is believed to be what it has, under this revision.
    pub(super) believed: Option<(Content, String)>,
}

fn missing(stored: &Stored) -> Fault {
    let path = &stored.path;
    let what = format!("`{path}` was uploaded and is not there any more");
    Fault::new(Reason::IsoMissing, what).with("path", path)
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
            proof: None,
            is_doubted: false,
            refused: None,
            was_given_up: false,
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

    /// Somebody put the whole file there.
    pub fn put(&mut self, stored: Stored) {
        self.stage = Stage::Ready(stored);
        self.fault = None;
    }

    /// The file went away from outside, and is to be brought anew.
    pub(super) fn lose(&mut self, now: Instant) {
        self.stage = Stage::Pending;
        self.try_at = Some(now);
    }

    /// The file, which nobody but its uploader can bring anew, is there or not. Whether that is news.
    pub(super) fn see(&mut self, is_there: bool) -> bool {
        let is_missed = self.fault.is_some();
        if is_missed != is_there {
            return false;
        }
        self.fault = self.stored().filter(|_| !is_there).map(missing);
        true
    }

    /// Whether what is heard of a transfer is heard of the one under way.
    pub fn is_of(&self, job: JobId) -> bool {
        let attempt = self.attempt.as_ref();
        attempt.is_some_and(|attempt| attempt.job == job)
    }

    /// When it is tried the next time.
    pub(super) fn try_at(&self) -> Option<Instant> {
        self.try_at.filter(|_| self.attempt.is_none())
    }

    /// Its source answered. Nothing is whole, or on its way to be, that the source has no more.
    pub(super) fn source_answered(&mut self, answer: &Answer<'_>, now: Instant) {
        self.give_up_what_was_before(answer);
        if !self.is_ready() {
            self.refused
                .take_if(|refused| refused.is_tried_with(answer, now));
            match &self.refused {
                Some(refused) => self.fault = Some(refused.fault.clone()),
                None => self.try_soon(now),
            }
            return;
        }
        let proof = self.proof.as_ref();
        match proof.map_or(Likeness::Other, |proof| proof.judge(answer)) {
            Likeness::Same => {
                self.is_doubted = false;
                self.try_at = None;
            }
            Likeness::Unsure => {
                self.is_doubted = true;
                self.try_at = Some(proof.map_or(now, Proof::again).max(now));
            }
            Likeness::Other => {
                self.stage = Stage::Pending;
                self.try_at = Some(now);
            }
        }
    }

    /// Its source could not be asked: the file of before may lie there.
    pub(super) fn source_is_away(&mut self, now: Instant) {
        if !self.is_ready() && self.refused.is_none() {
            self.try_soon(now);
        }
    }

    fn try_soon(&mut self, now: Instant) {
        if self.attempt.is_none() && self.try_at.is_none() {
            self.try_at = Some(now);
        }
    }

    /// Gives the transfer under way up if it brings what the source had before.
    fn give_up_what_was_before(&mut self, answer: &Answer<'_>) {
        let proof = self.proof.as_ref();
        let is_of_many_words = proof.is_some_and(Proof::is_of_many_words);
        // A source that says something else each time would never be read to its end: what comes then
        // is proved by its SHA-256.
        let is_patient = (self.was_given_up || is_of_many_words) && !answer.is_told;
        let is_of_before = |attempt: &mut Attempt| match &attempt.content {
            // It only looked for what may lie there.
            None => true,
            Some(content) => {
                let is_other = answer.compare(content) == Likeness::Other;
                is_other && !is_patient && !answer.is_pinned
            }
        };
        if let Some(attempt) = self.attempt.take_if(is_of_before) {
            attempt.stop.cancel();
            self.was_given_up = true;
            if !self.is_ready() {
                self.stage = Stage::Pending;
            }
        }
    }

    /// Somebody asks again: what failed is tried at once. What was fetched to its end in vain waits until
    /// its source has answered whether it has another content, if a caller says so.
    pub(super) fn nudge(&mut self, is_told: bool, now: Instant) {
        let is_refused = self.refused.is_some();
        if self.fault.is_none() || self.attempt.is_some() || (is_refused && !is_told) {
            return;
        }
        self.fault = None;
        if !is_refused {
            self.try_at = Some(now);
        }
    }

    /// Begins what is due: the content that the source says it has, and what a caller calls it.
    pub(super) fn begin_due(
        &mut self,
        content: Option<&Content>,
        revision: &str,
        (now, at): (Instant, Timestamp),
    ) -> Option<Attempt> {
        let is_due = self.try_at().is_some_and(|due| due <= now);
        if !is_due || (self.is_ready() && !self.is_doubted) {
            return None;
        }
        let attempt = Attempt::new(content, revision, &self.stop);
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

    /// It came that far. What is there while it is fetched once more stays.
    pub fn reach(&mut self, stage: Stage, percent: i32) {
        if !self.is_ready() {
            self.stage = stage;
        }
        if let Some(operation) = &mut self.operation {
            operation.state = OperationState::Running.into();
            operation.percent = percent;
        }
    }

    /// Its transfer ended: with the whole file, with a fault, or, where the source could not be asked,
    /// without having been able to begin. `latest` is what the source says by now.
    pub(super) fn ended(
        &mut self,
        result: Result<Option<Stored>, Fault>,
        latest: Option<&Answer<'_>>,
        when: (Instant, Timestamp),
    ) -> Ended {
        let Some(attempt) = self.attempt.take() else {
            return Ended::default();
        };
        self.was_given_up = false;
        match result {
            Ok(Some(stored)) => self.came(attempt, stored, latest, when),
            Ok(None) => {
                if !self.is_ready() {
                    self.stage = Stage::Pending;
                }
                self.operation = None;
                Ended::default()
            }
            Err(fault) => self.failed(attempt, fault, when),
        }
    }

    fn came(
        &mut self,
        attempt: Attempt,
        stored: Stored,
        latest: Option<&Answer<'_>>,
        (now, at): (Instant, Timestamp),
    ) -> Ended {
        (self.failures, self.refused, self.is_doubted) = (0, None, false);
        if stored.found.is_some() {
            self.operation = None;
        } else {
            self.end_operation(None, at);
        }
        let believed = stored.found.clone().filter(|_| attempt.content.is_none());
        let said = attempt.content.or_else(|| stored.found.clone());
        let confirmed = self
            .proof
            .take_if(|proof| proof.confirm(stored.sha256, said.as_ref(), now));
        let proof = confirmed.unwrap_or_else(|| Proof::new(stored.sha256, said, now));
        // The source may have said since that it has another.
        let is_of_before = latest.is_some_and(|latest| proof.judge(latest) == Likeness::Other);
        self.proof = Some(proof);
        self.try_at = is_of_before.then_some(now);
        self.stage = if is_of_before {
            Stage::Pending
        } else {
            Stage::Ready(stored)
        };
        Ended {
            asks_in: None,
            believed: believed.map(|content| (content, attempt.revision)),
        }
    }

    fn failed(&mut self, attempt: Attempt, fault: Fault, (now, at): (Instant, Timestamp)) -> Ended {
        self.end_operation(Some(fault.clone()), at);
        if self.is_ready() {
            // What is there stays, and in doubt, until the next time.
            if let Some(proof) = &mut self.proof {
                proof.postpone(now);
            }
            return Ended::default();
        }
        self.failures += 1;
        self.stage = Stage::Pending;
        self.refused = Refused::of(attempt, &fault, self.failures, now);
        let wait = retry::wait(&fault, self.failures).filter(|_| self.refused.is_none());
        // Its turn comes when the source has said what it has now.
        let is_for_source = fault.reason() == Reason::IsoSourceChanged;
        self.try_at = wait.filter(|_| !is_for_source).map(|wait| now + wait);
        self.fault = Some(fault);
        Ended {
            asks_in: wait.filter(|_| is_for_source),
            believed: None,
        }
    }

    fn end_operation(&mut self, fault: Option<Fault>, at: Timestamp) {
        if let Some(operation) = &mut self.operation {
            if fault.is_none() {
                operation.state = OperationState::Succeeded.into();
                operation.percent = 100;
            } else {
                operation.state = OperationState::Failed.into();
            }
            operation.ended_at = Some(at);
            operation.fault = fault;
        }
    }
}
