//! What is known of one vCenter: its inventory, its machines, the work on them, and what changed.

mod handovers;
mod told;

use super::{
    absences::Absences,
    works::{Running, Works},
};
use crate::{
    capacity::Claim,
    changes::Changes,
    inventory::Inventory,
    iso::wishes::Isos,
    machines::{
        vm::{Identity, Vm},
        work::{JobId, Work},
    },
    soap::MoRef,
};
use contract::{
    identity::MachineKey,
    v1::{Absence, ConnectionState, Fault, Freshness, RemovalCause, Verb, VirtualMachineTombstone},
};
use prost_types::Timestamp;
use std::collections::{HashMap, HashSet};
use told::identity;

/// What is known of one vCenter.
#[derive(Debug, Default)]
pub struct State {
    /// Everything but the machines.
    pub inventory: Inventory,
    /// How fresh all of it is.
    pub freshness: Freshness,
    /// How often the inventory was read whole.
    pub syncs: u64,
    /// The list view of tasks, while there is one.
    pub tasks_view: Option<MoRef>,
    /// ISOs that are wanted, and what lies on datastores.
    pub isos: Isos,
    /// What changed, of all machines that are told to anybody.
    pub changes: Changes<Identity, VirtualMachineTombstone>,
    // Boxed: a table is up to twice as large as what is in it.
    vms: HashMap<MoRef, Box<Vm>>,
    /// Out of sight, and not proved gone.
    missing: HashSet<MoRef>,
    /// Those that somebody looks for.
    looked_for: HashSet<MoRef>,
    by_key: HashMap<MachineKey, MoRef>,
    /// By folder, then by name.
    by_name: HashMap<MoRef, HashMap<String, MoRef>>,
    work: Works<MachineKey>,
    handovers: Works<MoRef>,
    /// Keys that machines are about to get.
    promised: HashMap<MachineKey, MoRef>,
    absences: Absences,
}

impl State {
    // --- Connection ---

    /// Whether the inventory is complete and live.
    pub fn is_connected(&self) -> bool {
        self.freshness.connection_state() == ConnectionState::Connected
    }

    /// Notes how the connection is.
    pub fn set_connection(&mut self, state: ConnectionState, fault: Option<Fault>) {
        self.freshness.connection_state = state.into();
        self.freshness.fault = fault;
    }

    /// Notes that vCenter confirmed the inventory.
    pub fn set_synced(&mut self, at: Timestamp) {
        self.freshness.synced_at = Some(at);
    }

    // --- Machines as vCenter shows them ---

    /// A machine that vCenter shows.
    pub fn vm(&self, moref: &MoRef) -> Option<&Vm> {
        self.vms.get(moref).map(AsRef::as_ref)
    }

    /// All machines that vCenter shows.
    pub fn vms(&self) -> impl Iterator<Item = (&MoRef, &Vm)> {
        self.vms.iter().map(|(moref, vm)| (moref, vm.as_ref()))
    }

    /// The machine of ours with this key.
    pub fn by_key(&self, key: &MachineKey) -> Option<(&MoRef, &Vm)> {
        self.at(self.by_key.get(key)?)
    }

    /// The machine of this name (decoded) in this folder.
    pub fn by_name(&self, folder: &MoRef, name: &str) -> Option<(&MoRef, &Vm)> {
        self.at(self.by_name.get(folder)?.get(name)?)
    }

    fn at(&self, moref: &MoRef) -> Option<(&MoRef, &Vm)> {
        let (moref, vm) = self.vms.get_key_value(moref)?;
        Some((moref, vm))
    }

    /// Whether a machine has this key, as far as it is in sight.
    pub fn has_key(&self, moref: &MoRef, key: &MachineKey) -> bool {
        let vm = self.vms.get(moref);
        vm.is_none_or(|vm| identity(moref, vm).is_some_and(|it| it == Identity::Key(key.clone())))
    }

    /// Whether the machine left the view without having been proved gone.
    pub fn is_missing(&self, moref: &MoRef) -> bool {
        self.missing.contains(moref)
    }

