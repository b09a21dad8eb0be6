//! What this process remembers of a template between reconciliations. Losing it costs time only.

use super::{
    attempts::Attempts,
    checks::{Checks, IsoCheck},
    handover::Handover,
    room::Measurement,
    withdrawal::Wishes,
};
use crate::{
    crd::{VMwareNodePoolTemplate, VMwareNodePoolTemplateStatus},
    driver::{Fault, IsoWanted},
    iso::IsoWish,
    leaving::course::Look,
    link::{Connection, Sight},
    wish::Wish,
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Deref,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Statuses are written at most this often.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);

/// What is remembered of all templates, by UID.
#[derive(Debug, Default)]
pub struct Memories(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Memory>>>>);

/// What is remembered of one template.
#[derive(Debug, Default)]
pub struct Memory {
    /// The template with the status that was written last, until the cache has it.
    written: Option<Arc<VMwareNodePoolTemplate>>,
    written_at: Option<Timestamp>,
    pub(super) attempts: Attempts,
    pub(super) checks: Option<Checks>,
    /// What was found of its ISO last, and for what wish.
    iso: Option<(IsoWish, IsoCheck)>,
    /// Where the driver may hold a wish for its ISO.
    pub(super) wishes: Wishes,
    pub(super) handover: Handover,
    pub(super) measurement: Option<Measurement>,
    /// What was found after Agents were fenced, by slot.
    pub(super) looks: BTreeMap<i32, Look>,
    /// The Secret of before that was let go.
    pub(super) let_go: Option<String>,
    basis: Option<Basis>,
    live: bool,
    /// Faults of machines that were counted and are still told, by slot.
    counted: BTreeMap<i32, Fault>,
}

/// A status, and the version of the template that it is of.
#[derive(Clone, Debug)]
pub(super) struct Recorded(Arc<VMwareNodePoolTemplate>);

/// What the attempts and checks rest on: if it changes, all is tried at once.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Basis {
    generation: Option<i64>,
    paused: bool,
    vcenter: Option<String>,
}

// === impl Memories ===

impl Memories {
    pub(super) fn of(&self, uid: &str) -> Arc<tokio::sync::Mutex<Memory>> {
        self.lock().entry(uid.to_owned()).or_default().clone()
    }

    /// The cache holds this template now. One that is being reconciled sees that at its end.
    pub fn caught_up(&self, cached: &VMwareNodePoolTemplate) {
        let uid = cached.metadata.uid.as_deref().unwrap_or_default();
        let memory = self.lock().get(uid).cloned();
        if let Some(Ok(mut memory)) = memory.as_ref().map(|memory| memory.try_lock()) {
            memory.caught_up(cached);
        }
    }

    /// The template is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<Memory>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Memory ===

impl Memory {
    /// The newest status that is known, where the cache holds this one.
    pub(super) fn status(&self, cached: &Arc<VMwareNodePoolTemplate>) -> Recorded {
        let is_newer = |written: &&Arc<_>| version(written) > version(cached);
        let newest = self.written.as_ref().filter(is_newer).unwrap_or(cached);
        Recorded(Arc::clone(newest))
    }

    /// The cache holds this one: what is no newer need not be remembered, and it is large.
    pub(super) fn caught_up(&mut self, cached: &VMwareNodePoolTemplate) {
        let is_newer = |written: &Arc<_>| version(written) > version(cached);
        self.written = self.written.take().filter(is_newer);
    }

    /// The words of faults that are told of machines and were not before. One that is over and comes
    /// again is another.
    pub(super) fn new_faults(&mut self, sight: &Sight) -> Vec<&'static str> {
        let machines = sight.owner.machines.iter();
        let told = machines.filter_map(|(slot, machine)| Some((*slot, machine.fault.clone()?)));
        let before = std::mem::replace(&mut self.counted, told.collect());
        let new = |(slot, fault): &(&i32, &Fault)| before.get(slot) != Some(fault);
        let new = self.counted.iter().filter(new);
        new.map(|(_, fault)| fault.word).collect()
    }

    /// Notes a status that was written, as the API server returned it, and when that began.
    pub(super) fn wrote(&mut self, template: VMwareNodePoolTemplate, begun: Timestamp) {
        self.written = Some(Arc::new(template));
        self.written_at = Some(begun);
    }

