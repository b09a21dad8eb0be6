//! Reads one machine now, ahead of the update loop.

use super::vm::Vm;
use crate::{
    inventory::properties::{CHANGE_VERSION, apply_to_vm, of_machine},
    soap::{
        MoRef,
        property_collector::{FilterSpec, ObjectContent, PropertySpec},
    },
    vcenter::{VCenter, session::Failure},
};

/// Reads a machine, and gives the version that a change of it may rest on.
pub async fn read(vcenter: &VCenter, moref: &MoRef) -> Result<String, Failure> {
    let asked = of_machine();
    let spec = FilterSpec::of_objects([moref.clone()], [asked.clone()]);
    let mut version = String::new();
    for content in vcenter.session.retrieve(spec).await? {
        if let Some(value) = content.property(CHANGE_VERSION) {
            value.text().clone_into(&mut version);
        }
        vcenter.write(|state| state.change_vm(moref, |vm| take(vm, &asked, &content)));
    }
    Ok(version)
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