    /// Changes what is known of a machine, which may be new.
    pub fn change_vm(&mut self, moref: &MoRef, change: impl FnOnce(&mut Vm)) {
        let before = self.vms.remove(moref);
        let was = before.as_ref().and_then(|vm| identity(moref, vm));
        let returned = self.missing.remove(moref);
        let mut vm = before.clone().unwrap_or_default();
        change(&mut vm);
        if let Some(before) = &before {
            self.unindex(moref, before);
        }
        self.index(moref, &vm);
        let is = identity(moref, &vm);
        let same = !returned && before.as_ref() == Some(&vm);
        self.vms.insert(moref.clone(), vm);
        let left = was.filter(|was| Some(was) != is.as_ref());
        // First what it is, then what it is no more: whoever watches never sees it nowhere.
        if let Some(is) = is.filter(|_| !same) {
            self.changes.touch(&is);
        }
        if let (Some(was), Some(before)) = (left, before)
            && !self.is_anothers(&was, moref)
        {
            self.leave(&was, moref, &before);
            self.forget_work(&was);
        }
    }

    /// A machine left the view. Says whether somebody must find out what became of it: it is told of, and
    /// nobody does so yet.
    pub fn lose_vm(&mut self, moref: &MoRef) -> bool {
        let Some(identity) = self.told_as(moref) else {
            self.forget_vm(moref);
            return false;
        };
        if self.missing.insert(moref.clone()) {
            self.changes.touch(&identity);
        }
        self.looked_for.insert(moref.clone())
    }

    /// Whether a machine is still to be looked for. If not, nobody does any more.
    pub fn is_looked_for(&mut self, moref: &MoRef) -> bool {
        let is_missing = self.is_missing(moref);
        if !is_missing {
            self.looked_for.remove(moref);
        }
        is_missing
    }

    /// A machine was proved gone.
    pub fn remove_vm(&mut self, moref: &MoRef, absence: Absence) {
        let Some(identity) = self.told_as(moref) else {
            self.forget_vm(moref);
            return;
        };
        self.bury(&identity, RemovalCause::Gone, Some(absence));
        self.forget_vm(moref);
        self.forget_work(&identity);
        if let Identity::Key(key) = identity {
            self.absences.put(&key, absence);
        }
    }

    /// Under which name changes of a machine are told, if they are.
    fn told_as(&self, moref: &MoRef) -> Option<Identity> {
        let identity = identity(moref, self.vms.get(moref)?)?;
        (!self.is_anothers(&identity, moref)).then_some(identity)
    }

    /// Whether the machine of this name is another one by now. A host that is taken out of vCenter and put in
    /// again brings the same machines under new references; what becomes of the old ones is not theirs.
    fn is_anothers(&self, identity: &Identity, moref: &MoRef) -> bool {
        match identity {
            Identity::Key(key) => self.by_key.get(key).is_some_and(|it| it != moref),
            Identity::Moref(_) => false,
        }
    }

    /// What was done to a machine is not told of it under a name that it has no more.
    fn forget_work(&mut self, identity: &Identity) {
        if let Identity::Key(key) = identity
            && self.work.get(key).is_some_and(|work| !work.is_running())
        {
            self.work.remove(key);
        }
    }

    fn forget_vm(&mut self, moref: &MoRef) {
        if let Some(vm) = self.vms.remove(moref) {
            self.unindex(moref, &vm);
        }
        self.missing.remove(moref);
        self.handovers.remove(moref);
    }

    fn index(&mut self, moref: &MoRef, vm: &Vm) {
        if let Some(parent) = &vm.parent {
            let names = self.by_name.entry(parent.clone()).or_default();
            names.insert(vm.name.clone(), moref.clone());
        }
        if let Some(Identity::Key(key)) = identity(moref, vm) {
            self.absences.remove(&key);
            self.by_key.insert(key, moref.clone());
        }
    }

    fn unindex(&mut self, moref: &MoRef, vm: &Vm) {
        if let Some(parent) = &vm.parent
            && let Some(names) = self.by_name.get_mut(parent)
            && names.get(&vm.name) == Some(moref)
        {
            names.remove(&vm.name);
            if names.is_empty() {
                self.by_name.remove(parent);
            }
        }
        if let Some(Identity::Key(key)) = identity(moref, vm)
            && self.by_key.get(&key) == Some(moref)
        {
            self.by_key.remove(&key);
        }
    }

