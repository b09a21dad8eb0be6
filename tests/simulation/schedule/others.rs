//! What users and others do to the hub and in vCenter.

use super::NAMES;
use crate::{hub, vcenter, world::World};
use vsphere_driver::soap::MoRef;

fn name(world: &mut World) -> Option<String> {
    let names: Vec<_> = world.hub.templates.keys().cloned().collect();
    (!names.is_empty()).then(|| names[world.dice.usize(..names.len())].clone())
}

pub(super) fn scale(world: &mut World) {
    let Some(name) = name(world) else { return };
    let replicas = world.dice.u32(0..6);
    world.note(format!("user: {name} to {replicas} replicas"));
    world
        .hub
        .edit(&name, |spec| spec["replicas"] = replicas.into());
}

/// There is one template at a time: several reconciliations at once are polled in the order of a hash map
/// with a random state by kube's runtime, and a schedule could not be repeated.
pub(super) fn delete_or_create(world: &mut World) {
    let name = NAMES[world.dice.usize(..NAMES.len())];
    if world.hub.templates.contains_key(name) {
        world.note(format!("user: delete {name}"));
        world.hub.delete(name);
        world.hub.let_go(name);
    } else if world.hub.templates.is_empty() {
        let replicas = world.dice.u32(0..4);
        world.note(format!("user: create {name}, {replicas} replicas"));
        world.hub.create(name, replicas, None);
    }
}

/// A machine of ours that its template knows of.
fn machine(world: &mut World) -> Option<MoRef> {
    let known = |(moref, machine): (&MoRef, &vcenter::Machine)| {
        let key = machine.key.as_ref()?;
        let status = world.hub.status_of(&key.owner_uid)?;
        let listed = status
            .vm_status
            .iter()
            .any(|entry| *entry.moref == *moref.id);
        listed.then(|| moref.clone())
    };
    let all: Vec<_> = world.vcenter.machines.iter().filter_map(known).collect();
    (!all.is_empty()).then(|| all[world.dice.usize(..all.len())].clone())
}

pub(super) fn switch_off(world: &mut World) {
    let Some(vm) = machine(world) else { return };
    world.note(format!("somebody switches {} off", vm.id));
    world.vcenter.switch_off(&vm);
}

pub(super) fn delete_machine(world: &mut World) {
    let Some(vm) = machine(world) else { return };
    world.note(format!("somebody deletes {}", vm.id));
    world.vcenter.delete(&vm);
}

/// Somebody else makes machines in vCenter, or writes to the template.
pub(super) fn others(world: &mut World) {
    let Some(name) = name(world) else { return };
    let slot = world.dice.u32(1..8);
    match world.dice.u32(0..4) {
        0 => {
            let machine = format!("{name}-n{slot:02}");
            world.note(format!("somebody makes {machine}"));
            let folder = vcenter::vm_folder();
            if !world.vcenter.is_taken(&folder, &machine) {
                world.vcenter.make_foreign(&machine, None);
            }
        }
        1 => {
            let keys: Vec<_> = world
                .vcenter
                .made
                .iter()
                .map(|(key, _)| key.clone())
                .collect();
            if let Some(key) = keys.last() {
                world.note(format!("somebody makes a copy of {key}"));
                let folder = vcenter::vm_folder();
                let copy = format!("copy-of-{}", key.slot);
                if !world.vcenter.is_taken(&folder, &copy) {
                    world.vcenter.make_foreign(&copy, Some(key));
                }
            }
        }
        2 => {
            world.note(format!("somebody labels {name}"));
            world.hub.touch(&name, |metadata| {
                metadata["labels"]["slot"] = slot.to_string().into();
                metadata["annotations"]["example.com/note"] = slot.to_string().into();
            });
        }
        _ => {
            world.note(format!("somebody keeps {name}"));
            world.hub.touch(&name, |metadata| {
                if metadata["deletionTimestamp"].is_null() {
                    let mut all = metadata["finalizers"]
                        .as_array()
                        .cloned()
                        .unwrap_or_default();
                    if !all.iter().any(|name| name == hub::OTHER_FINALIZER) {
                        all.push(hub::OTHER_FINALIZER.into());
                    }
                    metadata["finalizers"] = all.into();
                }
            });
        }
    }
}
