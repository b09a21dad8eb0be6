//! What is known of one vCenter: its inventory, its machines, the work on them, and what changed.

use super::works::{Running, Works};
use crate::{
    capacity::Claim,
    changes::Changes,
    inventory::Inventory,
    machines::{
        view::{self, Seen},
        vm::{Identity, Vm},
        work::Work,
    },
    soap::MoRef,
};
use contract::{
    identity::MachineKey,
    v1::{
        Absence, ConnectionState, Fault, Freshness, Ownership, RemovalCause, Verb, VirtualMachine,
        VirtualMachineState, VirtualMachineTombstone,
    },
};
use prost_types::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};

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
    /// What changed, of all machines that are told to anybody.
    pub changes: Changes<Identity, VirtualMachineTombstone>,
    vms: HashMap<MoRef, Vm>,
    missing: HashSet<MoRef>,
    by_key: HashMap<MachineKey, MoRef>,
    by_name: HashMap<(MoRef, String), MoRef>,
    work: Works,
    absences: HashMap<MachineKey, Absence>,
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
        self.vms.get(moref)
    }

    /// All machines that vCenter shows.
    pub fn vms(&self) -> impl Iterator<Item = (&MoRef, &Vm)> {
        self.vms.iter()
    }

    /// The machine of ours with this key.
    pub fn by_key(&self, key: &MachineKey) -> Option<(&MoRef, &Vm)> {
        self.vms.get_key_value(self.by_key.get(key)?)
    }

    /// The machine of this name (decoded) in this folder.
    pub fn by_name(&self, folder: &MoRef, name: &str) -> Option<(&MoRef, &Vm)> {
        self.vms
            .get_key_value(self.by_name.get(&(folder.clone(), name.to_owned()))?)
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
        if let Some(was) = was.filter(|was| Some(was) != is.as_ref()) {
            self.bury(&was, RemovalCause::LeftFilter, None);
        }
        if let Some(is) = is.filter(|_| !same) {
            self.changes.touch(&is);
        }
    }

    /// A machine left the view. Says whether anybody is told of it, so that proof is needed.
    pub fn lose_vm(&mut self, moref: &MoRef) -> bool {
        let Some(identity) = self.vms.get(moref).and_then(|vm| identity(moref, vm)) else {
            self.forget_vm(moref);
            return false;
        };
        self.missing.insert(moref.clone());
        self.changes.touch(&identity);
        true
    }

    /// A machine was proved gone.
    pub fn remove_vm(&mut self, moref: &MoRef, absence: Absence) {
        let Some(identity) = self.vms.get(moref).and_then(|vm| identity(moref, vm)) else {
            self.forget_vm(moref);
            return;
        };
        self.bury(&identity, RemovalCause::Gone, Some(absence));
        self.forget_vm(moref);
        if let Identity::Key(key) = identity {
            if self.work.get(&key).is_some_and(|work| !work.is_running()) {
                self.work.remove(&key);
            }
            self.absences.insert(key, absence);
        }
    }

    fn forget_vm(&mut self, moref: &MoRef) {
        if let Some(vm) = self.vms.remove(moref) {
            self.unindex(moref, &vm);
        }
        self.missing.remove(moref);
    }

    fn index(&mut self, moref: &MoRef, vm: &Vm) {
        if let Some(parent) = &vm.parent {
            self.by_name
                .insert((parent.clone(), vm.name.clone()), moref.clone());
        }
        if let Some(Identity::Key(key)) = identity(moref, vm) {
            self.absences.remove(&key);
            self.by_key.insert(key, moref.clone());
        }
    }

    fn unindex(&mut self, moref: &MoRef, vm: &Vm) {
        if let Some(parent) = &vm.parent {
            let place = (parent.clone(), vm.name.clone());
            if self.by_name.get(&place) == Some(moref) {
                self.by_name.remove(&place);
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

    /// All work that goes on or was last done.
    pub fn works(&self) -> impl Iterator<Item = (&MachineKey, &Work)> {
        self.work.iter()
    }

    /// Room that a measurement of this time cannot show: what work is about to take, and has taken since.
    pub fn claims(&self, measured_at: Timestamp) -> impl Iterator<Item = &Claim> {
        let works = self.work.iter();
        works.filter_map(move |(_, work)| work.claim_since(measured_at))
    }

    /// How much work goes on.
    pub fn running(&self) -> Running {
        self.work.running()
    }

    /// Begins work on a machine, in place of what was done before.
    pub fn begin(&mut self, key: &MachineKey, work: Work) {
        if work.verb() == Verb::Create {
            // From now on there may be one again.
            self.absences.remove(key);
        }
        self.work.put(key, work);
        self.changes.touch(&Identity::Key(key.clone()));
    }

    /// Changes the work on a machine, if there is any.
    pub fn change_work(&mut self, key: &MachineKey, change: impl FnOnce(&mut Work)) {
        if self.work.change(key, change) {
            self.changes.touch(&Identity::Key(key.clone()));
        }
    }

    /// Changes the work on a machine at its end. Of one that was proved gone meanwhile nothing is left to
    /// be told.
    pub fn finish(&mut self, key: &MachineKey, change: impl FnOnce(&mut Work)) {
        match self.absence(key) {
            // Its end was told when it was proved.
            Some(_) if !self.by_key.contains_key(key) => {
                self.work.remove(key);
            }
            _ => self.change_work(key, change),
        }
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
        if let Some(absence) = absence {
            self.absences.insert(key.clone(), absence);
        }
    }

    /// How it is known that the machine of this key is gone, if this run saw it go.
    pub fn absence(&self, key: &MachineKey) -> Option<Absence> {
        self.absences.get(key).copied()
    }

    // --- What is told ---

    /// The present state of a machine; nothing when there is none.
    pub fn machine(&self, identity: &Identity) -> Option<VirtualMachine> {
        let mut machine = match identity {
            Identity::Moref(moref) => self.with_seen(moref, view::of_vm)?,
            Identity::Key(key) => {
                let work = self.work.get(key);
                match self.by_key.get(key) {
                    Some(moref) => {
                        self.with_seen(moref, |seen| view::keyed(key, Some(seen), work))?
                    }
                    // Work that outlives its machine is nothing to be told: the slot would come back.
                    None if self.absences.contains_key(key) => return None,
                    None => view::keyed(key, None, Some(work?)),
                }
            }
        };
        machine.revision = self.revision(identity);
        Some(machine)
    }

    /// Number of the last change that was told of a machine, its end included.
    pub fn revision(&self, identity: &Identity) -> i64 {
        i64::try_from(self.changes.revision(identity)).unwrap_or(i64::MAX)
    }

    /// A machine of any ownership, for a reply that shows what is in the way.
    pub fn obstacle(&self, moref: &MoRef) -> Option<VirtualMachine> {
        self.with_seen(moref, view::of_vm)
    }

    /// The identities of all machines that are told, in no order.
    pub fn identities(&self) -> impl Iterator<Item = Identity> {
        let unmade = self
            .work
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !self.by_key.contains_key(key));
        let unmade = unmade.map(|key| Identity::Key(key.clone()));
        self.vms
            .iter()
            .filter_map(|(moref, vm)| identity(moref, vm))
            .chain(unmade)
    }

    /// Where an object is in the inventory, if it is in sight.
    pub fn path(&self, object: &MoRef) -> Option<String> {
        if let Some(vm) = self.vms.get(object) {
            let folder = vm.parent.as_ref().map(|folder| self.inventory.path(folder));
            return Some(format!("{}/{}", folder.unwrap_or_default(), vm.name));
        }
        let is_seen = self.inventory.get(object).is_some();
        is_seen.then(|| self.inventory.path(object))
    }

    /// How many machines are told, by state.
    pub fn count_by_state(&self) -> BTreeMap<VirtualMachineState, usize> {
        let mut count = BTreeMap::new();
        for identity in self.identities() {
            let (moref, work) = match &identity {
                Identity::Moref(moref) => (Some(moref), None),
                Identity::Key(key) => (self.by_key.get(key), self.work.get(key)),
            };
            let seen = moref.and_then(|moref| self.seen(moref, ""));
            *count.entry(view::state_of(seen, work)).or_default() += 1;
        }
        count
    }

    fn seen<'a>(&'a self, moref: &'a MoRef, folder: &'a str) -> Option<Seen<'a>> {
        Some(Seen {
            moref,
            vm: self.vms.get(moref)?,
            folder,
            missing: self.missing.contains(moref),
        })
    }

    fn with_seen<T>(&self, moref: &MoRef, tell: impl FnOnce(Seen<'_>) -> T) -> Option<T> {
        let vm = self.vms.get(moref)?;
        let folder = vm.parent.as_ref().map(|folder| self.inventory.path(folder));
        let folder = folder.as_deref().unwrap_or_default();
        self.seen(moref, folder).map(tell)
    }

    fn bury(&mut self, identity: &Identity, cause: RemovalCause, absence: Option<Absence>) {
        let told = self.machine(identity).unwrap_or_default();
        let VirtualMachine {
            key,
            name,
            instance_uuid,
            moref,
            ..
        } = told;
        self.changes
            .bury(identity, |number| VirtualMachineTombstone {
                key,
                name,
                instance_uuid,
                moref,
                cause: cause.into(),
                absence,
                revision: i64::try_from(number).unwrap_or(i64::MAX),
            });
    }
}

