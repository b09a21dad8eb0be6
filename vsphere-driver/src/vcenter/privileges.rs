//! Which privileges an account lacks where machines would go.

use super::{VCenter, session::Failure};
use crate::{placement::Placement, soap::MoRef};
use contract::v1::{Fault, MissingPrivilege, Reason, Verb};

/// On the folder, for each verb.
const ON_FOLDER: [(&str, Verb); 10] = [
    ("VirtualMachine.Inventory.Create", Verb::Create),
    ("VirtualMachine.Config.AddNewDisk", Verb::Create),
    ("VirtualMachine.Config.AddRemoveDevice", Verb::Create),
    ("VirtualMachine.Config.AdvancedConfig", Verb::Create),
    ("VirtualMachine.Config.Settings", Verb::Create),
    ("VirtualMachine.Config.Annotation", Verb::Create),
    ("VirtualMachine.Interact.SetCDMedia", Verb::Create),
    ("VirtualMachine.Interact.PowerOn", Verb::PowerOn),
    ("VirtualMachine.Interact.PowerOff", Verb::PowerOff),
    ("VirtualMachine.Inventory.Delete", Verb::Delete),
];
const FOLDER_CREATE: (&str, Verb) = ("Folder.Create", Verb::Create);
const ON_POOL: (&str, Verb) = ("Resource.AssignVMToPool", Verb::Create);
/// On the datastore: the ISO is looked for there, too.
const ON_DATASTORE: [(&str, Verb); 2] = [
    ("Datastore.AllocateSpace", Verb::Create),
    ("Datastore.Browse", Verb::Create),
];
const ON_NETWORK: (&str, Verb) = ("Network.Assign", Verb::Create);

/// Every privilege that is missing for making, switching and removing machines there: one call.
pub async fn missing(
    vcenter: &VCenter,
    placement: &Placement,
    networks: &[MoRef],
) -> Result<Vec<MissingPrivilege>, Failure> {
    let needed = needed(placement, networks);
    let mut entities: Vec<_> = needed.iter().map(|(moref, ..)| moref.clone()).collect();
    entities.dedup();
    let mut privileges: Vec<_> = needed.iter().map(|(_, privilege, _)| *privilege).collect();
    privileges.sort_unstable();
    privileges.dedup();
    let found = vcenter
        .session
        .look("", |vim, now| {
            let (entities, privileges) = (entities.clone(), privileges.clone());
            async move {
                let manager = &now.content.authorization_manager;
                vim.has_privileges(manager, &now.user.key, &entities, &privileges)
                    .await
            }
        })
        .await?;
    let lacks = |(moref, privilege, _): &&(MoRef, &str, Verb)| {
        found
            .iter()
            .any(|e| e.entity == *moref && e.missing.iter().any(|m| m == privilege))
    };
    Ok(vcenter.read(|state| {
        let describe = |(moref, privilege, verb): &(MoRef, &str, Verb)| MissingPrivilege {
            privilege: (*privilege).to_owned(),
            object: Some(state.inventory.describe(moref)),
            verbs: vec![(*verb).into()],
        };
        needed.iter().filter(lacks).map(describe).collect()
    }))
}

/// The fault for a privilege that is missing.
pub fn fault(missing: &MissingPrivilege) -> Fault {
    let object = missing.object.clone().unwrap_or_default();
    let privilege = &missing.privilege;
    let what = format!(
        "the account lacks the privilege {privilege} on `{}`",
        object.path
    );
    Fault::new(Reason::VcenterPermissionDenied, what)
        .with("privilege", privilege)
        .with("object", object.moref)
        .with("path", object.path)
}

fn needed(placement: &Placement, networks: &[MoRef]) -> Vec<(MoRef, &'static str, Verb)> {
    let on = |moref: &MoRef, (privilege, verb)| (moref.clone(), privilege, verb);
    let folder = &placement.folder.existing;
    let create = (!placement.folder.missing.is_empty()).then_some(FOLDER_CREATE);
    let mut needed: Vec<_> = ON_FOLDER
        .into_iter()
        .chain(create)
        .map(|need| on(folder, need))
        .collect();
    needed.push(on(&placement.pool, ON_POOL));
    needed.extend(ON_DATASTORE.map(|need| on(&placement.datastore, need)));
    needed.extend(networks.iter().map(|network| on(network, ON_NETWORK)));
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_names_privilege_and_object() {
        let object = contract::v1::InventoryObject {
            moref: "group-v3".into(),
            path: "/DC0/vm".into(),
            ..Default::default()
        };
        let missing = MissingPrivilege {
            privilege: "Folder.Create".into(),
            object: Some(object),
            verbs: vec![Verb::Create.into()],
        };
        let fault = fault(&missing);
        assert!(
            fault.message.contains("Folder.Create on `/DC0/vm`"),
            "{}",
            fault.message
        );
    }
}
