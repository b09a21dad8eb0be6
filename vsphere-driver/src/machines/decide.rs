//! What is to be done for one machine: rules, from what is known to one decision.

mod delete;
mod ensure;
mod ownership;
mod switch;

pub use delete::{Delete, delete};
pub use ensure::{Ensure, Wanted, ensure};
pub use ownership::{conflict, refusal};
pub use switch::{Switch, switch};

use super::vm::Vm;
use crate::{soap::MoRef, vcenter::state::State};
use contract::{
    identity::MachineKey,
    v1::{Fault, Reason},
};

/// Why a machine cannot be worked on now: it changes hands.
fn changing_hands(state: &State, moref: &MoRef, name: &str) -> Option<Fault> {
    let handover = state.handover(moref)?;
    let busy = || Fault::new(Reason::Busy, format!("`{name}` is changing hands"));
    handover.is_running().then(busy)
}

/// Why no machine of this key is made now: another one is about to get it.
fn promised(state: &State, key: &MachineKey, name: &str) -> Option<Fault> {
    let what = format!("`{name}` is not made: another machine is being adopted in its place");
    let busy = || Fault::new(Reason::Busy, what);
    state.is_promised(key).then(busy)
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

#[cfg(test)]
mod fixtures {
    //! What decisions rest on.

    use crate::{
        machines::{
            vm::{Vm, fixtures::key},
            work::fixtures::queued,
        },
        soap::MoRef,
        vcenter::state::State,
    };
    use contract::v1::Verb;

    pub(super) fn moref() -> MoRef {
        MoRef::new("VirtualMachine", "vm-1")
    }

    pub(super) fn state(vm: Option<Vm>) -> State {
        let mut state = State::default();
        if let Some(new) = vm {
            state.change_vm(&moref(), |vm| *vm = new);
        }
        state
    }

    /// Work on the first machine.
    pub(super) fn begin(state: &mut State, verb: Verb) {
        state.begin(&key(1), queued(verb));
    }
}
