//! What is to be done for one machine: rules, from what is known to one decision.

use super::{vm::Vm, work::Work};
use crate::{soap::MoRef, vcenter::state::State};
use contract::{
    identity::MachineKey,
    v1::{Absence, Fault, Ownership, PowerState, Reason, Verb},
};

/// What an Ensure does for one identity.
#[derive(Clone, Debug, PartialEq)]
pub enum Ensure {
    /// Makes it, then switches it on.
    Create,
    /// Switches it on.
    PowerOn(MoRef),
    /// Nothing: it is on, or work on it goes on.
    Keep,
    /// Nothing: something speaks against it. The machine that is in the way, if one is.
    Refuse(Box<Fault>, Option<MoRef>),
}

/// What a machine shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its identity.
    pub key: &'a MachineKey,
    /// Its name, decoded.
    pub name: &'a str,
    /// The folder it would be made in, if that is there.
    pub folder: Option<&'a MoRef>,
    /// Hash of its spec.
    pub spec_hash: &'a str,
}

/// Decides for an Ensure.
pub fn ensure(state: &State, wanted: &Wanted<'_>) -> Ensure {
    let work = state.work(wanted.key);
    if work.is_some_and(|work| work.is_doing(Verb::Delete)) {
        let fault = Fault::new(Reason::Busy, format!("`{}` is being deleted", wanted.name));
        return Ensure::Refuse(Box::new(fault), None);
    }
    if let Some((moref, vm)) = state.by_key(wanted.key) {
        return existing(moref, vm, work, wanted.spec_hash);
    }
    if work.is_some_and(Work::is_running) {
        return Ensure::Keep;
    }
    let taken = wanted
        .folder
        .and_then(|folder| state.by_name(folder, wanted.name));
    match taken {
        None => Ensure::Create,
        Some((moref, vm)) => {
            Ensure::Refuse(Box::new(conflict(state, moref, vm)), Some(moref.clone()))
        }
    }
}

fn existing(moref: &MoRef, vm: &Vm, work: Option<&Work>, spec_hash: &str) -> Ensure {
    let has = vm.mark().map(|mark| mark.spec_hash).unwrap_or_default();
    if has != spec_hash {
        let what = format!("`{}` was made from another spec", vm.name);
        let fault = Fault::new(Reason::Drifted, what)
            .with("spec_hash", has)
            .with("asked_spec_hash", spec_hash);
        return Ensure::Refuse(Box::new(fault), None);
    }
    if work.is_some_and(Work::is_running) || vm.power == PowerState::On {
        return Ensure::Keep;
    }
    if let Some(fault) = obstruction(vm) {
        return Ensure::Refuse(Box::new(fault), None);
    }
    Ensure::PowerOn(moref.clone())
}

/// Why a machine cannot be worked on, if so.
fn obstruction(vm: &Vm) -> Option<Fault> {
    if !vm.is_accessible() {
        let what = format!("vCenter cannot read `{}`", vm.name);
        return Some(
            Fault::new(Reason::VmInaccessible, what).with("connection_state", &vm.connection),
        );
    }
    if !vm.question.is_empty() {
        let what = format!("`{}` waits for an answer", vm.name);
        return Some(Fault::new(Reason::QuestionPending, what).with("question", &vm.question));
    }
    None
}

