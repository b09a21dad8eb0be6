//! Machines that change hands where they stand: what is written into them, and whose they are then.

use super::{INSTANCE_UUID, Properties, State, inventory, values};
use crate::world::World;
use std::sync::Arc;
use vsphere_driver::soap::{
    Element, MoRef, VimFault, config_spec::ConfigSpec, reconfigure::Reconfiguration,
};

/// What a machine of the companion bears: whose it is.
const COMPANION: &str = "guestinfo.vmware-hcp.template";
/// Moves on with each change of a machine's configuration.
const CHANGE_VERSION: &str = "config.changeVersion";

fn setting(key: &str) -> String {
    format!("config.extraConfig[\"{key}\"]")
}

impl State {
    /// The companion makes a machine for a template, and switches it on.
    pub(crate) fn make_of_companion(&mut self, name: &str, template: &str) -> MoRef {
        let number = u128::from(self.next) << 64;
        let uuid = |number| Some(uuid::Uuid::from_u128(number).to_string());
        let spec = ConfigSpec {
            name: name.to_owned(),
            instance_uuid: uuid(number),
            uuid: uuid(number + 1),
            extra_config: vec![(COMPANION.to_owned(), template.to_owned())],
            ..ConfigSpec::default()
        };
        let vm = self.add_vm(&inventory::vm_folder(), &spec, None);
        self.set_power(&vm, true);
        vm
    }

    /// A machine is about to change hands: one of ours, or one that the companion has made.
    pub(super) fn may_be_taken_over(&mut self, vm: &MoRef) -> Result<(), VimFault> {
        let Some(machine) = self.machines.get(vm) else {
            return Err(values::fault("ManagedObjectNotFound", Some(vm)));
        };
        let bears = |it: &Arc<Properties>| it.contains_key(&setting(COMPANION));
        if machine.key.is_none() && !self.objects.get(vm).is_some_and(bears) {
            let what = format!("ReconfigVM_Task of {} ({vm})", machine.name);
            self.touched_foreign.push(what);
        }
        Ok(())
    }
}

/// Changes a machine, unless it was changed since the version on which the change rests.
pub(super) fn reconfigure(
    world: &mut World,
    vm: &MoRef,
    change: &Reconfiguration,
) -> Result<Option<Element>, VimFault> {
    let state = &mut world.vcenter;
    let version = state.objects.get(vm).and_then(|it| it.get(CHANGE_VERSION));
    let version = version.map_or("", Element::text).to_owned();
    if !change.change_version.is_empty() && change.change_version != version {
        return Err(values::fault("ConcurrentAccess", Some(vm)));
    }
    if let Some(uuid) = &change.instance_uuid {
        // Of one that is taken vCenter says nothing, and gives another.
        let uuid = if state.is_used(uuid) {
            state.other_uuid()
        } else {
            uuid.clone()
        };
        state.set(vm, INSTANCE_UUID, values::leaf(uuid));
    }
    for (key, value) in &change.extra_config {
        if value.is_empty() {
            state.unset(vm, &setting(key));
        } else {
            state.set(vm, &setting(key), values::option(key, value));
        }
    }
    let next = version.parse::<u64>().unwrap_or_default() + 1;
    state.set(vm, CHANGE_VERSION, values::leaf(next.to_string()));
    belongs_to_its_mark(world, vm);
    Ok(None)
}

/// Whose the machine is from now on: with our mark, that of the key behind its instance UUID.
fn belongs_to_its_mark(world: &mut World, vm: &MoRef) {
    let state = &mut world.vcenter;
    let uuid = state.objects.get(vm).and_then(|it| it.get(INSTANCE_UUID));
    let key = uuid.and_then(|uuid| world.hub.key_of(uuid.text()));
    let key = key.filter(|_| state.mark_of(vm).is_some());
    if let Some(machine) = state.machines.get_mut(vm) {
        machine.key.clone_from(&key);
        if let Some(key) = key.filter(|_| machine.on) {
            state.ran.insert((key, vm.clone()));
        }
    }
}