    // --- Work ---

    /// What is done, or was last done, to a machine.
    pub fn work(&self, key: &MachineKey) -> Option<&Work> {
        self.work.get(key)
    }

    /// All work on machines of ours that goes on or was last done.
    pub fn works(&self) -> impl Iterator<Item = (&MachineKey, &Work)> {
        self.work.iter()
    }

    /// Room that a measurement of this time cannot show: what work is about to take, and has taken since.
    pub fn claims(&self, measured_at: Timestamp) -> impl Iterator<Item = &Claim> {
        let works = self.work.iter();
        works.filter_map(move |(_, work)| work.claim_since(measured_at))
    }

    /// All work that goes on, of any kind.
    pub fn all_running(&self) -> impl Iterator<Item = &Work> {
        let handovers = self.handovers.iter().map(|(_, work)| work);
        let works = self.work.iter().map(|(_, work)| work);
        works.chain(handovers).filter(|work| work.is_running())
    }

    /// How much work goes on.
    pub fn running(&self) -> Running {
        self.work.running() + self.handovers.running()
    }

    /// Begins work on a machine, in place of what was done before.
    pub fn begin(&mut self, key: &MachineKey, work: Work) {
        if work.verb() == Verb::Create {
            // From now on there may be one again.
            self.absences.remove(key);
        }
        if let Some(moref) = self.by_key.get(key) {
            // What is told of a machine is the last that was done to it.
            self.handovers.remove(moref);
        }
        self.work.put(key, work);
        self.changes.touch(&Identity::Key(key.clone()));
    }

    /// Changes what a job does to a machine; says whether it still is what is done to it.
    pub fn change_work(
        &mut self,
        key: &MachineKey,
        job: JobId,
        change: impl FnOnce(&mut Work),
    ) -> bool {
        let is_its = self.is_done_by(key, job) && self.work.change(key, change);
        if is_its {
            self.changes.touch(&Identity::Key(key.clone()));
        }
        is_its
    }

    /// Changes what a job does to a machine at its end. Of one that was proved gone meanwhile nothing is
    /// left to be told.
    pub fn finish(&mut self, key: &MachineKey, job: JobId, change: impl FnOnce(&mut Work)) {
        match self.absence(key) {
            // Its end was told when it was proved.
            Some(_) if !self.by_key.contains_key(key) => {
                if self.is_done_by(key, job) {
                    self.work.remove(key);
                }
            }
            _ => {
                self.change_work(key, job, change);
            }
        }
    }

    /// Forgets what a job would have done.
    pub fn withdraw(&mut self, key: &MachineKey, job: JobId) {
        if self.is_done_by(key, job) {
            self.end(key, RemovalCause::Withdrawn, None);
        }
    }

    /// Notes whether a removal waits for the end of what is done to a machine.
    pub fn follow_by_removal(&mut self, key: &MachineKey, is_followed: bool) {
        self.work
            .change(key, |work| work.is_followed_by_removal = is_followed);
    }

    fn is_done_by(&self, key: &MachineKey, job: JobId) -> bool {
        self.work.get(key).is_some_and(|work| work.job == job)
    }

    /// Forgets the work on a machine that is gone or was never made.
    pub fn end(&mut self, key: &MachineKey, cause: RemovalCause, absence: Option<Absence>) {
        let identity = Identity::Key(key.clone());
        // One that was proved gone before was told of then, with all of its names.
        let told = self.changes.revision(&identity) > 0 && self.absence(key).is_none();
        if told && !self.by_key.contains_key(key) && self.work.get(key).is_some() {
            self.bury(&identity, cause, absence);
        }
        self.work.remove(key);
        if let Some(absence) = absence.filter(|_| !self.by_key.contains_key(key)) {
            self.absences.put(key, absence);
        }
    }

    /// How it is known that the machine of this key is gone, if this run saw it go.
    pub fn absence(&self, key: &MachineKey) -> Option<Absence> {
        self.absences.get(key)
    }
}

#[cfg(test)]
mod tests;
