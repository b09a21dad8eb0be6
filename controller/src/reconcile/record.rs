//! What the status remembers of machines: every slot that was given out and is not proved empty. Pure.

use crate::{
    agents::identity::{Identity, Matches},
    crd::{BINDING_LABEL, VMwareNodePoolTemplateStatus, VmStatus},
    driver::{Machine, MachineRef, Ownership, Power},
    kinds::agent::Agent,
    leaving::{course::GONE, ties::Ties},
    link::OwnerView,
};
use contract::identity::{MachineKey, machine_name, serial_number};
use std::collections::{BTreeMap, BTreeSet};

/// The phase of a machine that was chosen to go. It stays so until the machine is proved gone.
pub(super) const DELETING: &str = "Deleting";
/// The phase of a machine that was never seen.
pub(super) const PENDING: &str = "Pending";

/// Which machines there are or may be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// The next slot to give out, if one ever was.
    pub(crate) next_slot: Option<i32>,
    /// By slot.
    pub(crate) entries: BTreeMap<i32, VmStatus>,
    /// Machines that the companion has listed and we know nothing of.
    pub(crate) foreign: Vec<VmStatus>,
}

/// What names new machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Naming<'a> {
    pub(crate) hub_id: &'a str,
    pub(crate) owner_uid: &'a str,
    pub(crate) prefix: &'a str,
    /// Where they will be asked for.
    pub(crate) folder: &'a str,
}

// === impl Record ===

impl Record {
    /// What the status remembers.
    pub(super) fn of(status: &VMwareNodePoolTemplateStatus) -> Self {
        let (ours, foreign): (Vec<_>, Vec<_>) = status
            .vm_status
            .iter()
            .cloned()
            .partition(|entry| entry.slot.is_some());
        let entries = ours
            .into_iter()
            .filter_map(|entry| Some((entry.slot?, entry)));
        Self {
            next_slot: status.next_slot,
            entries: entries.collect(),
            foreign,
        }
    }

    /// Keeps, without their machines, those that are proved gone and whose Agent is still to go.
    pub(super) fn bury(&mut self, view: &OwnerView, keeps: impl Fn(i32, &VmStatus) -> bool) {
        let gone = |slot: &i32| view.gone.contains(slot) && !view.machines.contains_key(slot);
        for (slot, entry) in self.entries.iter_mut().filter(|(slot, _)| gone(slot)) {
            if keeps(*slot, entry) {
                entry.phase = DELETING.into();
                entry.leaving = GONE.into();
                entry.moref.clear();
                entry.power_state.clear();
                entry.folder.clear();
            }
        }
    }

    /// Takes in what is seen: machines that it does not know, and proofs that others are gone.
    #[cfg(test)]
    pub(crate) fn merge(&mut self, view: &OwnerView) {
        self.take_in(view);
        self.forget_gone(view);
    }

    /// Takes in machines that it does not know, and what is new of the others.
    pub(super) fn take_in(&mut self, view: &OwnerView) {
        for (slot, machine) in &view.machines {
            let entry = self.entries.entry(*slot).or_default();
            entry.slot = Some(*slot);
            entry.see(machine);
            // Somebody has brought it back. It is to go once more only if it was meant to.
            if machine.exists() && entry.leaving == GONE {
                entry.leaving.clear();
                if entry.leaving_reason.is_empty() {
                    entry.phase.clear();
                }
            }
        }
        self.hand_over(view);
        let highest = self.entries.keys().next_back().copied();
        let seen = highest.map(|slot| slot.saturating_add(1));
        self.next_slot = self.next_slot.max(seen);
    }

    /// Machines that were adopted did what they were made for before: one that is off was switched off, and is
    /// left so.
    pub(super) fn adopt(&mut self, status: &VMwareNodePoolTemplateStatus) {
        let adopted = status.adoption.iter().flat_map(|it| &it.plan);
        for line in adopted {
            let mut entries = self.entries.values_mut();
            if let Some(entry) = entries.find(|entry| entry.moref == line.moref) {
                entry.powered_on_once = true;
            }
        }
    }

    /// Lists machines that are the companion's again as it does, without a number, and those that are ours
    /// now no more than once.
    fn hand_over(&mut self, view: &OwnerView) {
        let theirs = |entry: &VmStatus| {
            let machine = view.adoptable.get(&entry.moref);
            machine.is_some_and(|it| it.ownership == Ownership::Companion)
        };
        let back: Vec<_> = self
            .entries
            .values()
            .filter(|it| theirs(it))
            .cloned()
            .collect();
        self.entries.retain(|_, entry| !theirs(entry));
        self.foreign.extend(back.into_iter().map(|entry| VmStatus {
            slot: None,
            instance_uuid: String::new(),
            moref: String::new(),
            powered_on_once: false,
            message: String::new(),
            ..entry
        }));
        let ours = |listed: &VmStatus| {
            let mut entries = self.entries.values();
            entries.any(|entry| entry.name == listed.name && !entry.moref.is_empty())
        };
        self.foreign.retain(|listed| !ours(listed));
    }

    /// What sets each machine apart, for its Agent to be found.
    pub(super) fn identities(&self, view: &OwnerView) -> BTreeMap<i32, Identity> {
        let identity = |(slot, entry): (&i32, &VmStatus)| {
            let machine = view.machines.get(slot);
            let identity = Identity {
                bios_uuid: entry.uuid.parse().ok()?,
                macs: machine
                    .map(|it| it.mac_addresses.clone())
                    .unwrap_or_default(),
                agent_name: entry.agent_name.clone(),
            };
            Some((*slot, identity))
        };
        self.entries.iter().filter_map(identity).collect()
    }

