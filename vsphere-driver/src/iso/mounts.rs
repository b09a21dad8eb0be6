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

/// What lies in the drives of machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drives {
    /// Names of the machines that mount a file, by its path.
    pub mounts: Mounts,
    /// Names of the machines whose drives could not be read: each may mount anything.
    pub unread: BTreeSet<String>,
}

/// Looks at the drives of all machines that use the datastore, and of ours whose drives were not read.
pub async fn look(vcenter: &VCenter, datastore: &MoRef) -> Result<Drives, Fault> {
    let mut machines: BTreeSet<_> = users(vcenter, datastore).await?.into_iter().collect();
    machines.extend(vcenter.read(|state| {
        let unread = state.vms().filter(|(_, vm)| vm.devices.is_none());
        let ours = unread.filter(|(_, vm)| vm.ownership().0 == Ownership::Ours);
        ours.map(|(moref, _)| moref.clone()).collect::<Vec<_>>()
    }));
    let machines: Vec<_> = machines.into_iter().collect();
    let mut drives = Drives {
        mounts: vcenter.read(view::mounts),
        unread: BTreeSet::new(),
    };
    for batch in machines.chunks(BATCH) {
        let paths = [PropertySpec::new("VirtualMachine", [NAME, DEVICES])];
        // One that is gone mounts nothing, and is not among what is read.
        let spec = FilterSpec::of_objects(batch.iter().cloned(), paths).tolerating_missing();
        for content in read(vcenter, spec).await? {
            drives.note(&content);
        }
    }
    Ok(drives)
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

// === impl Drives ===

impl Drives {
    /// Those that mount the file at this path.
    pub fn mounted_by(&self, path: &str) -> &[String] {
        self.mounts.get(path).map_or(&[], Vec::as_slice)
    }

    /// Whether a machine mounts it, or may.
    pub fn may_hold(&self, path: &str) -> bool {
        !self.unread.is_empty() || self.mounts.contains_key(path)
    }

    fn note(&mut self, machine: &ObjectContent) {
        let name = machine.property(NAME).map(Element::text);
        let name = name.map_or_else(
            || machine.object.id.to_string(),
            crate::inventory::path::decode,
        );
        // Without the right to read it, or while its storage is away, a machine shows no devices at all.
        let Some(devices) = machine.property(DEVICES) else {
            self.unread.insert(name);
            return;
        };
        let drives = devices
            .children()
            .iter()
            .filter(|device| device.xsi_type() == "VirtualCdrom");
        for path in drives.filter_map(|drive| drive.str("backing.fileName")) {
            let by = self.mounts.entry(path.to_owned()).or_default();
            if !by.contains(&name) {
                by.push(name.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{VimFault, property_collector::MissingProperty};

    const PATH: &str = "[ds] hcp-iso/a.iso";

    fn machine(name: Option<&str>, devices: Option<Element>) -> ObjectContent {
        let name = name.map(|name| (NAME.to_owned(), Element::leaf("val", name)));
        let missing = devices.is_none().then(|| MissingProperty {
            path: DEVICES.into(),
            fault: VimFault::default(),
        });
        let devices = devices.map(|devices| (DEVICES.to_owned(), devices));
        ObjectContent {
            object: MoRef::new("VirtualMachine", "vm-7"),
            properties: name.into_iter().chain(devices).collect(),
            missing: missing.into_iter().collect(),
        }
    }

    #[test]
    fn what_lies_in_drives_is_noted_once_for_each_machine() {
        let file = || Element::leaf("fileName", PATH);
        let drive = |files| {
            let backing = Element::parent("backing", files);
            Element::parent("VirtualDevice", vec![backing]).of_type("VirtualCdrom")
        };
        let drives_of = |all| machine(Some("a"), Some(Element::parent("val", all)));
        let mut drives = Drives::default();
        drives.note(&drives_of(vec![drive(vec![file()]), drive(vec![])]));
        drives.note(&drives_of(vec![drive(vec![file()])]));
        assert_eq!(drives.mounted_by(PATH), ["a"]);
        assert!(drives.may_hold(PATH) && !drives.may_hold("[ds] hcp-iso/b.iso"));
    }

    #[test]
    fn a_machine_whose_drives_cannot_be_read_may_mount_anything() {
        let none = || Element::parent("val", Vec::new());
        for (why, machine, unread) in [
            (
                "read, and without a drive",
                machine(Some("a"), Some(none())),
                None,
            ),
            ("not read", machine(Some("a%2fb"), None), Some("a/b")),
            ("nothing of it is read", machine(None, None), Some("vm-7")),
        ] {
            let mut drives = Drives::default();
            drives.note(&machine);
            assert_eq!(drives.unread.first().map(String::as_str), unread, "{why}");
            assert_eq!(drives.may_hold(PATH), unread.is_some(), "{why}");
            assert_eq!(drives.mounted_by(PATH), [""; 0], "{why}");
        }
    }
}