/// The fault for a name that another machine has.
pub fn conflict(state: &State, moref: &MoRef, vm: &Vm) -> Fault {
    let folder = vm
        .parent
        .as_ref()
        .map(|folder| state.inventory.path(folder))
        .unwrap_or_default();
    let place = |fault: Fault| {
        fault
            .with("name", &vm.name)
            .with("folder", &folder)
            .with("moref", &moref.id)
    };
    let what = |whose: &str| format!("`{folder}/{}` is taken by {whose}", vm.name);
    match vm.ownership() {
        (Ownership::Ours, Some(mark)) => {
            let owner = format!("{}/{}", mark.owner.namespace, mark.owner.name);
            let whose = format!(
                "machine {} of `{owner}` on hub {}",
                mark.key.slot, mark.key.hub_id
            );
            place(Fault::new(Reason::ConflictOtherOwner, what(&whose)))
                .with("hub_id", mark.key.hub_id)
                .with("owner", owner)
                .with("owner_uid", mark.key.owner_uid)
                .with("slot", mark.key.slot)
        }
        (Ownership::Copy, Some(mark)) => copied(moref, vm, &mark.key),
        (Ownership::Companion, _) => {
            let whose = format!("a machine of the Go companion for `{}`", vm.companion);
            place(Fault::new(Reason::ConflictCompanion, what(&whose)))
                .with("companion_template", &vm.companion)
        }
        _ => place(Fault::new(
            Reason::ConflictForeign,
            what("a machine without our mark"),
        )),
    }
}

/// What a Delete does for one machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Delete {
    /// Removes it: off first, where it is not.
    Remove(MachineKey, MoRef),
    /// Waits for the create that is under way, then removes what it made.
    AfterCreate(MachineKey),
    /// Takes back a create that has not begun.
    Withdraw(MachineKey),
    /// Nothing: it is being removed already.
    Keep(MachineKey),
    /// Proves that it is not there.
    Prove(MachineKey),
    /// Nothing: this run of the driver saw it go.
    Gone(MachineKey, Absence),
}

/// Decides for a Delete of a machine of ours, by its key.
pub fn delete(state: &State, key: &MachineKey) -> Delete {
    let key = key.clone();
    let work = state.work(&key);
    if work.is_some_and(|work| work.is_doing(Verb::Delete)) {
        return Delete::Keep(key);
    }
    if let Some((moref, _)) = state.by_key(&key) {
        return Delete::Remove(key, moref.clone());
    }
    match (work, state.absence(&key)) {
        (Some(work), _) if !work.is_running() => Delete::Prove(key),
        (Some(work), _) if is_queued(work) => Delete::Withdraw(key),
        (Some(_), _) => Delete::AfterCreate(key),
        (None, Some(absence)) => Delete::Gone(key, absence),
        (None, None) => Delete::Prove(key),
    }
}

fn is_queued(work: &Work) -> bool {
    work.operation.state() == contract::v1::OperationState::Queued
}

/// What `SetPowerState` does for one machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Switch {
    /// Switches it.
    To(MoRef),
    /// Nothing: it has the state, or is on its way to it.
    Keep,
    /// Nothing: something speaks against it.
    Refuse(Box<Fault>),
}

/// Decides for a `SetPowerState` of a machine of ours.
pub fn switch(state: &State, key: &MachineKey, wanted: PowerState) -> Switch {
    let Some((moref, vm)) = state.by_key(key) else {
        return Switch::Refuse(Box::new(not_there_yet(key)));
    };
    let verb = if wanted == PowerState::On {
        Verb::PowerOn
    } else {
        Verb::PowerOff
    };
    match state.work(key).filter(|work| work.is_running()) {
        Some(work) if work.verb() == verb => return Switch::Keep,
        Some(_) => {
            let what = format!("other work on `{}` goes on", vm.name);
            return Switch::Refuse(Box::new(Fault::new(Reason::Busy, what)));
        }
        None if vm.power == wanted => return Switch::Keep,
        None => {}
    }
    match obstruction(vm) {
        Some(fault) => Switch::Refuse(Box::new(fault)),
        None => Switch::To(moref.clone()),
    }
}

fn not_there_yet(key: &MachineKey) -> Fault {
    Fault::new(
        Reason::Busy,
        format!("machine {} is not made yet", key.slot),
    )
}

