//! Which machine a reference means.

use super::{
    decide,
    vm::{Identity, Vm},
    work_request::{Name, Reference},
};
use crate::{soap::MoRef, vcenter::state::State};
use contract::{
    identity::MachineKey,
    v1::{Fault, Ownership, Reason},
};

/// Candidates that a message lists.
const CANDIDATES: usize = 5;

/// The key of the machine that a caller of this hub wants to change.
pub fn to_change(
    state: &State,
    reference: &Reference,
    hub: &str,
) -> Result<MachineKey, Box<Fault>> {
    match &reference.name {
        Name::Key(key) if key.hub_id == hub => Ok(key.clone()),
        Name::Key(key) => {
            let what = format!("machine {key} belongs to another hub than `{hub}`");
            Err(Box::new(
                Fault::new(Reason::NotOurs, what).with("hub_id", &key.hub_id),
            ))
        }
        Name::Name(name) => by_name(state, name, hub),
        Name::InstanceUuid(_) | Name::Moref(_) => {
            let (moref, vm) = one(state, &reference.name)?;
            decide::refusal(moref, vm, hub)
        }
    }
}

/// A name means machines of the hub that are there or being made; another's is refused, not passed by.
fn by_name(state: &State, name: &str, hub: &str) -> Result<MachineKey, Box<Fault>> {
    let mut keys: Vec<_> = state
        .works()
        .filter(|(key, work)| key.hub_id == hub && work.name == name)
        .map(|(key, _)| key.clone())
        .collect();
    let named: Vec<_> = state.vms().filter(|(_, vm)| vm.name == name).collect();
    for (moref, vm) in &named {
        if let Ok(key) = decide::refusal(moref, vm, hub)
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    match (keys.as_slice(), named.first()) {
        ([key], _) => Ok(key.clone()),
        ([], Some((moref, vm))) => decide::refusal(moref, vm, hub),
        ([], None) => Err(Box::new(unseen(name))),
        (several, _) => Err(Box::new(ambiguous(
            name,
            several.iter().map(ToString::to_string),
        ))),
    }
}

/// The machine that a read means, of any hub.
pub fn to_read(state: &State, reference: &Reference) -> Result<Identity, Box<Fault>> {
    match &reference.name {
        Name::Key(key) => Ok(Identity::Key(key.clone())),
        Name::Name(name) => {
            let identities: Vec<_> = state
                .identities()
                .filter(|identity| state.machine(identity).is_some_and(|m| m.name == *name))
                .collect();
            match identities.as_slice() {
                [one] => Ok(one.clone()),
                [] => Err(Box::new(unseen(name))),
                several => {
                    let described = several
                        .iter()
                        .filter_map(|i| state.machine(i))
                        .map(|m| m.moref);
                    Err(Box::new(ambiguous(name, described)))
                }
            }
        }
        Name::InstanceUuid(_) | Name::Moref(_) => {
            let (moref, vm) = one(state, &reference.name)?;
            Ok(match vm.ownership() {
                (Ownership::Ours, Some(mark)) => Identity::Key(mark.key),
                _ => Identity::Moref(moref.clone()),
            })
        }
    }
}

fn one<'a>(state: &'a State, name: &Name) -> Result<(&'a MoRef, &'a Vm), Box<Fault>> {
    let fits = |(moref, vm): &(&MoRef, &Vm)| match name {
        Name::Moref(id) => *moref.id == **id,
        Name::InstanceUuid(uuid) => vm.instance_uuid == Some(*uuid),
        Name::Key(_) | Name::Name(_) => false,
    };
    let text = match name {
        Name::Moref(id) => id.clone(),
        Name::InstanceUuid(uuid) => uuid.to_string(),
        Name::Key(key) => key.to_string(),
        Name::Name(name) => name.clone(),
    };
    state
        .vms()
        .find(fits)
        .ok_or_else(|| Box::new(unseen(&text)))
}

fn unseen(name: &str) -> Fault {
    Fault::new(
        Reason::AbsenceUnproven,
        format!("no machine `{name}` is in sight"),
    )
}

fn ambiguous(name: &str, candidates: impl Iterator<Item = String>) -> Fault {
    let listed = candidates.take(CANDIDATES).collect::<Vec<_>>().join(", ");
    let what = format!("`{name}` stands for several machines: {listed}");
    Fault::new(Reason::VmAmbiguous, what).with("candidates", listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::vm::fixtures::{key, ours};

    fn state(machines: &[(&str, Vm)]) -> State {
        let mut state = State::default();
        for (id, machine) in machines {
            state.change_vm(&MoRef::new("VirtualMachine", *id), |vm| {
                *vm = machine.clone();
            });
        }
        state
    }

    fn named(name: &str) -> Reference {
        Reference {
            name: Name::Name(name.into()),
            moref_hint: String::new(),
            folder_hint: String::new(),
        }
    }

    fn change(state: &State, name: &str, hub: &str) -> Result<MachineKey, Reason> {
        to_change(state, &named(name), hub).map_err(|fault| fault.reason())
    }

    #[test]
    fn a_name_means_a_machine_of_the_callers_hub() {
        let state = state(&[("vm-1", ours(1, "h"))]);
        assert_eq!(change(&state, "pool-n01", "hub"), Ok(key(1)));
        assert_eq!(change(&state, "pool-n01", "manual"), Err(Reason::NotOurs));
        assert_eq!(change(&state, "other", "hub"), Err(Reason::AbsenceUnproven));
    }

    #[test]
    fn a_name_that_several_have_is_ambiguous() {
        let twin = Vm {
            name: "pool-n01".into(),
            ..ours(2, "h")
        };
        let state = state(&[("vm-1", ours(1, "h")), ("vm-2", twin)]);
        assert_eq!(change(&state, "pool-n01", "hub"), Err(Reason::VmAmbiguous));
    }

    #[test]
    fn a_key_of_another_hub_is_refused() {
        let reference = Reference {
            name: Name::Key(key(1)),
            ..named("")
        };
        let fault = to_change(&State::default(), &reference, "manual").expect_err("other hub");
        assert_eq!(fault.reason(), Reason::NotOurs);
    }
}
