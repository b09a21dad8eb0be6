//! Reads MAC addresses and mounted ISOs of our machines, once each and many at a time.

use crate::{
    inventory::properties::{DEVICES, devices},
    machines::vm::Vm,
    soap::{
        MoRef,
        device::Drive,
        property_collector::{FilterSpec, ObjectContent, PropertySpec},
    },
    vcenter::{VCenter, session::Failure, state::State},
};
use contract::v1::{Ownership, PowerState};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::sleep;

/// Machines in one call. vCenter answers with all of each machine's devices: 150 KB of memory for each
/// while the reply is read.
pub const BATCH: usize = 50;
/// Between two looks for machines whose devices were not read.
const PAUSE: Duration = Duration::from_secs(2);

/// Reads devices for as long as the vCenter is followed.
pub async fn read_devices(vcenter: Arc<VCenter>) {
    let mut changes = vcenter.changes();
    loop {
        changes.rung().await;
        sleep(PAUSE).await;
        // What changes from here on is looked at in the next turn, also what is switched on while others are
        // read. A turn that reads nothing changes nothing, and so is the last.
        changes.catch_up();
        // While machines are being made, the calls are theirs.
        let unread = vcenter.read(|state| {
            if state.running().all() > 0 || !state.is_connected() {
                Vec::new()
            } else {
                unread(state)
            }
        });
        for batch in unread.chunks(BATCH) {
            read_batch(&vcenter, batch).await;
        }
    }
}

/// Addresses are final once a machine was on.
fn unread(state: &State) -> Vec<MoRef> {
    let wanted = |vm: &Vm| {
        vm.devices.is_none() && vm.power == PowerState::On && vm.ownership().0 == Ownership::Ours
    };
    let mut unread: Vec<_> = state
        .vms()
        .filter(|(_, vm)| wanted(vm))
        .map(|(moref, _)| moref.clone())
        .collect();
    unread.sort();
    unread
}

/// The ISOs in the drives of these machines now, by machine; nothing where the drives cannot be read. One that is
/// not there is left out.
pub async fn look(
    vcenter: &VCenter,
    machines: &[MoRef],
) -> Result<BTreeMap<MoRef, Option<Vec<String>>>, Failure> {
    let mut isos = BTreeMap::new();
    for batch in machines.chunks(BATCH) {
        let found = read(vcenter, batch).await?;
        note(vcenter, &found);
        for content in &found {
            let drives = content.property(DEVICES).map(Drive::all);
            let inside = drives.map(|drives| drives.into_iter().map(|drive| drive.iso).collect());
            isos.insert(content.object.clone(), inside);
        }
    }
    Ok(isos)
}

/// Takes over what was read. Addresses of a machine that was never on are not final.
pub fn note(vcenter: &VCenter, found: &[ObjectContent]) {
    let with_devices = |content| Some((content, ObjectContent::property(content, DEVICES)?));
    let read: Vec<_> = found.iter().filter_map(with_devices).collect();
    if read.is_empty() {
        return;
    }
    vcenter.write(|state| {
        for (content, value) in read {
            let known = state.vm(&content.object);
            if known.is_some_and(|vm| vm.power == PowerState::On || vm.devices.is_some()) {
                let read = Some(Box::new(devices(value)));
                state.change_vm(&content.object, |vm| vm.devices = read);
            }
        }
    });
}

async fn read_batch(vcenter: &VCenter, batch: &[MoRef]) {
    match read(vcenter, batch).await {
        Ok(found) => note(vcenter, &found),
        Err(failure) => {
            let fault = vcenter.explain(&failure, "reading devices");
            tracing::warn!(
                vcenter = vcenter.name,
                error = fault.message,
                "Devices not read"
            );
        }
    }
}

async fn read(vcenter: &VCenter, batch: &[MoRef]) -> Result<Vec<ObjectContent>, Failure> {
    let paths = [PropertySpec::new("VirtualMachine", [DEVICES])];
    let spec = FilterSpec::of_objects(batch.iter().cloned(), paths).tolerating_missing();
    vcenter.session.retrieve(spec).await
}
