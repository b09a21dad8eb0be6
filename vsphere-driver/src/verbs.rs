//! The verbs of the driver: what one call asks of one vCenter.

pub mod adopt;
pub mod capacity;
pub mod delete;
pub mod eject;
pub mod ensure;
pub mod place;
pub mod release;
pub mod switch;

use crate::{
    edge::caller::Caller,
    machines::{
        absence,
        job::Job,
        vm::{Identity, Vm},
        work::is_conflict,
        work_request::Reference,
    },
    soap::MoRef,
    vcenter::{VCenter, state::State},
};
use contract::{
    identity::MachineKey,
    v1::{
        Absence, Fault, Operation, OperationState, PowerState, PropertyChange, Reason, Verb,
        VirtualMachine, VirtualMachineResult, VirtualMachineState,
    },
};
use std::{sync::Arc, time::Duration};

/// What became of the machines of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// One for each, in the order of the request.
    pub results: Vec<VirtualMachineResult>,
    /// Each reached its goal or has a fault.
    pub done: bool,
}

/// What a call decided for one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// Its key, if the reference means one.
    pub key: Option<MachineKey>,
    /// What is told where nothing is known of it.
    pub planned: VirtualMachine,
    /// What is done to it.
    pub verbs: Vec<Verb>,
    /// Why nothing is done.
    pub fault: Option<Fault>,
    /// What stands in the way.
    pub obstacle: Option<VirtualMachine>,
    /// It is known to be gone.
    pub absence: Option<Absence>,
    /// What is changed of it.
    pub changes: Vec<PropertyChange>,
    /// The machine that changes hands, where its key says nothing of it.
    pub handover: Option<MoRef>,
}

impl Decided {
    /// Nothing is done, and this is told.
    pub fn tell(planned: VirtualMachine) -> Self {
        Self {
            key: None,
            planned,
            verbs: Vec::new(),
            fault: None,
            obstacle: None,
            absence: None,
            changes: Vec::new(),
            handover: None,
        }
    }

    /// Nothing is done to this machine.
    pub fn keep(key: MachineKey, planned: VirtualMachine) -> Self {
        Self {
            key: Some(key),
            ..Self::tell(planned)
        }
    }

    /// Nothing is done, because of this.
    pub fn refuse(key: Option<MachineKey>, planned: VirtualMachine, fault: Fault) -> Self {
        Self {
            key,
            fault: Some(fault),
            ..Self::tell(planned)
        }
    }
}

/// Waits until each machine reached its goal or has a fault, or the time is over; then tells of all.
pub async fn results(
    vcenter: &VCenter,
    decided: Vec<Decided>,
    wait: Duration,
    is_goal: impl Fn(VirtualMachineState, &VirtualMachine) -> bool,
) -> Results {
    let is_done = |result: &VirtualMachineResult| {
        let at_goal = |machine: &VirtualMachine| is_goal(machine.state(), machine);
        result.fault.is_some() || result.machine.as_ref().is_some_and(at_goal)
    };
    if !wait.is_zero() {
        let mut waiting = Waiting::of(&decided);
        let all = |state: &State| waiting.is_over(|decided| is_done(&result(state, decided)));
        vcenter.wait_until(wait, all).await;
    }
    let results: Vec<_> = vcenter.read(|state| {
        decided
            .iter()
            .map(|decided| result(state, decided))
            .collect()
    });
    let done = results.iter().all(is_done);
    Results { results, done }
}

/// Machines that are waited for. Each look at them costs as much as the machines that became ready
/// since the last one, however many there are: of those that are not, only one is looked at.
#[derive(Debug)]
struct Waiting<'a, T> {
    all: &'a [T],
    left: Vec<&'a T>,
}

impl<'a, T> Waiting<'a, T> {
    fn of(all: &'a [T]) -> Self {
        let left = all.iter().collect();
        Self { all, left }
    }

    /// Whether all are ready at this moment.
    fn is_over(&mut self, is_ready: impl Fn(&T) -> bool) -> bool {
        while let Some(last) = self.left.last() {
            if !is_ready(last) {
                return false;
            }
            self.left.pop();
        }
        // One that was ready a while ago need not be so now.
        self.left = self.all.iter().filter(|one| !is_ready(one)).collect();
        self.left.is_empty()
    }
}