    /// Takes in which Agents are the hosts in the machines.
    pub(super) fn meet(&mut self, matches: &Matches) {
        for (slot, agent) in &matches.same {
            if let Some(entry) = self.entries.get_mut(slot) {
                entry.agent_name.clone_from(&agent.meta.name);
                // The label outlives a status that was lost, and tells what the companion has seen.
                entry.was_bound |= agent.is_bound() || is_marked_as_bound(agent);
            }
        }
    }

    /// Forgets those that are proved gone, but for those that wait for their Agents.
    pub(super) fn forget_gone(&mut self, view: &OwnerView) {
        let gone = |slot: &i32| view.gone.contains(slot) && !view.machines.contains_key(slot);
        self.entries
            .retain(|slot, entry| !gone(slot) || entry.leaving == GONE);
    }

    /// Remembers of each machine what it will be asked for when nobody tells it any more.
    pub(super) fn remember(&mut self, ties: &Ties) {
        for (slot, entry) in &mut self.entries {
            if let Some(agent) = ties.agents.get(slot) {
                entry.agent_name.clone_from(&agent.name);
                entry.was_bound |= agent.cluster.is_some();
            }
        }
    }

    /// Whether slots were chosen to go of which the status does not say so. Until it does, a controller
    /// that starts anew would take what we switch off for something that happens from outside.
    pub(super) fn leaves_more_than(&self, status: &VMwareNodePoolTemplateStatus) -> bool {
        let leaves = |entry: &&VmStatus| entry.leaves();
        let stage = |entry: &VmStatus| (entry.slot, entry.phase == DELETING);
        let entries = status.vm_status.iter();
        let said: BTreeSet<_> = entries.filter(leaves).map(stage).collect();
        let mut entries = self.entries.values();
        entries.any(|entry| leaves(&entry) && !said.contains(&stage(entry)))
    }

    /// Whether the machine of this slot leaves.
    pub(super) fn leaves(&self, slot: i32) -> bool {
        self.entries.get(&slot).is_some_and(VmStatus::leaves)
    }

    /// Gives out slots that were never given out before.
    pub(crate) fn give_out(&mut self, count: usize, naming: &Naming<'_>) {
        for _ in 0..count {
            let slot = self.next_slot.unwrap_or(1);
            self.next_slot = Some(slot.saturating_add(1));
            self.entries.insert(slot, naming.entry(slot));
        }
    }

    /// The slot as a machine to be removed, with all that helps to prove that it is gone.
    pub(super) fn machine_ref(&self, slot: i32, hub_id: &str, owner_uid: &str) -> MachineRef {
        let entry = self.entries.get(&slot);
        let part = |of: fn(&VmStatus) -> &String| entry.map(of).cloned().unwrap_or_default();
        MachineRef {
            key: MachineKey {
                hub_id: hub_id.into(),
                owner_uid: owner_uid.into(),
                slot,
            },
            moref: part(|entry| &entry.moref),
            folder: part(|entry| &entry.folder),
        }
    }
}

// === impl VmStatus ===

impl VmStatus {
    /// It was chosen to go, or is on its way out.
    fn leaves(&self) -> bool {
        self.phase == DELETING || !self.leaving.is_empty()
    }

    /// It does not leave, or not any more.
    pub(super) fn stay(&mut self) {
        self.leaving.clear();
        self.leaving_reason.clear();
    }

    /// Takes in what is seen of the machine, but for phase and message.
    fn see(&mut self, machine: &Machine) {
        let take = |into: &mut String, seen: &String| {
            if !seen.is_empty() {
                into.clone_from(seen);
            }
        };
        take(&mut self.name, &machine.name);
        take(&mut self.uuid, &machine.bios_uuid);
        take(&mut self.instance_uuid, &machine.instance_uuid);
        take(&mut self.serial_number, &machine.serial_number);
        take(&mut self.moref, &machine.moref);
        if machine.exists() {
            self.folder.clear();
        }
        if let Some(power) = machine.power {
            self.power_state = power_word(power).into();
            self.powered_on_once |= power == Power::On;
        }
    }
}

/// Whether its label says that it belonged to a cluster before.
fn is_marked_as_bound(agent: &Agent) -> bool {
    let mark = agent.meta.labels.get(BINDING_LABEL);
    mark.is_some_and(|pool| !pool.is_empty())
}

// === impl Naming ===

impl Naming<'_> {
    fn entry(&self, slot: i32) -> VmStatus {
        let key = MachineKey {
            hub_id: self.hub_id.into(),
            owner_uid: self.owner_uid.into(),
            slot,
        };
        VmStatus {
            name: machine_name(self.prefix, slot),
            slot: Some(slot),
            uuid: key.bios_uuid().to_string(),
            instance_uuid: key.instance_uuid().to_string(),
            serial_number: serial_number(key.bios_uuid()),
            phase: PENDING.into(),
            folder: self.folder.into(),
            ..VmStatus::default()
        }
    }
}

fn power_word(power: Power) -> &'static str {
    match power {
        Power::On => "poweredOn",
        Power::Off => "poweredOff",
        Power::Suspended => "suspended",
    }
}

#[cfg(test)]
mod tests;
