//! References to machines that exist.

use super::count;
use crate::machines::work_request::{Name, Reference};
use contract::{
    identity::{MANUAL_HUB, MachineKey, is_id},
    v1::{Fault, VirtualMachineKey, VirtualMachineRef, virtual_machine_ref::Ref},
};
use uuid::Uuid;

/// All references of a request; a key without a hub means `hub_id`.
pub(in crate::grpc) fn references(
    asked: Vec<VirtualMachineRef>,
    hub_id: &str,
) -> Result<Vec<Reference>, Fault> {
    count("machines", asked.len())?;
    let one = |(index, asked)| reference(&format!("machines[{index}]"), asked, hub_id);
    asked.into_iter().enumerate().map(one).collect()
}

/// The reference of a read: a key without a hub means `manual`.
pub(in crate::grpc) fn single(asked: Option<VirtualMachineRef>) -> Result<Reference, Fault> {
    let asked = asked.ok_or_else(|| Fault::invalid("machine", "is missing"))?;
    reference("machine", asked, MANUAL_HUB)
}

fn reference(field: &str, asked: VirtualMachineRef, hub_id: &str) -> Result<Reference, Fault> {
    let VirtualMachineRef {
        r#ref,
        moref_hint,
        folder_hint,
    } = asked;
    let name = match r#ref {
        Some(Ref::Key(key)) => Name::Key(machine_key(&format!("{field}.key"), key, hub_id)?),
        Some(Ref::Name(name)) if !name.is_empty() => Name::Name(name),
        Some(Ref::Moref(moref)) if !moref.is_empty() => Name::Moref(moref),
        Some(Ref::InstanceUuid(text)) => {
            let problem = "is no UUID, as in ea4b383c-fbb3-5623-9f67-aeadd70403d9";
            let invalid = |_| Fault::invalid(format!("{field}.instance_uuid"), problem);
            Name::InstanceUuid(Uuid::parse_str(&text).map_err(invalid)?)
        }
        None | Some(Ref::Name(_) | Ref::Moref(_)) => {
            let problem = "names no machine: give `key`, `name`, `instance_uuid` or `moref`";
            return Err(Fault::invalid(field, problem));
        }
    };
    if !folder_hint.is_empty() && !folder_hint.starts_with('/') {
        let problem = "must be an inventory path, as in /DC0/vm/folder";
        return Err(Fault::invalid(format!("{field}.folder_hint"), problem));
    }
    Ok(Reference {
        name,
        moref_hint,
        folder_hint,
    })
}

pub(super) fn machine_key(
    field: &str,
    key: VirtualMachineKey,
    hub: &str,
) -> Result<MachineKey, Fault> {
    let VirtualMachineKey {
        hub_id,
        owner_uid,
        slot,
    } = key;
    let hub_id = if hub_id.is_empty() {
        hub.to_owned()
    } else {
        hub_id
    };
    for (name, id) in [("hub_id", &hub_id), ("owner_uid", &owner_uid)] {
        if !is_id(id) {
            let problem = "must be 1 to 63 characters of `A-Za-z0-9._-`";
            return Err(Fault::invalid(format!("{field}.{name}"), problem));
        }
    }
    if slot < 1 {
        return Err(Fault::invalid(
            format!("{field}.slot"),
            "must be at least 1",
        ));
    }
    Ok(MachineKey {
        hub_id,
        owner_uid,
        slot,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(r#ref: Ref) -> VirtualMachineRef {
        VirtualMachineRef {
            r#ref: Some(r#ref),
            ..VirtualMachineRef::default()
        }
    }

    fn key(hub_id: &str, slot: i32) -> VirtualMachineRef {
        let owner_uid = "uid".into();
        by(Ref::Key(VirtualMachineKey {
            hub_id: hub_id.into(),
            owner_uid,
            slot,
        }))
    }

    #[test]
    fn a_key_without_a_hub_is_the_callers() {
        let names: Vec<_> = references(vec![key("", 1), key("other", 2)], "hub")
            .expect("good")
            .into_iter()
            .map(|reference| reference.name)
            .collect();
        let of = |hub: &str, slot| {
            Name::Key(MachineKey {
                hub_id: hub.into(),
                owner_uid: "uid".into(),
                slot,
            })
        };
        assert_eq!(names, [of("hub", 1), of("other", 2)]);
    }

    #[test]
    fn each_bad_field_is_named() {
        let hint = |folder: &str| VirtualMachineRef {
            folder_hint: folder.into(),
            ..by(Ref::Name("x".into()))
        };
        for (reference, field) in [
            (VirtualMachineRef::default(), "machines[0]"),
            (by(Ref::Name(String::new())), "machines[0]"),
            (
                by(Ref::InstanceUuid("x".into())),
                "machines[0].instance_uuid",
            ),
            (key("a/b", 1), "machines[0].key.hub_id"),
            (key("hub", 0), "machines[0].key.slot"),
            (hint("vm"), "machines[0].folder_hint"),
        ] {
            let fault = references(vec![reference], "hub").expect_err(field);
            assert_eq!(fault.field, field);
        }
        assert_eq!(single(None).expect_err("none").field, "machine");
    }
}
