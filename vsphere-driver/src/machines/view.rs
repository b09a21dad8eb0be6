//! What is told of a machine: one message from what vCenter shows and what is being done.

use super::{
    vm::{Devices, Vm},
    work::{Work, is_conflict},
};
use crate::soap::MoRef;
use contract::{
    identity::{MachineKey, serial_number},
    v1::{
        Fault, Owner, Ownership, PowerState, Reason, Verb, VirtualMachine, VirtualMachineKey,
        VirtualMachineState as State,
    },
};

/// A machine that vCenter shows.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its managed object reference.
    pub moref: &'a MoRef,
    /// What is known of it.
    pub vm: &'a Vm,
    /// Its folder, as an inventory path.
    pub folder: &'a str,
    /// It left the view, and whether it still exists is not known.
    pub missing: bool,
}

/// The message for a machine with this key, that is there or has work to do.
pub fn keyed(key: &MachineKey, seen: Option<Seen<'_>>, work: Option<&Work>) -> VirtualMachine {
    let mut machine = match (seen, work) {
        (Some(seen), _) => of_vm(seen),
        (None, Some(work)) => planned(key, &work.owner, &work.name, &work.folder, &work.spec_hash),
        (None, None) => planned(key, &Owner::default(), "", "", ""),
    };
    let (state, fault) = state(seen, work);
    machine.state = state.into();
    machine.fault = fault;
    machine.operation = work.map(|work| work.operation.clone());
    machine
}

/// The message for a machine that is told by its moref: a copy, the companion's, or an obstacle.
pub fn of_vm(seen: Seen<'_>) -> VirtualMachine {
    let Seen {
        moref,
        vm,
        folder,
        missing: _,
    } = seen;
    let (ownership, mark) = vm.ownership();
    let (state, fault) = state(Some(seen), None);
    let Devices {
        mac_addresses,
        mounted_iso,
    } = vm.devices.as_deref().cloned().unwrap_or_default();
    let mark = mark.as_ref();
    VirtualMachine {
        name: vm.name.clone(),
        key: mark.map(|mark| wire_key(&mark.key)),
        owner: mark.map(|mark| mark.owner.clone()),
        instance_uuid: vm
            .instance_uuid
            .map(|uuid| uuid.to_string())
            .unwrap_or_default(),
        bios_uuid: vm
            .bios_uuid
            .map(|uuid| uuid.to_string())
            .unwrap_or_default(),
        serial_number: vm.bios_uuid.map(serial_number).unwrap_or_default(),
        moref: moref.id.to_string(),
        folder: folder.to_owned(),
        ownership: ownership.into(),
        state: state.into(),
        power_state: vm.power.into(),
        operation: None,
        fault,
        spec_hash: mark.map(|mark| mark.spec_hash.clone()).unwrap_or_default(),
        mac_addresses,
        mounted_iso,
        companion_template: vm.companion.clone(),
        mark_revision: mark.map(|mark| mark.revision).unwrap_or_default(),
        absence: None,
        revision: 0,
    }
}

/// The message for a machine of ours that is not there yet, with the UUIDs that it will have.
pub fn planned(
    key: &MachineKey,
    owner: &Owner,
    name: &str,
    folder: &str,
    spec_hash: &str,
) -> VirtualMachine {
    VirtualMachine {
        name: name.to_owned(),
        key: Some(wire_key(key)),
        owner: Some(owner.clone()),
        instance_uuid: key.instance_uuid().to_string(),
        bios_uuid: key.bios_uuid().to_string(),
        serial_number: serial_number(key.bios_uuid()),
        folder: folder.to_owned(),
        ownership: Ownership::Ours.into(),
        state: State::Creating.into(),
        spec_hash: spec_hash.to_owned(),
        ..VirtualMachine::default()
    }
}

/// The key as a message carries it.
pub fn wire_key(key: &MachineKey) -> VirtualMachineKey {
    let MachineKey {
        hub_id,
        owner_uid,
        slot,
    } = key.clone();
    VirtualMachineKey {
        hub_id,
        owner_uid,
        slot,
    }
}

/// What a machine is doing.
pub fn state_of(seen: Option<Seen<'_>>, work: Option<&Work>) -> State {
    state(seen, work).0
}

