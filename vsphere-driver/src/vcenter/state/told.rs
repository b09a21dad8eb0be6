//! What is told of the machines.

use super::State;
use crate::{
    machines::{
        view::{self, Seen},
        vm::{Identity, Vm},
    },
    soap::MoRef,
};
use contract::v1::{
    Absence, Ownership, RemovalCause, VirtualMachine, VirtualMachineState, VirtualMachineTombstone,
};
use std::collections::BTreeMap;

impl State {
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
        self.add_handover(identity, &mut machine);
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
            // Work that outlives its machine is nothing to be told, as above.
            .filter(|key| !self.by_key.contains_key(key) && !self.absences.contains_key(key));
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

    /// Tells that a machine is not known as this any more, by what it was until then.
    pub(super) fn leave(&mut self, identity: &Identity, moref: &MoRef, before: &Vm) {
        let key = match identity {
            Identity::Key(key) => Some(view::wire_key(key)),
            Identity::Moref(_) => before.mark().map(|mark| view::wire_key(&mark.key)),
        };
        let uuid = before.instance_uuid.map(|uuid| uuid.to_string());
        self.changes
            .bury(identity, |number| VirtualMachineTombstone {
                key,
                name: before.name.clone(),
                instance_uuid: uuid.unwrap_or_default(),
                moref: moref.id.to_string(),
                cause: RemovalCause::LeftFilter.into(),
                absence: None,
                revision: i64::try_from(number).unwrap_or(i64::MAX),
            });
    }

    pub(super) fn bury(
        &mut self,
        identity: &Identity,
        cause: RemovalCause,
        absence: Option<Absence>,
    ) {
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
pub(super) fn identity(moref: &MoRef, vm: &Vm) -> Option<Identity> {
    match vm.ownership() {
        (Ownership::Ours, mark) => mark.map(|mark| Identity::Key(mark.key)),
        (Ownership::Copy | Ownership::Companion, _) => Some(Identity::Moref(moref.clone())),
        (Ownership::Foreign | Ownership::Unspecified, _) => None,
    }
}
