//! Which machines mount files of a datastore, of whatever owner: asked of vCenter, not remembered.
//!
//! What is known of our own machines does not suffice where a file is to be removed: it would be taken
//! from under a machine of somebody else.

use super::view::{self, Mounts};
use crate::{
    inventory::properties::DEVICES,
    machines::devices::BATCH,
    soap::{
        Element, MoRef,
        property_collector::{FilterSpec, ObjectContent, PropertySpec},
    },
    vcenter::VCenter,
};
use contract::v1::{Fault, Ownership};
use std::collections::BTreeSet;

const VMS: &str = "vm";
const NAME: &str = "name";

/// Looks at the drives of all machines that use the datastore, and of ours whose drives were not read.
pub async fn look(vcenter: &VCenter, datastore: &MoRef) -> Result<Mounts, Fault> {
    let mut machines: BTreeSet<_> = users(vcenter, datastore).await?.into_iter().collect();
    machines.extend(vcenter.read(|state| {
        let unread = state.vms().filter(|(_, vm)| vm.devices.is_none());
        let ours = unread.filter(|(_, vm)| vm.ownership().0 == Ownership::Ours);
        ours.map(|(moref, _)| moref.clone()).collect::<Vec<_>>()
    }));
    let machines: Vec<_> = machines.into_iter().collect();
    let mut mounts = vcenter.read(view::mounts);
    for batch in machines.chunks(BATCH) {
        let paths = [PropertySpec::new("VirtualMachine", [NAME, DEVICES])];
        let spec = FilterSpec::of_objects(batch.iter().cloned(), paths).tolerating_missing();
        for content in read(vcenter, spec).await? {
            note(&mut mounts, &content);
        }
    }
    Ok(mounts)
}

async fn users(vcenter: &VCenter, datastore: &MoRef) -> Result<Vec<MoRef>, Fault> {
    let paths = [PropertySpec::new("Datastore", [VMS])];
    let spec = FilterSpec::of_objects([datastore.clone()], paths);
    let found = read(vcenter, spec).await?;
    let values = found.iter().filter_map(|content| content.property(VMS));
    Ok(values.flat_map(Element::morefs).collect())
}

async fn read(vcenter: &VCenter, spec: FilterSpec) -> Result<Vec<ObjectContent>, Fault> {
    let read = vcenter.session.retrieve(spec).await;
    read.map_err(|failure| vcenter.explain(&failure, "looking for machines that mount ISOs"))
}

fn note(mounts: &mut Mounts, machine: &ObjectContent) {
    let name = machine
        .property(NAME)
        .map(Element::text)
        .unwrap_or_default();
    let name = crate::inventory::path::decode(name);
    let devices = machine.property(DEVICES).into_iter();
    let drives = devices
        .flat_map(Element::children)
        .filter(|device| device.xsi_type() == "VirtualCdrom");
    for path in drives.filter_map(|drive| drive.str("backing.fileName")) {
        let by = mounts.entry(path.to_owned()).or_default();
        if !by.contains(&name) {
            by.push(name.clone());
        }
    }
}
