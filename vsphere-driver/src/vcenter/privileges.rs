//! Which privileges an account lacks where machines or ISOs would go.

use super::{VCenter, session::Failure};
use crate::{
    inventory::{Inventory, TopFolders},
    placement::Placement,
    soap::MoRef,
};
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
/// On a datastore that gets ISOs.
const FOR_ISOS: [(&str, Verb); 2] = [
    ("Datastore.Browse", Verb::TransferIso),
    ("Datastore.FileManagement", Verb::TransferIso),
];
/// The same, where folders at the top are objects of the storage.
const FOR_TOP_FOLDER: (&str, Verb) = ("Datastore.Config", Verb::TransferIso);
const ON_NETWORK: (&str, Verb) = ("Network.Assign", Verb::Create);

/// Every privilege that is missing for making, switching and removing machines there: one call.
pub async fn missing(
    vcenter: &VCenter,
    placement: &Placement,
    networks: &[MoRef],
) -> Result<Vec<MissingPrivilege>, Failure> {
    lacking(vcenter, needed(placement, networks)).await
}

/// Every privilege that is missing for putting ISOs onto these datastores: one call.
pub async fn missing_for_isos(
    vcenter: &VCenter,
    datastores: &[MoRef],
) -> Result<Vec<MissingPrivilege>, Failure> {
    let needed = vcenter.read(|state| needed_for_isos(&state.inventory, datastores));
    lacking(vcenter, needed).await
}

async fn lacking(
    vcenter: &VCenter,
    needed: Vec<(MoRef, &'static str, Verb)>,
) -> Result<Vec<MissingPrivilege>, Failure> {
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

fn needed_for_isos(
    inventory: &Inventory,
    datastores: &[MoRef],
) -> Vec<(MoRef, &'static str, Verb)> {
    let of = |datastore: &MoRef| {
        let object = inventory.get(datastore);
        let apart = object.is_some_and(|object| object.top_folders == TopFolders::Objects);
        let all = FOR_ISOS.into_iter().chain(apart.then_some(FOR_TOP_FOLDER));
        let on = |(privilege, verb)| (datastore.clone(), privilege, verb);
        all.map(on).collect::<Vec<_>>()
    };
    datastores.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::properties::fixtures::{inventory, moref};

    #[test]
    fn a_folder_that_is_an_object_needs_one_privilege_more() {
        let mut inventory = inventory();
        let (plain, vsan) = (moref("Datastore", "ds-1"), moref("Datastore", "ds-2"));
        inventory.entry(&vsan).expect("known kind").top_folders = TopFolders::Objects;
        let needed = needed_for_isos(&inventory, &[plain.clone(), vsan.clone()]);
        let needed: Vec<_> = needed
            .iter()
            .map(|(datastore, privilege, _)| (datastore, *privilege))
            .collect();
        assert_eq!(
            needed,
            [
                (&plain, "Datastore.Browse"),
                (&plain, "Datastore.FileManagement"),
                (&vsan, "Datastore.Browse"),
                (&vsan, "Datastore.FileManagement"),
                (&vsan, "Datastore.Config"),
            ]
        );
    }

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
