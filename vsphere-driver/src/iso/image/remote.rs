//! The source of a content: what it said last, and when it is asked again.

use super::proof::Answer;
use crate::iso::{
    retry,
    source::{Content, Source},
    wishes::IsoId,
};
use contract::v1::Fault;
use prost_types::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// A source, and what it said.
#[derive(Debug)]
pub struct Remote {
    /// The source.
    pub source: Source,
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

// === impl Remote ===

impl Remote {
    /// A source that nobody asked yet.
    pub fn new(source: Source, now: Instant) -> Self {
        Self {
            source,
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

    /// Whether it answered once, well or ill.
    pub(super) fn was_asked(&self) -> bool {
        self.content.is_some() || self.fault.is_some()
    }

    /// Whether it is being asked.
    pub(super) fn is_asked(&self) -> bool {
        self.asking_for.is_some()
    }

    /// When it is asked the next time.
    pub(super) fn ask_at(&self) -> Option<Instant> {
        self.ask_at
    }

    /// Gives the source, if it is time to ask it; that counts as begun.
    pub(super) fn begin_due(&mut self, now: Instant) -> Option<Source> {
        if self.is_asked() || self.ask_at.is_none_or(|due| due > now) {
            return None;
        }
        self.asking_for = Some(self.revisions.values().cloned().collect());
        self.ask_at = None;
        Some(self.source.clone())
    }

    /// It answered. What it said, if it said something of its content.
    pub(super) fn asked(
        &mut self,
        said: Result<Content, Fault>,
        now: Instant,
        at: Timestamp,
    ) -> Option<Answer<'_>> {
        let asked_for = self.asking_for.take().unwrap_or_default();
        match said {
            Ok(content) => {
                let is_told = !self.confirmed.is_empty() && !asked_for.is_subset(&self.confirmed);
                self.content = Some(content);
                self.checked_at = Some(at);
                self.confirmed = asked_for;
                self.fault = None;
                self.failures = 0;
                self.ask_soon(now + retry::CHECK);
                let latest = self.latest();
                latest.map(|latest| Answer { is_told, ..latest })
            }
            Err(fault) => {
                self.failures += 1;
                if let Some(wait) = retry::wait(&fault, self.failures) {
                    self.ask_soon(now + wait);
                }
                self.fault = Some(fault);
                None
            }
        }
    }

    /// What it said last.
    pub(super) fn latest(&self) -> Option<Answer<'_>> {
        Some(Answer {
            content: self.content.as_ref()?,
            is_told: false,
            is_pinned: self.source.sha256().is_some(),
        })
    }

    /// Somebody asks again: at once, if it failed or may have another content. Whether it may.
    pub(super) fn nudge(&mut self, now: Instant) -> bool {
        let mut revisions = self.revisions.values();
        let is_told = revisions.any(|revision| !self.confirmed.contains(revision));
        if self.fault.take().is_some() || is_told {
            self.ask_soon(now);
        }
        is_told
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

    /// A file was found that is the content of this revision, though the source could not be asked.
    pub(super) fn believe(&mut self, found: Content, revision: String) {
        if self.content.is_none() {
            self.content = Some(found);
            self.confirmed = BTreeSet::from([revision]);
        }
    }

    /// It is asked at this time, if not before.
    pub(super) fn ask_soon(&mut self, at: Instant) {
        self.ask_at = Some(self.ask_at.map_or(at, |due| due.min(at)));
    }
}
