//! What a watch has told of one vCenter's machines. Pure.

use crate::driver::{Event, Machine, Ownership, State, Tombstone};
use contract::identity::MachineKey;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// The machines of one vCenter that concern this hub.
#[derive(Debug, Default)]
pub struct View {
    /// The run of the driver that the revisions belong to.
    run_id: String,
    complete: bool,
    /// Machines that are ours, by owner and slot.
    ours: HashMap<String, BTreeMap<i32, Arc<Machine>>>,
    /// All others that concern this hub, by managed object id.
    others: HashMap<String, Machine>,
    /// Slots that are proved to hold no machine any more, by owner.
    gone: HashMap<String, BTreeSet<i32>>,
    /// Revisions of the last that this run of the driver told of machines that are no more.
    buried: HashMap<MachineKey, i64>,
    /// What the snapshot under way has told.
    told: Option<HashSet<Id>>,
}

/// What sets one machine apart: its key, or for all that are not ours where vCenter keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Id {
    Ours(MachineKey),
    Other(String),
}

/// The part of a view that concerns one owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerView {
    /// Machines that are or shall be the owner's, by slot.
    pub machines: BTreeMap<i32, Arc<Machine>>,
    /// Slots proved to hold no machine.
    pub gone: BTreeSet<i32>,
    /// Names of machines that bear a mark of the owner, but are copies.
    pub copies: BTreeSet<String>,
    /// Names of machines that the companion made for the owner.
    pub companions: BTreeSet<String>,
}

/// Who is concerned by a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Concerned {
    /// The owner of this UID.
    Owner(String),
    /// The template of this `namespace/name`.
    Template(String),
    /// All of them.
    Everybody,
}

// === impl View ===

impl View {
    /// Everything that there is has been told, and nothing of it is in doubt.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// What is to be seen may be old: the stream was lost.
    pub fn doubt(&mut self) {
        self.complete = false;
        self.told = None;
    }

    /// The stream goes on where it was lost.
    pub fn resumed(&mut self) {
        self.complete = self.told.is_none();
    }

    /// Takes in one message, and says who is concerned.
    pub fn take(&mut self, event: Event) -> HashSet<Concerned> {
        match event {
            Event::SnapshotBegin { run_id, .. } => {
                self.begin(run_id);
                HashSet::new()
            }
            Event::Changes { changed, removed } => {
                let mut concerned = HashSet::new();
                for machine in changed {
                    concerned.extend(self.put(machine));
                }
                for tombstone in removed {
                    concerned.extend(self.remove(&tombstone));
                }
                concerned
            }
            Event::SnapshotEnd => {
                self.end();
                HashSet::from([Concerned::Everybody])
            }
            Event::Bookmark(_) | Event::Unknown => HashSet::new(),
        }
    }

    /// Takes in what a call answered about a machine.
    pub fn put(&mut self, machine: Machine) -> Option<Concerned> {
        let id = Id::of(&machine)?;
        if let Some(told) = &mut self.told {
            told.insert(id.clone());
        }
        let is_proof = machine.state == State::Gone;
        // A proof stands, whatever was told while the machine existed.
        let known = self.revision(&id);
        if !is_proof && known.is_some_and(|known| known > machine.revision) {
            return None;
        }
        // An answer may come later than the tombstone, which knew more. One without a revision that does
        // not know the machine says that something failed, and nothing of the machine.
        let knows_nothing = machine.state == State::Unknown && machine.revision == 0;
        if knows_nothing || (!is_proof && self.is_older(&id, machine.revision)) {
            return None;
        }
        let concerned = Concerned::by(&machine);
        match (id, machine.state) {
            (Id::Ours(key), State::Gone) => {
                // What the stream still tells of the time before is late.
                let last = known.unwrap_or(i64::MIN).max(machine.revision);
                self.buried.insert(key.clone(), last);
                self.is_gone(&key);
                self.take_away(&Id::Ours(key));
            }
            (Id::Ours(key), _) => {
                if let Some(gone) = self.gone.get_mut(&key.owner_uid) {
                    gone.remove(&key.slot);
                }
                let owner = self.ours.entry(key.owner_uid).or_default();
                owner.insert(key.slot, Arc::new(machine));
            }
            (Id::Other(moref), _) => {
                self.others.insert(moref, machine);
            }
        }
        concerned
    }

