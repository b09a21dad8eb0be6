//! Machines that are changed where they stand: they change hands, or their ISO is taken out.

use super::{State, told::identity};
use crate::{
    machines::{vm::Identity, work::Work},
    soap::MoRef,
};
use contract::{identity::MachineKey, v1::VirtualMachine};

impl State {
    /// How a machine is changed where it stands, or last was.
    pub fn handover(&self, moref: &MoRef) -> Option<&Work> {
        self.handovers.get(moref)
    }

    /// Whether a machine is about to get this key.
    pub fn is_promised(&self, key: &MachineKey) -> bool {
        self.promised.contains_key(key)
    }

    /// A machine begins to be changed. One that changes hands will have this key.
    pub fn begin_handover(&mut self, moref: &MoRef, work: Work, key: Option<MachineKey>) {
        if let Some(key) = key {
            self.promised.insert(key, moref.clone());
        }
        self.handovers.put(moref, work);
        self.touch(moref);
    }

    /// Changes what is known of a handover, if the machine is still there.
    pub fn change_handover(&mut self, moref: &MoRef, change: impl FnOnce(&mut Work)) {
        if self.handovers.change(moref, change) {
            self.touch(moref);
        }
    }

    /// Changes what is known of a handover at its end.
    pub fn finish_handover(&mut self, moref: &MoRef, change: impl FnOnce(&mut Work)) {
        self.promised.retain(|_, promised| promised != moref);
        self.change_handover(moref, change);
        // What is nobody's is not told of, and nothing of it is kept.
        let vm = self.vms.get(moref);
        if vm.is_none_or(|vm| identity(moref, vm).is_none()) {
            self.handovers.remove(moref);
        }
    }

    /// The present state of the machine that vCenter knows so, whosever it is.
    pub fn machine_at(&self, moref: &MoRef) -> Option<VirtualMachine> {
        match identity(moref, self.vms.get(moref)?) {
            Some(identity) => self.machine(&identity),
            None => self.obstacle(moref),
        }
    }

    /// What is told of a machine is the last that was done to it.
    pub(super) fn add_handover(&self, identity: &Identity, machine: &mut VirtualMachine) {
        let moref = match identity {
            Identity::Moref(moref) => Some(moref),
            Identity::Key(key) => self.by_key.get(key),
        };
        if let Some(work) = moref.and_then(|moref| self.handovers.get(moref)) {
            machine.operation = Some(work.operation.clone());
        }
    }

    fn touch(&mut self, moref: &MoRef) {
        if let Some(identity) = self.vms.get(moref).and_then(|vm| identity(moref, vm)) {
            self.changes.touch(&identity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        changes::Change,
        machines::{
            vm::{
                Vm,
                fixtures::{key, ours},
            },
            work::fixtures::queued,
        },
    };
    use contract::v1::{Fault, OperationState, Verb};
    use prost_types::Timestamp;

    fn moref() -> MoRef {
        MoRef::new("VirtualMachine", "vm-1")
    }

    fn of_companion() -> Vm {
        Vm {
            mark: None,
            companion: "ns/pool".into(),
            ..ours(1, "h")
        }
    }

    fn state(vm: Vm) -> State {
        let mut state = State::default();
        state.change_vm(&moref(), |new| *new = vm);
        state
    }

    fn operation(state: &State, identity: &Identity) -> Option<OperationState> {
        let operation = state.machine(identity)?.operation?;
        Some(operation.state())
    }

    #[test]
    fn what_is_done_to_a_machine_is_told_under_the_name_that_it_has() {
        let mut state = state(of_companion());
        state.begin_handover(&moref(), queued(Verb::Adopt), Some(key(1)));
        let before = Identity::Moref(moref());
        assert_eq!(operation(&state, &before), Some(OperationState::Queued));
        state.change_vm(&moref(), |vm| *vm = ours(1, "h"));
        state.finish_handover(&moref(), |work| work.succeed(Timestamp::default()));
        let after = Identity::Key(key(1));
        assert_eq!(operation(&state, &after), Some(OperationState::Succeeded));
        state.begin(&key(1), queued(Verb::PowerOn));
        let told = state.machine(&after).and_then(|it| it.operation);
        assert_eq!(told.map(|it| it.verb()), Some(Verb::PowerOn));
    }

    #[test]
    fn a_machine_that_changes_hands_is_told_anew_before_it_is_told_to_have_left() {
        for (before, after, keys) in [
            (of_companion(), ours(1, "h"), [None, Some(1)]),
            (ours(2, "h"), ours(1, "h"), [Some(2), Some(1)]),
            (ours(1, "h"), of_companion(), [Some(1), None]),
        ] {
            let mut state = state(before.clone());
            let last = state.changes.last();
            state.change_vm(&moref(), |vm| *vm = after);
            let changes = state.changes.since(last, 9).expect("known");
            let [(_, Change::Present(is)), (_, Change::Gone(left))] = &changes[..] else {
                panic!("{changes:?}");
            };
            let is = state.machine(is).expect("there");
            let told = [left.key.as_ref(), is.key.as_ref()];
            assert_eq!(told.map(|key| key.map(|key| key.slot)), keys);
            let uuid = before.instance_uuid.map(|uuid| uuid.to_string());
            assert_eq!(
                (Some(&left.instance_uuid), &*left.moref),
                (uuid.as_ref(), "vm-1")
            );
        }
    }

    #[test]
    fn a_failed_handover_gives_its_key_back_and_stays_to_be_seen() {
        let mut state = state(of_companion());
        state.begin_handover(&moref(), queued(Verb::Adopt), Some(key(1)));
        assert!(state.is_promised(&key(1)));
        let fail = |work: &mut Work| work.fail(Fault::default(), Timestamp::default());
        state.finish_handover(&moref(), fail);
        assert!(!state.is_promised(&key(1)));
        let told = operation(&state, &Identity::Moref(moref()));
        assert_eq!(told, Some(OperationState::Failed));
    }

    #[test]
    fn nothing_is_left_of_a_machine_that_was_given_up() {
        let mut state = state(ours(1, "h"));
        let mut ended = queued(Verb::PowerOn);
        ended.succeed(Timestamp::default());
        state.begin(&key(1), ended);
        state.begin_handover(&moref(), queued(Verb::Release), None);
        state.change_vm(&moref(), |vm| vm.mark = None);
        state.finish_handover(&moref(), |work| work.succeed(Timestamp::default()));
        assert_eq!(state.machine(&Identity::Key(key(1))), None);
        assert_eq!(state.identities().count(), 0);
        assert!(state.handover(&moref()).is_none());
    }
}