/// What a machine is doing, and why where that is not well.
fn state(seen: Option<Seen<'_>>, work: Option<&Work>) -> (State, Option<Fault>) {
    if let Some(work) = work.filter(|work| work.is_running()) {
        return (running(work.verb()), None);
    }
    if let Some(Seen { vm, .. }) = seen.filter(|seen| seen.missing || !seen.vm.is_accessible()) {
        let what = format!("vCenter cannot read `{}`", vm.name);
        let fault = Fault::new(Reason::VmInaccessible, what);
        return (
            State::Unknown,
            Some(fault.with("connection_state", &vm.connection)),
        );
    }
    let on = seen.is_some_and(|seen| seen.vm.power == PowerState::On);
    if let Some(fault) = work.and_then(Work::fault).filter(|_| !on) {
        return (failed(fault), Some(fault.clone()));
    }
    match seen.map(|seen| seen.vm.power) {
        Some(PowerState::On) => (State::Running, None),
        Some(PowerState::Off | PowerState::Suspended) => (State::Off, None),
        Some(PowerState::Unspecified) | None => (State::Unknown, None),
    }
}

fn running(verb: Verb) -> State {
    match verb {
        Verb::PowerOn => State::PoweringOn,
        Verb::Delete => State::Deleting,
        Verb::PowerOff => State::Running,
        Verb::Create
        | Verb::Unspecified
        | Verb::Adopt
        | Verb::Release
        | Verb::EjectIso
        | Verb::TransferIso => State::Creating,
    }
}

fn failed(fault: &Fault) -> State {
    if is_conflict(fault) {
        return State::Conflict;
    }
    match fault.reason() {
        Reason::OutcomeUnknown | Reason::AbsenceUnproven => State::Unknown,
        _ => State::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::{vm::fixtures, work::fixtures::queued as work};
    use prost_types::Timestamp;

    fn failed(verb: Verb, reason: Reason) -> Work {
        let mut work = work(verb);
        work.fail(Fault::new(reason, "x"), Timestamp::default());
        work
    }

    fn done(verb: Verb) -> Work {
        let mut work = work(verb);
        work.succeed(Timestamp::default());
        work
    }

    #[test]
    fn the_state_is_what_is_done_else_what_is_seen() {
        let off = fixtures::ours(1, "h");
        let on = Vm {
            power: PowerState::On,
            ..off.clone()
        };
        let lost = Vm {
            connection: "disconnected".into(),
            ..on.clone()
        };
        let conflict = failed(Verb::Create, Reason::ConflictForeign);
        for (vm, work, expected) in [
            (None, work(Verb::Create), State::Creating),
            (Some(&off), work(Verb::PowerOn), State::PoweringOn),
            (Some(&on), work(Verb::Delete), State::Deleting),
            (Some(&on), done(Verb::Create), State::Running),
            (Some(&off), done(Verb::Create), State::Off),
            (Some(&lost), done(Verb::Create), State::Unknown),
            (
                None,
                failed(Verb::Create, Reason::DatastoreFull),
                State::Failed,
            ),
            (
                None,
                failed(Verb::Create, Reason::OutcomeUnknown),
                State::Unknown,
            ),
            (None, conflict, State::Conflict),
            (
                Some(&off),
                failed(Verb::PowerOn, Reason::NoHost),
                State::Failed,
            ),
            (
                Some(&on),
                failed(Verb::PowerOn, Reason::NoHost),
                State::Running,
            ),
        ] {
            let moref = MoRef::new("VirtualMachine", "vm-1");
            let seen = vm.map(|vm| Seen {
                moref: &moref,
                vm,
                folder: "/DC0/vm",
                missing: false,
            });
            let machine = keyed(&fixtures::key(1), seen, Some(&work));
            assert_eq!(machine.state(), expected, "{vm:?} {work:?}");
        }
    }

    #[test]
    fn a_machine_that_left_the_view_is_unknown_until_it_is_proved_gone() {
        let on = Vm {
            power: PowerState::On,
            ..fixtures::ours(1, "h")
        };
        let moref = MoRef::new("VirtualMachine", "vm-1");
        let seen = Seen {
            moref: &moref,
            vm: &on,
            folder: "",
            missing: true,
        };
        assert_eq!(
            keyed(&fixtures::key(1), Some(seen), None).state(),
            State::Unknown
        );
    }
}