fn result(state: &State, decided: &Decided) -> VirtualMachineResult {
    let Decided {
        key,
        planned,
        verbs,
        fault,
        obstacle,
        absence,
        changes,
        handover,
    } = decided;
    let known = key
        .clone()
        .and_then(|key| state.machine(&Identity::Key(key)))
        .or_else(|| state.machine_at(handover.as_ref()?));
    let proved = absence.or_else(|| state.absence(key.as_ref()?));
    let mut machine = match (known, proved) {
        (Some(machine), _) => machine,
        (None, Some(absence)) => {
            let identity = key.clone().map(Identity::Key);
            let revision = identity.map(|identity| state.revision(&identity));
            gone(planned, absence, revision.unwrap_or_default())
        }
        (None, None) => planned.clone(),
    };
    let late = machine
        .fault
        .clone()
        .filter(|_| fault.is_none() && !verbs.is_empty());
    let handed_over = || state.handover(handover.as_ref()?)?.fault().cloned();
    let fault = fault.clone().or(late).or_else(handed_over);
    if let Some(fault) = &fault {
        if fault.reason() == Reason::Drifted {
            machine.state = VirtualMachineState::Drifted.into();
        }
        if is_conflict(fault) && machine.moref.is_empty() {
            machine.state = VirtualMachineState::Conflict.into();
            machine.fault = Some(fault.clone());
        }
    }
    VirtualMachineResult {
        machine: Some(machine),
        fault,
        verbs: verbs.iter().map(|verb| (*verb).into()).collect(),
        changes: changes.clone(),
        obstacle: obstacle.clone(),
    }
}

/// What is left to say of a machine that does not exist: its names, and how that is known. It is newer
/// than all that was told while it existed.
fn gone(before: &VirtualMachine, absence: Absence, revision: i64) -> VirtualMachine {
    VirtualMachine {
        state: VirtualMachineState::Gone.into(),
        power_state: PowerState::Unspecified.into(),
        operation: None,
        fault: None,
        absence: Some(absence),
        revision: revision.max(before.revision),
        ..before.clone()
    }
}

/// Why a machine of ours that is not in sight is not changed.
async fn unseen(vcenter: &VCenter, key: &MachineKey, reference: &Reference) -> Fault {
    let hints = (&*reference.moref_hint, &*reference.folder_hint);
    match absence::prove(vcenter, key, hints).await {
        Ok(_) => Fault::new(Reason::VmNotFound, format!("there is no machine {key}")),
        Err(fault) => fault,
    }
}

/// A job on a machine that is there, which itself says whose it is and what it is called.
fn job_on(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    state: &State,
    (key, moref): (&MachineKey, &MoRef),
    verb: Verb,
) -> Job {
    let vm = state.vm(moref);
    let name = vm.map(|vm| vm.name.clone()).unwrap_or_default();
    let mark = vm.and_then(Vm::mark);
    let owner = mark.map(|mark| mark.owner).unwrap_or_default();
    Job::new(vcenter, caller, key, (&owner, &name), verb)
}

/// Whether work on a machine goes on.
fn is_under_way(machine: &VirtualMachine) -> bool {
    let state = machine.operation.as_ref().map(Operation::state);
    matches!(
        state,
        Some(OperationState::Queued | OperationState::Running)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::vm::fixtures::{key, ours};

    #[test]
    fn a_machine_that_was_removed_is_gone_with_the_names_that_it_had() {
        let moref = MoRef::new("VirtualMachine", "vm-1");
        let mut state = State::default();
        state.change_vm(&moref, |vm| {
            *vm = Vm {
                power: PowerState::On,
                ..ours(1, "h")
            };
        });
        let before = state.machine(&Identity::Key(key(1))).expect("there");
        let decided = Decided::keep(key(1), before.clone());
        state.remove_vm(&moref, Absence::default());
        let machine = result(&state, &decided).machine.expect("always told");
        assert_eq!(machine.state(), VirtualMachineState::Gone);
        assert_eq!(machine.power_state(), PowerState::Unspecified);
        assert_eq!(
            (machine.name, machine.moref, machine.absence),
            (before.name, before.moref, Some(Absence::default()))
        );
    }

    #[test]
    fn a_wait_is_over_when_all_are_ready_at_once_and_looks_at_few_until_then() {
        let all = [0, 1, 2, 3];
        let mut waiting = Waiting::of(&all);
        let looks = std::cell::Cell::new(0);
        let mut ready_but = |not: &[i32]| {
            looks.set(0);
            waiting.is_over(|one| {
                looks.set(looks.get() + 1);
                !not.contains(one)
            })
        };
        assert!(!ready_but(&[3, 0]));
        assert_eq!(looks.get(), 1);
        assert!(!ready_but(&[0]));
        // The first was the last to get ready, and meanwhile another is no more.
        assert!(!ready_but(&[2]));
        assert!(!ready_but(&[2]));
        assert_eq!(looks.get(), 1);
        assert!(ready_but(&[]));
    }

    #[test]
    fn a_machine_of_which_nothing_is_known_is_as_planned() {
        let planned = VirtualMachine {
            name: "x".into(),
            ..VirtualMachine::default()
        };
        let decided = Decided::keep(key(1), planned.clone());
        assert_eq!(result(&State::default(), &decided).machine, Some(planned));
    }
}
