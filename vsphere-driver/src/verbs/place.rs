//! Checks where machines of a spec would go, and makes the folder that they need.

use super::capacity::{Asked, capacity};
use crate::{
    inventory::path as inventory_path,
    iso::{self, path::DatastorePath},
    placement::{FolderPlan, Placed, Placement, place},
    soap::MoRef,
    vcenter::{
        VCenter,
        privileges::{self, Scope},
        session::Failure,
    },
};
use contract::v1::{
    Fault, MissingPrivilege, PlacementReport, Reason, ResolutionState, VirtualMachineSpec,
};

const ISO_FIELD: &str = "spec.cdrom.iso_path";
/// How often a folder is tried to be made whose reply was lost, and that is not there.
const ATTEMPTS: usize = 2;

/// Everything that can be said of a spec's placement, all at once.
pub async fn report(
    vcenter: &VCenter,
    spec: &VirtualMachineSpec,
    scope: Scope,
    operation_id: &str,
) -> Result<(PlacementReport, Option<Placement>), Fault> {
    let Placed {
        placement,
        resolutions,
        folders_to_create,
        mut faults,
    } = vcenter.read(|state| place(&state.inventory, spec));
    let mut missing_privileges = Vec::new();
    if let Some(placement) = &placement {
        missing_privileges = missing(vcenter, placement, &resolutions, scope).await?;
        faults.extend(missing_privileges.iter().map(privileges::fault));
        if let Err(fault) = check_iso(vcenter, spec, placement, operation_id).await {
            faults.push(fault);
        }
    }
    // What cannot be measured is left out: machines can be made all the same.
    let capacity = capacity(vcenter, spec, Asked::default()).await.ok();
    let report = PlacementReport {
        resolutions,
        folders_to_create,
        missing_privileges,
        capacity,
        faults,
    };
    Ok((report, placement))
}

async fn missing(
    vcenter: &VCenter,
    placement: &Placement,
    resolutions: &[contract::v1::Resolution],
    scope: Scope,
) -> Result<Vec<MissingPrivilege>, Fault> {
    let found = |state| matches!(state, ResolutionState::Resolved | ResolutionState::Chosen);
    let ids: Vec<_> = resolutions
        .iter()
        .filter(|r| r.field.starts_with("spec.network_interfaces") && found(r.state()))
        .filter_map(|r| r.object.as_ref().map(|object| object.moref.clone()))
        .collect();
    let networks: Vec<MoRef> = vcenter.read(|state| {
        let all = state.inventory.of_kind(crate::inventory::Kind::Network);
        all.map(|(moref, _)| moref)
            .filter(|m| ids.iter().any(|id| **id == *m.id))
            .cloned()
            .collect()
    });
    let checked = privileges::missing(vcenter, placement, &networks, scope).await;
    checked.map_err(|failure| vcenter.explain(&failure, "checking privileges"))
}

/// The placement for machines that are to be made now, or the first thing that speaks against it.
pub async fn require(
    vcenter: &VCenter,
    spec: &VirtualMachineSpec,
    operation_id: &str,
) -> Result<Placement, Fault> {
    let placed = vcenter.read(|state| place(&state.inventory, spec));
    if let Some(fault) = placed.faults.into_iter().next() {
        return Err(fault);
    }
    let gone = || {
        Fault::new(
            Reason::ObjectGone,
            "something was removed while it was resolved",
        )
    };
    let placement = placed.placement.ok_or_else(gone)?;
    check_iso(vcenter, spec, &placement, operation_id).await?;
    Ok(placement)
}

async fn check_iso(
    vcenter: &VCenter,
    spec: &VirtualMachineSpec,
    placement: &Placement,
    operation_id: &str,
) -> Result<(), Fault> {
    let Some(cdrom) = &spec.cdrom else {
        return Ok(());
    };
    let path = DatastorePath::parse(&cdrom.iso_path)
        .map_err(|problem| Fault::new(Reason::InvalidDatastorePath, problem).at(ISO_FIELD))?;
    let datacenter = Some(&placement.datacenter);
    let datastore =
        vcenter.read(|state| iso::datastore(&state.inventory, &path, datacenter, ISO_FIELD))?;
    let found = iso::look(vcenter, &path, &datastore, operation_id).await;
    found.map(drop).map_err(|fault| fault.at(ISO_FIELD))
}

/// The folder of a plan; missing levels are made, one after the other.
pub async fn folder(
    vcenter: &VCenter,
    plan: &FolderPlan,
    operation_id: &str,
) -> Result<MoRef, Fault> {
    if plan.missing.is_empty() {
        return Ok(plan.existing.clone());
    }
    let _one_at_a_time = vcenter.folders.lock().await;
    let mut parent = plan.existing.clone();
    for name in &plan.missing {
        let known = vcenter.read(|state| state.inventory.child_folder(&parent, name).cloned());
        parent = match known {
            Some(folder) => folder,
            None => make(vcenter, &parent, name, operation_id).await?,
        };
    }
    Ok(parent)
}

async fn make(
    vcenter: &VCenter,
    parent: &MoRef,
    name: &str,
    operation_id: &str,
) -> Result<MoRef, Fault> {
    let doing = format!("making the folder `{name}`");
    let explain = |failure: Failure| vcenter.explain(&failure, &doing);
    let encoded = inventory_path::encode(name);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let create = vcenter.session.run(operation_id, |vim, _| {
            let (parent, name) = (parent.clone(), encoded.clone());
            async move { vim.create_folder(&parent, &name).await }
        });
        let failure = match create.await {
            Ok(folder) => {
                tracing::info!(vcenter = vcenter.name, folder = name, "Folder made");
                return Ok(folder);
            }
            Err(failure) => failure,
        };
        // Somebody was quicker, or the reply was lost: perhaps it is there.
        if failure.certainly_not_run() && !failure.is_fault("DuplicateName") {
            return Err(explain(failure));
        }
        let found = find(vcenter, parent, &encoded, operation_id).await;
        match found.map_err(explain)? {
            Some(folder) => return Ok(folder),
            None if attempts < ATTEMPTS => {}
            None => return Err(explain(failure)),
        }
    }
}

/// The folder of this name, as vCenter writes it, right below `parent`.
async fn find(
    vcenter: &VCenter,
    parent: &MoRef,
    encoded: &str,
    operation_id: &str,
) -> Result<Option<MoRef>, Failure> {
    let find = vcenter.session.look(operation_id, |vim, now| {
        let (parent, name) = (parent.clone(), encoded.to_owned());
        async move {
            let index = &now.content.search_index;
            vim.find_child(index, &parent, &name).await
        }
    });
    Ok(find.await?.filter(|found| &*found.kind == "Folder"))
}
