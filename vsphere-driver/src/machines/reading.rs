//! Reads one machine now, ahead of the update loop.

use super::{devices, vm::Vm};
use crate::{
    inventory::properties::{CHANGE_VERSION, DEVICES, apply_to_vm, of_machine},
    soap::{
        MoRef,
        device::Drive,
        property_collector::{FilterSpec, ObjectContent, PropertySpec},
    },
    vcenter::{VCenter, session::Failure},
};

/// Reads a machine, and gives the version that a change of it may rest on.
pub async fn read(vcenter: &VCenter, moref: &MoRef) -> Result<String, Failure> {
    let read = read_all(vcenter, moref, of_machine()).await?;
    Ok(read.map_or_else(String::new, |content| version(&content)))
}

/// The same, with the drives that have an ISO in them.
pub async fn read_drives(
    vcenter: &VCenter,
    moref: &MoRef,
) -> Result<(String, Vec<Drive>), Failure> {
    let mut asked = of_machine();
    asked.paths.push(DEVICES.to_owned());
    let Some(content) = read_all(vcenter, moref, asked).await? else {
        return Ok(Default::default());
    };
    let drives = content.property(DEVICES).map(Drive::all);
    devices::note(vcenter, std::slice::from_ref(&content));
    Ok((version(&content), drives.unwrap_or_default()))
}

async fn read_all(
    vcenter: &VCenter,
    moref: &MoRef,
    asked: PropertySpec,
) -> Result<Option<ObjectContent>, Failure> {
    let spec = FilterSpec::of_objects([moref.clone()], [asked.clone()]);
    let read = vcenter.session.retrieve(spec).await?.into_iter().next();
    if let Some(content) = &read {
        vcenter.write(|state| state.change_vm(moref, |vm| take(vm, &asked, content)));
    }
    Ok(read)
}

fn version(content: &ObjectContent) -> String {
    let version = content.property(CHANGE_VERSION);
    version.map(|it| it.text().to_owned()).unwrap_or_default()
}

/// Takes over all that was asked for: what has no value is unset, what could not be read stays.
fn take(vm: &mut Vm, asked: &PropertySpec, content: &ObjectContent) {
    let unread = |path: &str| {
        let mut missing = content.missing.iter();
        missing.any(|missing| missing.path == path && !missing.fault.is("InvalidProperty"))
    };
    for path in asked.paths.iter().filter(|path| !unread(path)) {
        apply_to_vm(vm, path, content.property(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::vm::fixtures::ours;

    #[test]
    fn a_mark_that_was_taken_off_is_seen_to_be_gone() {
        let mut vm = ours(1, "h");
        let content = ObjectContent {
            object: MoRef::new("VirtualMachine", "vm-1"),
            properties: Vec::new(),
            missing: Vec::new(),
        };
        take(&mut vm, &of_machine(), &content);
        assert_eq!(vm.mark, None);
    }
}
