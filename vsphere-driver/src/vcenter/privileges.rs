//! Which privileges an account lacks where machines or ISOs would go.

use super::{VCenter, session::Failure};
use crate::{
    inventory::{Inventory, TopFolders},
    placement::Placement,
    soap::{MoRef, authorization::EntityPrivileges},
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
/// On the folder, or on the machine, where an ISO is taken out: for media and state of the drive, and for the
/// answer to a guest that holds it.
const FOR_EJECTION: [(&str, Verb); 4] = [
    ("VirtualMachine.Interact.SetCDMedia", Verb::EjectIso),
    ("VirtualMachine.Config.EditDevice", Verb::EjectIso),
    ("VirtualMachine.Interact.DeviceConnection", Verb::EjectIso),
    ("VirtualMachine.Interact.AnswerQuestion", Verb::EjectIso),
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

/// What is done to machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// They are made, switched and removed.
    Machines,
    /// Their ISO is taken out of them, too.
    WithEjection,
}

/// A privilege on an object, and what it is for.
type Need = (MoRef, &'static str, Verb);

/// Every privilege that is missing for this with machines there: one call.
pub async fn missing(
    vcenter: &VCenter,
    placement: &Placement,
    networks: &[MoRef],
    scope: Scope,
) -> Result<Vec<MissingPrivilege>, Failure> {
    lacking(vcenter, needed(placement, networks, scope)).await
}

/// Every privilege that is missing for taking ISOs out of these machines: one call, or none.
pub async fn missing_for_ejection(
    vcenter: &VCenter,
    machines: &[MoRef],
) -> Result<Vec<MissingPrivilege>, Failure> {
    let of = |machine: &MoRef| {
        let machine = machine.clone();
        FOR_EJECTION.map(move |(privilege, verb)| (machine.clone(), privilege, verb))
    };
    lacking(vcenter, machines.iter().flat_map(of).collect()).await
}

/// Every privilege that is missing for putting ISOs onto these datastores: one call.
pub async fn missing_for_isos(
    vcenter: &VCenter,
    datastores: &[MoRef],
) -> Result<Vec<MissingPrivilege>, Failure> {
    let needed = vcenter.read(|state| needed_for_isos(&state.inventory, datastores));
    lacking(vcenter, needed).await
}

async fn lacking(vcenter: &VCenter, needed: Vec<Need>) -> Result<Vec<MissingPrivilege>, Failure> {
    let mut entities: Vec<_> = needed.iter().map(|(moref, ..)| moref.clone()).collect();
    entities.dedup();
    if entities.is_empty() {
        return Ok(Vec::new());
    }
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
    let lacks = lacks(needed, &found);
    Ok(vcenter.read(|state| {
        let describe = |(moref, privilege, verbs): Lack| MissingPrivilege {
            privilege: privilege.to_owned(),
            object: Some(state.inventory.describe(&moref)),
            verbs: verbs.into_iter().map(Into::into).collect(),
        };
        lacks.into_iter().map(describe).collect()
    }))
}

/// A privilege that is missing on an object, and all that it is missing for.
type Lack = (MoRef, &'static str, Vec<Verb>);

/// What is missing of what is needed, each once.
fn lacks(needed: Vec<Need>, found: &[EntityPrivileges]) -> Vec<Lack> {
    let is_missing = |(moref, privilege, _): &Need| {
        let mut on = found.iter().filter(|on| on.entity == *moref);
        on.any(|on| on.missing.iter().any(|missing| missing == privilege))
    };
    let mut lacks: Vec<Lack> = Vec::new();
    for (moref, privilege, verb) in needed.into_iter().filter(is_missing) {
        let known = lacks
            .iter_mut()
            .find(|it| it.0 == moref && it.1 == privilege);
        match known {
            Some((_, _, verbs)) => verbs.push(verb),
            None => lacks.push((moref, privilege, vec![verb])),
        }
    }
    lacks
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

fn needed(placement: &Placement, networks: &[MoRef], scope: Scope) -> Vec<Need> {
    let on = |moref: &MoRef, (privilege, verb)| (moref.clone(), privilege, verb);
    let folder = &placement.folder.existing;
    let create = (!placement.folder.missing.is_empty()).then_some(FOLDER_CREATE);
    let ejection = match scope {
        Scope::Machines => &[][..],
        Scope::WithEjection => &FOR_EJECTION,
    };
    let mut needed: Vec<_> = ON_FOLDER
        .into_iter()
        .chain(create)
        .chain(ejection.iter().copied())
        .map(|need| on(folder, need))
        .collect();
    needed.push(on(&placement.pool, ON_POOL));
    needed.extend(ON_DATASTORE.map(|need| on(&placement.datastore, need)));
    needed.extend(networks.iter().map(|network| on(network, ON_NETWORK)));
    needed
}

fn needed_for_isos(inventory: &Inventory, datastores: &[MoRef]) -> Vec<Need> {
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
    use crate::{
        inventory::properties::fixtures::{inventory, moref},
        placement::FolderPlan,
    };

    fn placement() -> Placement {
        Placement {
            folder: FolderPlan {
                existing: moref("Folder", "group-v3"),
                missing: Vec::new(),
                path: "/DC0/vm".into(),
            },
            datacenter: moref("Datacenter", "dc-1"),
            cluster: moref("ClusterComputeResource", "c-1"),
            pool: moref("ResourcePool", "pool-1"),
            datastore: moref("Datastore", "ds-1"),
            datastore_name: "ds".into(),
            networks: Vec::new(),
            hosts: Vec::new(),
        }
    }

    #[test]
    fn taking_isos_out_needs_its_privileges_where_it_is_asked_and_each_is_named_once() {
        let folder = placement().folder.existing;
        let missing = FOR_EJECTION.map(|(privilege, _)| privilege.to_owned());
        let found = [EntityPrivileges {
            entity: folder.clone(),
            missing: missing.into(),
        }];
        let lacks = |scope| lacks(needed(&placement(), &[], scope), &found);
        let media = "VirtualMachine.Interact.SetCDMedia";
        assert_eq!(
            lacks(Scope::Machines),
            [(folder.clone(), media, vec![Verb::Create])]
        );
        let eject = |privilege| (folder.clone(), privilege, vec![Verb::EjectIso]);
        assert_eq!(
            lacks(Scope::WithEjection),
            [
                (folder.clone(), media, vec![Verb::Create, Verb::EjectIso]),
                eject("VirtualMachine.Config.EditDevice"),
                eject("VirtualMachine.Interact.DeviceConnection"),
                eject("VirtualMachine.Interact.AnswerQuestion"),
            ]
        );
    }

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