    /// What concerns the owner of this UID, which the companion calls `namespace/name`.
    pub fn of_owner(&self, owner_uid: &str, template: &str) -> OwnerView {
        let mut view = OwnerView {
            machines: self.ours.get(owner_uid).cloned().unwrap_or_default(),
            gone: self.gone.get(owner_uid).cloned().unwrap_or_default(),
            ..OwnerView::default()
        };
        for machine in self.others.values() {
            view.add_other(machine, owner_uid, template);
        }
        view
    }

    fn begin(&mut self, run_id: String) {
        if self.run_id != run_id {
            // Revisions of another run say nothing about those to come.
            for machine in self.ours.values_mut().flat_map(BTreeMap::values_mut) {
                Arc::make_mut(machine).revision = i64::MIN;
            }
            for machine in self.others.values_mut() {
                machine.revision = i64::MIN;
            }
            self.buried.clear();
        }
        self.run_id = run_id;
        self.complete = false;
        self.told = Some(HashSet::new());
    }

    fn end(&mut self) {
        if let Some(told) = self.told.take() {
            for machines in self.ours.values_mut() {
                machines.retain(|_, machine| Id::of(machine).is_some_and(|id| told.contains(&id)));
            }
            self.ours.retain(|_, machines| !machines.is_empty());
            self.others
                .retain(|moref, _| told.contains(&Id::Other(moref.clone())));
        }
        self.complete = true;
    }

    fn remove(&mut self, tombstone: &Tombstone) -> Option<Concerned> {
        let id = Id::of_tombstone(tombstone)?;
        if let Id::Ours(key) = &id {
            self.buried.insert(key.clone(), tombstone.revision);
            if tombstone.gone {
                self.is_gone(key);
            }
        }
        let owner = tombstone.key.as_ref().map(|key| key.owner_uid.clone());
        let removed = self.take_away(&id);
        removed.or(owner.map(Concerned::Owner))
    }

    fn is_older(&self, id: &Id, revision: i64) -> bool {
        match id {
            Id::Ours(key) => self.buried.get(key).is_some_and(|last| *last > revision),
            Id::Other(_) => false,
        }
    }

    fn revision(&self, id: &Id) -> Option<i64> {
        let machine = match id {
            Id::Ours(key) => self.ours.get(&key.owner_uid)?.get(&key.slot)?,
            Id::Other(moref) => self.others.get(moref)?,
        };
        Some(machine.revision)
    }

    /// Takes a machine out of the view, and says whom it concerned.
    fn take_away(&mut self, id: &Id) -> Option<Concerned> {
        match id {
            Id::Ours(key) => {
                let machines = self.ours.get_mut(&key.owner_uid)?;
                Concerned::by(&*machines.remove(&key.slot)?)
            }
            Id::Other(moref) => Concerned::by(&self.others.remove(moref)?),
        }
    }

    fn is_gone(&mut self, key: &MachineKey) {
        let slots = self.gone.entry(key.owner_uid.clone()).or_default();
        slots.insert(key.slot);
    }
}

// === impl OwnerView ===

impl OwnerView {
    /// The machine of this slot, if it is seen.
    pub fn machine(&self, slot: i32) -> Option<&Machine> {
        self.machines.get(&slot).map(AsRef::as_ref)
    }

    fn add_other(&mut self, machine: &Machine, owner_uid: &str, template: &str) {
        let marked = |key: &MachineKey| key.owner_uid == owner_uid;
        match machine.ownership {
            Ownership::Copy if machine.key.as_ref().is_some_and(marked) => {
                self.copies.insert(machine.name.clone());
            }
            Ownership::Companion if machine.companion_template == template => {
                self.companions.insert(machine.name.clone());
            }
            Ownership::Ours | Ownership::Copy | Ownership::Companion | Ownership::Foreign => {}
        }
    }
}

// === impl Id ===

impl Id {
    fn of(machine: &Machine) -> Option<Self> {
        match (machine.ownership, &machine.key) {
            (Ownership::Ours, Some(key)) => Some(Self::Ours(key.clone())),
            _ => Some(machine.moref.clone())
                .filter(|moref| !moref.is_empty())
                .map(Self::Other),
        }
    }

