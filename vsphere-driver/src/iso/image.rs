//! A content that is wanted on datastores: how far it is on each, and what is to be done next.

mod attempt;
mod copy;
mod proof;
mod remote;

pub use self::{
    copy::{Copy, Stage, Stored},
    remote::Remote,
};

use self::copy::Ended;
use super::{
    name::Label,
    source::{Content, Source},
};
use crate::{edge::caller::Caller, machines::work::JobId, soap::MoRef};
use contract::v1::Fault;
use prost_types::Timestamp;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

/// Progress is told no more often than this, however many datastores it is on its way to.
const PROGRESS: Duration = Duration::from_secs(1);

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
    /// When progress was told last, of whichever copy.
    told: Option<Instant>,
}

/// Where a content comes from.
#[derive(Debug)]
pub enum Origin {
    /// A URL.
    Url(Box<Remote>),
    /// Somebody's upload. What it is called for people.
    Upload(String),
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
    /// Cancelled when nobody wants any more what it brings.
    pub stop: CancellationToken,
    /// Tells this transfer from others to the same datastore.
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
            told: None,
        }
    }

    /// Begins what is due.
    pub fn begin_due(&mut self, now: Instant, at: Timestamp) -> Plan {
        let Origin::Url(remote) = &mut self.origin else {
            return Plan::default();
        };
        let mut plan = Plan::default();
        if let Some(source) = remote.begin_due(now) {
            plan.steps.push(Step::Ask(Box::new(source)));
        }
        let was_asked = remote.was_asked();
        if was_asked && !remote.is_asked() {
            let revision = remote.revision();
            for (datastore, copy) in &mut self.copies {
                let begun = copy.begin_due(remote.content.as_ref(), &revision, (now, at));
                if let Some(attempt) = begun {
                    let errand = Errand {
                        datastore: datastore.clone(),
                        source: remote.source.clone(),
                        revision: revision.clone(),
                        content: remote.content.clone(),
                        label: copy.label.clone(),
                        caller: copy.caller.clone(),
                        whose: copy.whose.clone(),
                        stop: attempt.stop,
                        job: attempt.job,
                    };
                    plan.steps.push(Step::Carry(Box::new(errand)));
                }
            }
        }
        let tries = self.copies.values().filter_map(Copy::try_at);
        let tries = tries.filter(|_| was_asked);
        plan.again = tries.chain(remote.ask_at()).filter(|at| *at > now).min();
        plan
    }

    /// The source said what its content is, or why it cannot say so.
    pub fn asked(&mut self, said: Result<Content, Fault>, now: Instant, at: Timestamp) {
        let Origin::Url(remote) = &mut self.origin else {
            return;
        };
        let answer = remote.asked(said, now, at);
        for copy in self.copies.values_mut() {
            match &answer {
                Some(answer) => copy.source_answered(answer, now),
                None => copy.source_is_away(now),
            }
        }
    }

    /// The transfer to a datastore came that far. Whether that is to be told.
    pub fn reached(
        &mut self,
        (datastore, job): (&MoRef, JobId),
        (stage, percent): (Stage, i32),
        now: Instant,
    ) -> bool {
        let copy = self.copies.get_mut(datastore);
        let Some(copy) = copy.filter(|copy| copy.is_of(job)) else {
            return false;
        };
        let is_progress = matches!(stage, Stage::Transferring(bytes) if bytes > 0);
        copy.reach(stage, percent);
        if !is_progress {
            return true;
        }
        let is_due = self.told.is_none_or(|told| now >= told + PROGRESS);
        if is_due {
            self.told = Some(now);
        }
        is_due
    }

    /// The transfer to a datastore ended. One that was given up is not heard any more: it may have brought
    /// what the source had before.
    pub fn carried(
        &mut self,
        datastore: &MoRef,
        job: JobId,
        result: Result<Option<Stored>, Fault>,
        when: (Instant, Timestamp),
    ) {
        let copy = self.copies.get_mut(datastore);
        let copy = copy.filter(|copy| copy.is_of(job));
        let (Some(copy), Origin::Url(remote)) = (copy, &mut self.origin) else {
            return;
        };
        let Ended { asks_in, believed } = copy.ended(result, remote.latest().as_ref(), when);
        if let Some(wait) = asks_in {
            remote.ask_soon(when.0 + wait);
        }
        if let Some((content, revision)) = believed {
            remote.believe(content, revision);
        }
        self.wake.notify_one();
    }

    /// Files of a datastore are there or not. Whether that is news.
    pub fn see(
        &mut self,
        datastore: &MoRef,
        is_there: impl Fn(&str) -> bool,
        now: Instant,
    ) -> bool {
        let Some(copy) = self.copies.get_mut(datastore) else {
            return false;
        };
        let Some(is_there) = copy.stored().map(|stored| is_there(&stored.file)) else {
            return false;
        };
        match &self.origin {
            Origin::Upload(_) => copy.see(is_there),
            Origin::Url(_) if is_there => false,
            Origin::Url(_) => {
                copy.lose(now);
                self.wake.notify_one();
                true
            }
        }
    }

    /// Somebody asks again for what failed, or for a content that changed.
    pub fn nudge(&mut self, now: Instant) {
        let Origin::Url(remote) = &mut self.origin else {
            return;
        };
        let is_told = remote.nudge(now);
        for copy in self.copies.values_mut() {
            copy.nudge(is_told, now);
        }
        self.wake.notify_one();
    }
}
