//! Reads MAC addresses and mounted ISOs of our machines, once each and many at a time.

use crate::{
    inventory::properties::{DEVICES, devices},
    machines::vm::Vm,
    soap::{
        MoRef,
        property_collector::{FilterSpec, ObjectContent, PropertySpec},
    },
    vcenter::{VCenter, state::State},
};
use contract::v1::{Ownership, PowerState};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// Machines in one call. vCenter answers with all of each machine's devices: 150 KB of memory for each
/// while the reply is read.
const BATCH: usize = 50;
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

fn note(vcenter: &VCenter, found: &[ObjectContent]) {
    let with_devices = |content| Some((content, ObjectContent::property(content, DEVICES)?));
    let read: Vec<_> = found.iter().filter_map(with_devices).collect();
    if read.is_empty() {
        return;
    }
    vcenter.write(|state| {
        for (content, value) in read {
            if state.vm(&content.object).is_some() {
                let read = Some(Box::new(devices(value)));
                state.change_vm(&content.object, |vm| vm.devices = read);
            }
        }
    });
}

async fn read_batch(vcenter: &VCenter, batch: &[MoRef]) {
    let paths = [PropertySpec::new("VirtualMachine", [DEVICES])];
    let spec = FilterSpec::of_objects(batch.iter().cloned(), paths).tolerating_missing();
    let read = vcenter.session.retrieve(spec);
    match read.await {
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