/// Why the caller may not change a machine, if it may not: only machines of its own hub, and never a
/// copy or one without our mark.
pub fn refusal(moref: &MoRef, vm: &Vm, hub_id: &str) -> Result<MachineKey, Box<Fault>> {
    let not_ours = |what: String| Fault::new(Reason::NotOurs, what).with("moref", &moref.id);
    match vm.ownership() {
        (Ownership::Ours, Some(mark)) if mark.key.hub_id == hub_id => Ok(mark.key),
        (Ownership::Ours, Some(mark)) => {
            let what = format!("`{}` belongs to hub `{}`", vm.name, mark.key.hub_id);
            let fault = not_ours(what)
                .with("hub_id", &mark.key.hub_id)
                .with(
                    "owner",
                    format!("{}/{}", mark.owner.namespace, mark.owner.name),
                )
                .with("owner_uid", &mark.key.owner_uid);
            Err(Box::new(fault))
        }
        (Ownership::Copy, Some(mark)) => Err(Box::new(copied(moref, vm, &mark.key))),
        _ => Err(Box::new(not_ours(format!(
            "`{}` does not bear our mark",
            vm.name
        )))),
    }
}

fn copied(moref: &MoRef, vm: &Vm, key: &MachineKey) -> Fault {
    let has = vm
        .instance_uuid
        .map(|uuid| uuid.to_string())
        .unwrap_or_default();
    let what = format!(
        "`{}` bears the mark of machine {key}, of which it is a copy",
        vm.name
    );
    Fault::new(Reason::MarkCopied, what)
        .with("moref", &moref.id)
        .with("instance_uuid", has)
        .with("expected_instance_uuid", key.instance_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::{
        vm::fixtures::{key, ours},
        work::Started,
    };
    use contract::v1::{Owner, RemovalCause};
    use prost_types::Timestamp;
    use tokio_util::sync::CancellationToken;
    use uuid::Uuid;

    fn folder() -> MoRef {
        MoRef::new("Folder", "group-v3")
    }

    fn moref() -> MoRef {
        MoRef::new("VirtualMachine", "vm-1")
    }

    fn state(vm: Option<Vm>) -> State {
        let mut state = State::default();
        if let Some(new) = vm {
            state.change_vm(&moref(), |vm| *vm = new);
        }
        state
    }

    fn decide(state: &State) -> Ensure {
        let (key, folder) = (key(1), folder());
        let wanted = Wanted {
            key: &key,
            name: "pool-n01",
            folder: Some(&folder),
            spec_hash: "h",
        };
        ensure(state, &wanted)
    }

    fn reason(decision: &Ensure) -> Option<Reason> {
        match decision {
            Ensure::Refuse(fault, _) => Some(fault.reason()),
            _ => None,
        }
    }

    fn begin(state: &mut State, verb: Verb) {
        let started = Started {
            operation_id: "op".into(),
            hub_id: "hub".into(),
            client: "c".into(),
            at: Timestamp::default(),
        };
        let work = Work {
            owner: Owner::default(),
            name: "pool-n01".into(),
            folder: String::new(),
            spec_hash: "h".into(),
            operation: started.queued(verb),
            claim: None,
            withdrawn: CancellationToken::new(),
        };
        state.begin(&key(1), work);
    }

    #[test]
    fn a_missing_machine_is_made_and_one_that_is_off_is_switched_on() {
        assert_eq!(decide(&state(None)), Ensure::Create);
        assert_eq!(decide(&state(Some(ours(1, "h")))), Ensure::PowerOn(moref()));
        let on = Vm {
            power: PowerState::On,
            ..ours(1, "h")
        };
        assert_eq!(decide(&state(Some(on))), Ensure::Keep);
    }

    #[test]
    fn work_that_goes_on_is_joined() {
        let mut unmade = state(None);
        begin(&mut unmade, Verb::Create);
        assert_eq!(decide(&unmade), Ensure::Keep);
        let mut off = state(Some(ours(1, "h")));
        begin(&mut off, Verb::PowerOn);
        assert_eq!(decide(&off), Ensure::Keep);
        let mut leaving = state(Some(ours(1, "h")));
        begin(&mut leaving, Verb::Delete);
        assert_eq!(reason(&decide(&leaving)), Some(Reason::Busy));
    }

    #[test]
    fn a_machine_of_another_spec_is_left_as_it_is() {
        assert_eq!(
            reason(&decide(&state(Some(ours(1, "other"))))),
            Some(Reason::Drifted)
        );
    }

    #[test]
    fn a_name_that_is_taken_is_a_conflict_with_its_holder() {
        let named = |vm: Vm| Vm {
            name: "pool-n01".into(),
            ..vm
        };
        let foreign = Vm {
            parent: Some(folder()),
            ..Vm::default()
        };
        let companion = Vm {
            companion: "ns/t".into(),
            ..foreign.clone()
        };
        let copy = Vm {
            instance_uuid: Some(Uuid::nil()),
            ..ours(1, "h")
        };
        for (vm, expected) in [
            (foreign, Reason::ConflictForeign),
            (companion, Reason::ConflictCompanion),
            (ours(2, "h"), Reason::ConflictOtherOwner),
            (copy, Reason::MarkCopied),
        ] {
            let decision = decide(&state(Some(named(vm))));
            assert_eq!(reason(&decision), Some(expected));
            assert!(matches!(decision, Ensure::Refuse(_, Some(m)) if m == moref()));
        }
    }

    #[test]
    fn a_machine_that_vcenter_cannot_read_or_that_asks_is_not_switched() {
        let lost = Vm {
            connection: "orphaned".into(),
            ..ours(1, "h")
        };
        assert_eq!(
            reason(&decide(&state(Some(lost)))),
            Some(Reason::VmInaccessible)
        );
        let asking = Vm {
            question: "copied or moved?".into(),
            ..ours(1, "h")
        };
        assert_eq!(
            reason(&decide(&state(Some(asking)))),
            Some(Reason::QuestionPending)
        );
    }

    #[test]
    fn a_delete_removes_waits_withdraws_or_proves() {
        assert_eq!(delete(&state(None), &key(1)), Delete::Prove(key(1)));
        let there = state(Some(ours(1, "h")));
        assert_eq!(delete(&there, &key(1)), Delete::Remove(key(1), moref()));
        let mut queued = state(None);
        begin(&mut queued, Verb::Create);
        assert_eq!(delete(&queued, &key(1)), Delete::Withdraw(key(1)));
        queued.change_work(&key(1), |work| work.step(Verb::Create));
        assert_eq!(delete(&queued, &key(1)), Delete::AfterCreate(key(1)));
        let mut leaving = state(Some(ours(1, "h")));
        begin(&mut leaving, Verb::Delete);
        assert_eq!(delete(&leaving, &key(1)), Delete::Keep(key(1)));
        let absence = Absence::default();
        leaving.remove_vm(&moref(), absence);
        leaving.end(&key(1), RemovalCause::Gone, Some(absence));
        assert_eq!(delete(&leaving, &key(1)), Delete::Gone(key(1), absence));
    }

    #[test]
    fn only_machines_of_the_callers_hub_are_changed() {
        let refused = |vm: Vm| refusal(&moref(), &vm, "hub").map_err(|fault| fault.reason());
        assert_eq!(refused(ours(1, "h")), Ok(key(1)));
        let copy = Vm {
            instance_uuid: None,
            ..ours(1, "h")
        };
        assert_eq!(refused(copy), Err(Reason::MarkCopied));
        assert_eq!(refused(Vm::default()), Err(Reason::NotOurs));
        let other = refusal(&moref(), &ours(1, "h"), "manual").map_err(|fault| fault.reason());
        assert_eq!(other, Err(Reason::NotOurs));
    }

    #[test]
    fn a_machine_is_switched_unless_it_is_so_or_busy() {
        let off = state(Some(ours(1, "h")));
        assert_eq!(switch(&off, &key(1), PowerState::On), Switch::To(moref()));
        assert_eq!(switch(&off, &key(1), PowerState::Off), Switch::Keep);
        let mut busy = state(Some(ours(1, "h")));
        begin(&mut busy, Verb::PowerOn);
        assert_eq!(switch(&busy, &key(1), PowerState::On), Switch::Keep);
        assert!(matches!(
            switch(&busy, &key(1), PowerState::Off),
            Switch::Refuse(_)
        ));
    }
}
