//! What is to be done for one machine: rules, from what is known to one decision.

mod delete;
mod ensure;
mod ownership;
mod switch;

pub use delete::{Delete, delete};
pub use ensure::{Ensure, Wanted, ensure};
pub use ownership::{conflict, refusal};
pub use switch::{Switch, switch};

use super::{vm::Vm, work::Work};
use crate::{soap::MoRef, vcenter::state::State};
use contract::{
    identity::MachineKey,
    v1::{Fault, Reason, Verb},
};

/// Why a machine cannot be worked on now: it is being changed.
fn changing_hands(state: &State, moref: &MoRef, name: &str) -> Option<Fault> {
    let handover = state.handover(moref)?;
    let what = match handover.verb() {
        Verb::EjectIso => format!("the ISO of `{name}` is being taken out"),
        _ => format!("`{name}` is changing hands"),
    };
    let busy = || Fault::new(Reason::Busy, what);
    handover.is_running().then(busy)
}

/// Whether nothing speaks against changing a machine where it stands; `false` if just that is being done.
pub fn is_free(state: &State, key: &MachineKey, verb: Verb) -> Result<bool, Box<Fault>> {
    let Some((moref, vm)) = state.by_key(key) else {
        return Ok(true);
    };
    let busy = || {
        let what = format!("other work on `{}` goes on", vm.name);
        Box::new(Fault::new(Reason::Busy, what))
    };
    match state.handover(moref).filter(|work| work.is_running()) {
        Some(work) if work.verb() == verb => return Ok(false),
        Some(_) => return Err(busy()),
        None => {}
    }
    if state.work(key).is_some_and(Work::is_running) {
        return Err(busy());
    }
    unreadable(vm).map_or(Ok(true), |fault| Err(Box::new(fault)))
}

/// Why no machine of this key is made now: another one is about to get it.
fn promised(state: &State, key: &MachineKey, name: &str) -> Option<Fault> {
    let what = format!("`{name}` is not made: another machine is being adopted in its place");
    let busy = || Fault::new(Reason::Busy, what);
    state.is_promised(key).then(busy)
}

/// Why a machine cannot be worked on that waits for an answer, if it does.
pub fn asking(vm: &Vm) -> Option<Fault> {
    let question = vm.question.as_ref()?;
    let what = format!("`{}` waits for an answer", vm.name);
    Some(Fault::new(Reason::QuestionPending, what).with("question", &question.text))
}

fn unreadable(vm: &Vm) -> Option<Fault> {
    if vm.is_accessible() {
        return None;
    }
    let what = format!("vCenter cannot read `{}`", vm.name);
    Some(Fault::new(Reason::VmInaccessible, what).with("connection_state", &vm.connection))
}

/// Why a machine cannot be worked on, if so.
fn obstruction(vm: &Vm) -> Option<Fault> {
    unreadable(vm).or_else(|| asking(vm))
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
