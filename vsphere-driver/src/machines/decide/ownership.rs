//! Whose a machine is, where that speaks against what was asked.

use crate::{machines::vm::Vm, soap::MoRef, vcenter::state::State};
use contract::{
    identity::MachineKey,
    v1::{Fault, Ownership, Reason},
};

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
        decide::fixtures::moref,
        vm::fixtures::{key, ours},
    };

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
}