/// Under which name changes of a machine are told; nothing for foreign ones, which are not.
fn identity(moref: &MoRef, vm: &Vm) -> Option<Identity> {
    match vm.ownership() {
        (Ownership::Ours, mark) => mark.map(|mark| Identity::Key(mark.key)),
        (Ownership::Copy | Ownership::Companion, _) => Some(Identity::Moref(moref.clone())),
        (Ownership::Foreign | Ownership::Unspecified, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::{
        vm::fixtures::{key, ours},
        work::fixtures::queued,
    };
    use contract::v1::PowerState;

    fn moref() -> MoRef {
        MoRef::new("VirtualMachine", "vm-1")
    }

    fn with_machine() -> State {
        let mut state = State::default();
        state.change_vm(&moref(), |vm| *vm = ours(1, "h"));
        state
    }

    #[test]
    fn a_change_is_told_once_and_the_same_again_is_not() {
        let mut state = with_machine();
        let first = state.changes.last();
        state.change_vm(&moref(), |vm| vm.power = PowerState::Off);
        assert_eq!(state.changes.last(), first);
        state.change_vm(&moref(), |vm| vm.power = PowerState::On);
        let machine = state.machine(&Identity::Key(key(1))).expect("there");
        assert_eq!(
            (machine.power_state(), machine.revision),
            (PowerState::On, 2)
        );
    }

    #[test]
    fn a_machine_is_found_by_key_and_by_name_until_it_is_renamed_or_gone() {
        let mut state = with_machine();
        let folder = MoRef::new("Folder", "group-v3");
        assert!(state.by_name(&folder, "pool-n01").is_some());
        state.change_vm(&moref(), |vm| vm.name = "other".into());
        assert!(state.by_name(&folder, "pool-n01").is_none());
        assert!(state.by_key(&key(1)).is_some());
        state.remove_vm(&moref(), Absence::default());
        assert!(state.by_name(&folder, "other").is_none());
        assert!(state.by_key(&key(1)).is_none());
        assert_eq!(state.absence(&key(1)), Some(Absence::default()));
    }

    #[test]
    fn a_machine_whose_mark_is_taken_off_leaves_the_watch_and_stays_in_the_inventory() {
        let mut state = with_machine();
        state.change_vm(&moref(), |vm| vm.mark = None);
        assert!(state.machine(&Identity::Key(key(1))).is_none());
        assert!(state.vm(&moref()).is_some());
        let changes = state.changes.since(1, 9).expect("known");
        assert!(matches!(
            &changes[..],
            [(_, crate::changes::Change::Gone(t))] if t.cause() == RemovalCause::LeftFilter
        ));
    }

    #[test]
    fn work_that_ends_after_its_machine_is_gone_leaves_nothing_to_be_told() {
        let mut state = with_machine();
        state.begin(&key(1), queued(Verb::PowerOn));
        state.remove_vm(&moref(), Absence::default());
        let fault = Fault::default();
        state.finish(&key(1), |work| work.fail(fault, Timestamp::default()));
        assert!(state.machine(&Identity::Key(key(1))).is_none());
        let last = state
            .changes
            .since(state.changes.last() - 1, 9)
            .expect("known");
        assert!(matches!(
            &last[..],
            [(_, crate::changes::Change::Gone(t))] if t.cause() == RemovalCause::Gone
        ));
    }

    #[test]
    fn a_create_ends_what_was_known_of_an_absence() {
        let mut state = with_machine();
        state.remove_vm(&moref(), Absence::default());
        state.begin(&key(1), queued(Verb::Create));
        assert_eq!(state.absence(&key(1)), None);
        state.finish(&key(1), |work| {
            work.fail(Fault::default(), Timestamp::default());
        });
        assert!(state.machine(&Identity::Key(key(1))).is_some());
    }

    #[test]
    fn losing_sight_of_a_machine_is_not_its_end() {
        let mut state = with_machine();
        assert!(state.lose_vm(&moref()));
        assert!(state.is_missing(&moref()));
        assert!(state.absence(&key(1)).is_none());
        state.change_vm(&moref(), |_| {});
        assert!(!state.is_missing(&moref()));
    }
}