    /// When a status may be written again, if that is not now.
    pub(super) fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.written_at?.checked_add(BETWEEN_WRITES).ok()?;
        (next > now).then_some(next)
    }

    /// Notes what was found.
    pub(super) fn checked(&mut self, wish: &Wish, checks: Checks) {
        self.iso = Some((wish.iso.clone(), checks.iso.clone()));
        self.checks = Some(checks);
    }

    /// What was found of the ISO last, if the same was wished for then.
    pub(super) fn iso_before(&self, wish: &IsoWish) -> Option<&IsoCheck> {
        let before = self.iso.as_ref().filter(|(before, _)| before == wish);
        before.map(|(_, iso)| iso)
    }

    /// What the driver was asked for last, if the same was wished for then.
    pub(super) fn asked_before(&self, wish: &IsoWish) -> Option<IsoWanted> {
        self.iso_before(wish)?.asked.as_deref().cloned()
    }

    /// Forgets what rests on something that has changed.
    pub(super) fn rest_on(&mut self, wish: &Wish, sight: &Sight) {
        let basis = Basis {
            generation: wish.generation,
            paused: wish.paused,
            vcenter: sight.vcenter.as_ref().map(|vcenter| vcenter.name.clone()),
        };
        let live = sight.connection == Connection::Live;
        let came_back = live && !self.live;
        self.live = live;
        if came_back || self.basis.as_ref() != Some(&basis) {
            self.attempts.clear();
            let is_same = self.basis.as_ref().is_some_and(|it| it.asks_as(&basis));
            match self.checks.as_mut().filter(|_| is_same) {
                Some(checks) => checks.doubt(),
                None => self.checks = None,
            }
            self.handover = Handover::default();
            self.measurement = None;
            self.basis = Some(basis);
        }
    }
}

// === impl Basis ===

impl Basis {
    /// Whether the template asks for the same, be it of another vCenter.
    fn asks_as(&self, other: &Self) -> bool {
        (self.generation, self.paused) == (other.generation, other.paused)
    }
}

// === impl Recorded ===

impl Recorded {
    /// The version of the template that it is of.
    pub(super) fn version(&self) -> i64 {
        version(&self.0)
    }
}

impl Deref for Recorded {
    type Target = VMwareNodePoolTemplateStatus;

    fn deref(&self) -> &Self::Target {
        static NONE: LazyLock<VMwareNodePoolTemplateStatus> = LazyLock::new(Default::default);
        self.0.status.as_ref().unwrap_or(&NONE)
    }
}

/// The version of an object, a number that grows.
fn version(template: &VMwareNodePoolTemplate) -> i64 {
    let version = template.metadata.resource_version.as_deref();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        driver::{Retry, State},
        fixtures::{fault, template, world::World},
    };
    use serde_json::json;

    const T0: Timestamp = Timestamp::UNIX_EPOCH;

    fn with(version: &str, next_slot: i32) -> VMwareNodePoolTemplate {
        let mut template = template(&json!({}));
        template.metadata.resource_version = Some(version.into());
        let status = template.status.get_or_insert_default();
        status.next_slot = Some(next_slot);
        template
    }

    #[test]
    fn what_was_written_counts_until_the_cache_has_caught_up() {
        let mut memory = Memory::default();
        memory.wrote(with("10", 5), T0);
        for (version, next_slot) in [("9", 5), ("11", 1)] {
            let cached = with(version, 1);
            let status = memory.status(&Arc::new(cached));
            assert_eq!(status.next_slot, Some(next_slot), "{version}");
        }
    }

    #[test]
    fn what_was_written_is_kept_no_longer_than_until_the_cache_has_it() {
        let mut memory = Memory::default();
        memory.wrote(with("10", 5), T0);
        for (version, is_kept) in [("9", true), ("10", false)] {
            memory.caught_up(&with(version, 1));
            assert_eq!(memory.written.is_some(), is_kept, "{version}");
        }
    }

    #[test]
    fn the_first_write_is_at_once_and_the_next_a_second_later() {
        let mut memory = Memory::default();
        assert_eq!(memory.not_before(T0), None);
        memory.wrote(with("1", 1), T0);
        let second = Timestamp::from_second(1).unwrap();
        assert_eq!(memory.not_before(T0), Some(second));
        assert_eq!(memory.not_before(second), None);
    }

    #[test]
    fn a_fault_of_a_machine_is_counted_once_each_time_that_it_comes() {
        let mut memory = Memory::default();
        let mut world = World::new(1, &[(1, State::Failed)]);
        let mut counted = |fault: Option<Fault>| {
            world.machine(1).fault = fault;
            memory.new_faults(&world.sight).len()
        };
        let other = Fault {
            message: "another".into(),
            ..fault(Retry::Slow)
        };
        assert_eq!(counted(Some(fault(Retry::Slow))), 1);
        assert_eq!(counted(Some(fault(Retry::Slow))), 0);
        assert_eq!(counted(Some(other)), 1);
        assert_eq!(counted(None), 0);
        assert_eq!(counted(Some(fault(Retry::Slow))), 1);
    }
}
