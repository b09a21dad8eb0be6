//! Transfers of a content to one datastore: one under way, and one that was all in vain.

use super::proof::Answer;
use crate::{
    iso::{
        retry,
        source::{Content, Likeness},
    },
    machines::work::JobId,
};
use contract::v1::Fault;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A transfer under way.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// Tells what is heard of it from what is heard of another.
    pub(super) job: JobId,
    /// What the source said of what is fetched. Absent: it could not be asked.
    pub(super) content: Option<Content>,
    /// What the caller calls it.
    pub(super) revision: String,
    /// Cancelled when nobody wants any more what it brings.
    pub(super) stop: CancellationToken,
}

/// What was fetched to its end and cannot be had. It is not fetched again as long as it is the same.
#[derive(Debug)]
pub(super) struct Refused {
    content: Content,
    /// Why it cannot be had.
    pub(super) fault: Fault,
    /// Only another content mends it.
    is_of_content: bool,
    /// A source that says something else of it is not believed before this.
    until: Instant,
}

// === impl Attempt ===

impl Attempt {
    /// Begins to fetch this content; ends with `stop` at the latest.
    pub(super) fn new(content: Option<&Content>, revision: &str, stop: &CancellationToken) -> Self {
        Self {
            job: JobId::new(),
            content: content.cloned(),
            revision: revision.to_owned(),
            stop: stop.child_token(),
        }
    }
}

// === impl Refused ===

impl Refused {
    /// What was fetched in vain, if it was fetched to its end; the `failures`-th time in a row.
    pub(super) fn of(attempt: Attempt, fault: &Fault, failures: u32, now: Instant) -> Option<Self> {
        let cause = retry::vain(fault)?;
        Some(Self {
            content: attempt.content?,
            fault: fault.clone(),
            is_of_content: cause == retry::Vain::Content,
            until: now + retry::slower(failures.saturating_sub(1)),
        })
    }

    /// Whether it is fetched again from a source that says this.
    pub(super) fn is_tried_with(&self, answer: &Answer<'_>, now: Instant) -> bool {
        match answer.compare(&self.content) {
            Likeness::Same if self.is_of_content => false,
            Likeness::Same => now >= self.until,
            Likeness::Unsure | Likeness::Other => answer.is_told || now >= self.until,
        }
    }
}
