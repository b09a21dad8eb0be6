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
use contract::v1::{Fault, Reason};

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
