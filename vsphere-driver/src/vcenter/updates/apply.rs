//! Takes over what vCenter tells.

use super::watching::Watching;
use crate::{
    inventory::properties::{VIRTUAL_MACHINE, apply_to_vm},
    machines::absence,
    soap::{
        MoRef,
        property_collector::{ObjectChange, ObjectUpdate, UpdateSet},
    },
    vcenter::{VCenter, clock, state::State},
};
use contract::v1::ConnectionState;
use std::{collections::HashSet, sync::Arc};

/// Takes over one set of updates. Gives the machines that left the view and need proof.
pub(super) fn apply(
    vcenter: &VCenter,
    watching: &Watching,
    updates: &UpdateSet,
    present: &mut Option<HashSet<MoRef>>,
) -> Vec<MoRef> {
    let (tasks, objects): (Vec<_>, Vec<_>) = updates
        .filters
        .iter()
        .partition(|filter| filter.filter == watching.tasks_filter);
    let left = vcenter.write(|state| {
        state.set_synced(clock::now());
        let mut left = Vec::new();
        for update in objects.iter().flat_map(|filter| &filter.objects) {
            if let Some(present) = present {
                present.insert(update.object.clone());
            }
            if &*update.object.kind == VIRTUAL_MACHINE {
                left.extend(apply_machine(state, update));
            } else if update.kind == ObjectChange::Leave {
                state.inventory.remove(&update.object);
            } else {
                for change in &update.changes {
                    state
                        .inventory
                        .apply(&update.object, &change.path, change.value.as_ref());
                }
            }
        }
        left
    });
    for update in tasks.iter().flat_map(|filter| &filter.objects) {
        if let Some(present) = present {
            present.insert(update.object.clone());
        }
        vcenter.tasks.update(update);
    }
    vcenter.power_ons.see(vcenter);
    left
}

fn apply_machine(state: &mut State, update: &ObjectUpdate) -> Option<MoRef> {
    if update.kind == ObjectChange::Leave {
        return state.lose_vm(&update.object).then(|| update.object.clone());
    }
    state.change_vm(&update.object, |vm| {
        for change in &update.changes {
            apply_to_vm(vm, &change.path, change.value.as_ref());
        }
    });
    None
}

/// The first reading is whole: what was known before and is not in it has left.
pub(super) fn complete(vcenter: &Arc<VCenter>, present: &HashSet<MoRef>) {
    let left = vcenter.write(|state| {
        state.inventory.retain(|moref| present.contains(moref));
        let mut absent: Vec<_> = state
            .vms()
            .map(|(moref, _)| moref)
            .filter(|m| !present.contains(m))
            .cloned()
            .collect();
        absent.sort();
        state.syncs += 1;
        state.set_connection(ConnectionState::Connected, None);
        absent
            .into_iter()
            .filter(|moref| state.lose_vm(moref))
            .collect::<Vec<_>>()
    });
    tracing::info!(vcenter = vcenter.name, objects = present.len(), "Connected");
    for moref in left {
        vcenter.spawn(absence::prove_lost(Arc::clone(vcenter), moref));
    }
}