    /// A copy bears the key of the original: only the instance UUID tells them apart.
    fn of_tombstone(tombstone: &Tombstone) -> Option<Self> {
        let ours = |key: &&MachineKey| {
            let uuid = &tombstone.instance_uuid;
            uuid.is_empty() || *uuid == key.instance_uuid().to_string()
        };
        match tombstone.key.as_ref().filter(ours) {
            Some(key) => Some(Self::Ours(key.clone())),
            None => Some(tombstone.moref.clone())
                .filter(|moref| !moref.is_empty())
                .map(Self::Other),
        }
    }
}

// === impl Concerned ===

impl Concerned {
    fn by(machine: &Machine) -> Option<Self> {
        match (&machine.key, machine.companion_template.as_str()) {
            (Some(key), _) => Some(Self::Owner(key.owner_uid.clone())),
            (None, "") => None,
            (None, template) => Some(Self::Template(template.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{driver::Freshness, fixtures::machine};

    const OWNER: &str = "owner";

    fn begin(run_id: &str) -> Event {
        Event::SnapshotBegin {
            run_id: run_id.into(),
            freshness: Freshness {
                connected: true,
                fault: None,
            },
        }
    }

    fn changed(machines: Vec<Machine>) -> Event {
        Event::Changes {
            changed: machines,
            removed: vec![],
        }
    }

    fn removed(tombstone: Tombstone) -> Event {
        Event::Changes {
            changed: vec![],
            removed: vec![tombstone],
        }
    }

    fn tombstone(of: &Machine, gone: bool) -> Tombstone {
        Tombstone {
            key: of.key.clone(),
            instance_uuid: of.instance_uuid.clone(),
            moref: of.moref.clone(),
            gone,
            revision: of.revision,
        }
    }

    fn view(events: Vec<Event>) -> View {
        let mut view = View::default();
        for event in events {
            view.take(event);
        }
        view
    }

    fn slots(view: &View) -> Vec<i32> {
        let view = view.of_owner(OWNER, "clusters/pool");
        view.machines.into_keys().collect()
    }

    #[test]
    fn a_view_is_complete_only_after_a_whole_snapshot() {
        let mut view = view(vec![begin("r1")]);
        assert!(!view.is_complete());
        view.take(changed(vec![machine(1, State::Running)]));
        assert!(!view.is_complete());
        view.take(Event::SnapshotEnd);
        assert!(view.is_complete());
        view.doubt();
        assert!(!view.is_complete());
        view.resumed();
        assert!(view.is_complete());
    }

    #[test]
    fn what_a_snapshot_does_not_tell_is_forgotten_but_not_proved_gone() {
        let mut view = view(vec![
            begin("r1"),
            changed(vec![machine(1, State::Running), machine(2, State::Running)]),
            Event::SnapshotEnd,
            begin("r2"),
            changed(vec![machine(2, State::Running)]),
        ]);
        assert_eq!(slots(&view), [1, 2]);
        view.take(Event::SnapshotEnd);
        assert_eq!(slots(&view), [2]);
        assert!(view.of_owner(OWNER, "").gone.is_empty());
    }

    #[test]
    fn of_two_views_in_one_run_the_higher_revision_stays() {
        let mut newer = machine(1, State::Running);
        newer.revision = 5;
        let mut older = machine(1, State::Creating);
        older.revision = 4;
        let mut view = view(vec![begin("r1"), Event::SnapshotEnd, changed(vec![newer])]);
        assert_eq!(view.put(older.clone()), None);
        let state = |view: &View| view.of_owner(OWNER, "").machines[&1].state;
        assert_eq!(state(&view), State::Running);

        view.take(begin("r2"));
        view.take(changed(vec![older]));
        assert_eq!(state(&view), State::Creating);
    }

    #[test]
    fn only_a_proof_puts_a_slot_among_those_that_are_gone() {
        for (gone, slots) in [(true, BTreeSet::from([1])), (false, BTreeSet::new())] {
            let one = machine(1, State::Running);
            let stone = tombstone(&one, gone);
            let mut view = view(vec![begin("r1"), changed(vec![one]), Event::SnapshotEnd]);
            let concerned = view.take(removed(stone));
            assert_eq!(concerned, HashSet::from([Concerned::Owner(OWNER.into())]));
            let owner = view.of_owner(OWNER, "");
            assert_eq!((owner.machines.len(), owner.gone), (0, slots));
        }
    }

    #[test]
    fn a_copy_neither_hides_nor_buries_the_original() {
        let original = machine(1, State::Running);
        let copy = Machine {
            name: "copy".into(),
            instance_uuid: "other".into(),
            moref: "vm-99".into(),
            ownership: Ownership::Copy,
            ..original.clone()
        };
        let stone = tombstone(&copy, true);
        let mut view = view(vec![
            begin("r1"),
            changed(vec![original, copy]),
            Event::SnapshotEnd,
        ]);
        let seen = view.of_owner(OWNER, "");
        assert_eq!(seen.copies, BTreeSet::from(["copy".to_owned()]));
        view.take(removed(stone));
        let seen = view.of_owner(OWNER, "");
        assert_eq!(
            (seen.machines.len(), seen.copies.len(), seen.gone.len()),
            (1, 0, 0)
        );
    }

    #[test]
    fn the_companions_machines_concern_the_template_in_their_tag() {
        let theirs = Machine {
            key: None,
            ownership: Ownership::Companion,
            companion_template: "clusters/pool".into(),
            ..machine(1, State::Running)
        };
        let mut view = view(vec![begin("r1"), Event::SnapshotEnd]);
        let concerned = view.take(changed(vec![theirs]));
        assert_eq!(
            concerned,
            HashSet::from([Concerned::Template("clusters/pool".into())])
        );
        assert_eq!(view.of_owner(OWNER, "clusters/pool").companions.len(), 1);
        assert_eq!(view.of_owner(OWNER, "clusters/other").companions.len(), 0);
    }

    #[test]
    fn an_answer_that_comes_after_the_tombstone_brings_nothing_back() {
        let one = Machine {
            revision: 5,
            ..machine(1, State::Running)
        };
        let stone = Tombstone {
            revision: 7,
            ..tombstone(&one, true)
        };
        let mut view = view(vec![begin("r1"), changed(vec![one]), Event::SnapshotEnd]);
        view.take(removed(stone));
        let late = Machine {
            revision: 6,
            ..machine(1, State::Deleting)
        };
        assert_eq!(view.put(late.clone()), None);
        assert!(slots(&view).is_empty());
        assert_eq!(view.of_owner(OWNER, "").gone, BTreeSet::from([1]));
        // A proof carries no revision, and is one whenever it comes.
        view.put(machine(1, State::Gone));
        assert_eq!(view.of_owner(OWNER, "").gone, BTreeSet::from([1]));
        // Of another run it may be newer.
        view.take(begin("r2"));
        view.put(late);
        assert_eq!(slots(&view), [1]);
    }

    #[test]
    fn an_answer_that_knows_nothing_of_a_machine_is_no_machine() {
        let mut view = view(vec![begin("r1"), Event::SnapshotEnd]);
        assert_eq!(view.put(machine(1, State::Unknown)), None);
        assert!(slots(&view).is_empty());
    }

    #[test]
    fn a_proof_outweighs_all_that_was_told_before_it() {
        let mut view = view(vec![begin("r1"), Event::SnapshotEnd]);
        let told = |revision, state| Machine {
            revision,
            ..machine(1, state)
        };
        view.put(told(7, State::Deleting));
        view.put(told(0, State::Gone));
        assert!(view.of_owner(OWNER, "").machines.is_empty());
        // The stream is late: it still tells of the time before.
        view.put(told(6, State::Deleting));
        assert!(view.of_owner(OWNER, "").machines.is_empty());
        assert_eq!(view.of_owner(OWNER, "").gone, BTreeSet::from([1]));
    }

    #[test]
    fn a_slot_that_was_asked_for_again_is_no_longer_gone() {
        let mut view = view(vec![begin("r1"), Event::SnapshotEnd]);
        view.put(machine(1, State::Gone));
        assert_eq!(view.of_owner(OWNER, "").gone, BTreeSet::from([1]));
        view.put(machine(1, State::Creating));
        assert!(view.of_owner(OWNER, "").gone.is_empty());
    }
}
