//! What a watch has told of one vCenter's machines. Pure.

mod id;
mod owner;
#[cfg(test)]
mod tests;

pub use owner::OwnerView;

use crate::driver::{Event, Machine, State, Tombstone};
use contract::identity::MachineKey;
use id::Id;
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
        let others = self.ours.iter().filter(|(uid, _)| *uid != owner_uid);
        // All machines of one owner bear the same name of it.
        let bears = |machine: &Arc<Machine>| machine.owner == template;
        for (_, machines) in others.filter(|(_, all)| all.values().next().is_some_and(bears)) {
            for machine in machines.values() {
                view.add_adoptable(machine);
            }
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
