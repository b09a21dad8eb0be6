//! What a `SetPowerState` does for one machine.

use super::{changing_hands, obstruction};
use crate::{soap::MoRef, vcenter::state::State};
use contract::{
    identity::MachineKey,
    v1::{Fault, PowerState, Reason, Verb},
};

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
    let obstruction = changing_hands(state, moref, &vm.name).or_else(|| obstruction(vm));
    match obstruction {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::{
        decide::fixtures::{begin, moref, state},
        vm::fixtures::{key, ours},
    };

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
