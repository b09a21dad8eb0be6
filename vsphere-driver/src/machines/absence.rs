//! Proofs that a machine does not exist. "Could not look" is never "not there".

use crate::{
    soap::{
        Error, MoRef,
        property_collector::{FilterSpec, PropertySpec},
        search::UuidKind,
    },
    vcenter::{
        VCenter, clock,
        session::{Current, Failure},
    },
    vim::Vim,
};
use contract::{
    identity::MachineKey,
    v1::{Absence, AbsenceProof, Fault, Reason},
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// Between attempts to find out what became of a machine that left the view: doubled from the first to
/// the last. One may stay out of sight for months, as when a privilege was taken away.
const AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(10));
/// `descriptionId` of the task that makes a machine.
const CREATE: &str = "Folder.createVm";

/// The proof of a direct read, made now.
pub fn proved(proof: AbsenceProof) -> Absence {
    Absence {
        proof: proof.into(),
        proved_at: Some(clock::now()),
    }
}

/// Reads a machine directly: the proof, if vCenter says that there is no such object; nothing, if it is
/// there.
pub async fn read_directly(vcenter: &VCenter, moref: &MoRef) -> Result<Option<Absence>, Failure> {
    let name = [PropertySpec::new("VirtualMachine", ["name"])];
    let spec = FilterSpec::of_objects([moref.clone()], name);
    let read = vcenter.session.retrieve(spec);
    match read.await {
        Ok(_) => Ok(None),
        Err(failure) if failure.is_fault("ManagedObjectNotFound") => {
            Ok(Some(proved(AbsenceProof::MorefNotFound)))
        }
        Err(failure) => Err(failure),
    }
}

/// Finds out what became of a machine that left the view: gone, or only out of sight.
pub async fn prove_lost(vcenter: Arc<VCenter>, moref: MoRef) {
    let mut pause = AGAIN.0;
    loop {
        let is_missing = vcenter.read(|state| state.is_missing(&moref));
        if !is_missing && !vcenter.write(|state| state.is_looked_for(&moref)) {
            return;
        }
        match read_directly(&vcenter, &moref).await {
            Ok(Some(absence)) => {
                vcenter.write(|state| {
                    if state.is_missing(&moref) {
                        state.remove_vm(&moref, absence);
                    }
                });
                continue;
            }
            // Out of sight, and still there: unknown until it comes back or goes.
            Ok(None) => {}
            Err(failure) => {
                let fault = vcenter.explain(&failure, "reading a machine that left the view");
                tracing::warn!(moref = %moref.id, error = fault.message, "Fate not known");
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(AGAIN.1);
    }
}

/// Proves that the machine of a key that this run never saw does not exist: by the moref that it had,
/// or by a look at where it would be.
pub async fn prove(
    vcenter: &VCenter,
    key: &MachineKey,
    (moref_hint, folder_hint): (&str, &str),
) -> Result<Absence, Fault> {
    let doing = format!("proving that machine {key} is gone");
    let explain = |failure: Failure| vcenter.explain(&failure, &doing);
    vcenter.connected().await.map_err(|fault| *fault)?;
    if !moref_hint.is_empty() {
        let moref = MoRef::new("VirtualMachine", moref_hint);
        if let Some(absence) = read_directly(vcenter, &moref).await.map_err(explain)? {
            return Ok(absence);
        }
        let what = format!("`{moref_hint}` exists, but is not seen as machine {key}");
        return Err(Fault::new(Reason::AbsenceUnproven, what));
    }
    if folder_hint.is_empty() {
        let what = format!("machine {key} was never seen, and nothing says where it would be");
        return Err(Fault::new(Reason::AbsenceUnproven, what));
    }
    if !vcenter.read(|state| is_readable(state, folder_hint)) {
        let what = format!("the folder `{folder_hint}` is not in sight");
        return Err(Fault::new(Reason::AbsenceUnproven, what).with("folder", folder_hint));
    }
    let uuid = key.instance_uuid().to_string();
    let look = vcenter.session.look("", |vim, now| {
        let uuid = uuid.clone();
        async move { is_nowhere(&vim, &now, &uuid).await }
    });
    if !look.await.map_err(explain)? {
        let what = format!("machine {key} is there, or is being made");
        return Err(Fault::new(Reason::AbsenceUnproven, what).with("folder", folder_hint));
    }
    Ok(proved(AbsenceProof::NotInView))
}

/// A folder can be looked into if it is in sight, or if the first of its levels that is missing lies in
/// one that is: then there is no such folder.
fn is_readable(state: &crate::vcenter::state::State, path: &str) -> bool {
    use crate::inventory::{Kind, path};
    let inventory = &state.inventory;
    let wanted = path::split(path);
    inventory.of_kind(Kind::Folder).any(|(moref, _)| {
        let segments: Vec<_> = inventory
            .segments(moref)
            .into_iter()
            .map(path::decode)
            .collect();
        // `/DC0/vm` at least: the top of the tree says nothing about machines.
        segments.len() >= 2 && segments[1] == "vm" && wanted.starts_with(&segments)
    })
}

/// No machine has this instance UUID, and no task that could still make one runs.
async fn is_nowhere(vim: &Vim, now: &Current, uuid: &str) -> Result<bool, Error> {
    if is_making(vim, now).await? {
        return Ok(false);
    }
    // After the tasks: one that ended meanwhile has made its machine by now.
    let index = &now.content.search_index;
    Ok(vim
        .find_vms(index, None, uuid, UuidKind::Instance)
        .await?
        .is_empty())
}

/// Whether a task runs that will make some machine.
pub async fn is_making(vim: &Vim, now: &Current) -> Result<bool, Error> {
    let collector = &now.content.property_collector;
    let manager = MoRef::new("TaskManager", "TaskManager");
    let recent = [PropertySpec::new("TaskManager", ["recentTask"])];
    let spec = [FilterSpec::of_objects([manager], recent)];
    let managers = vim.retrieve(collector, &spec, None).await?;
    let tasks: Vec<_> = managers
        .iter()
        .filter_map(|manager| manager.property("recentTask"))
        .flat_map(|list| list.morefs().collect::<Vec<_>>())
        .collect();
    if tasks.is_empty() {
        return Ok(false);
    }
    let info = [PropertySpec::new(
        "Task",
        ["info.state", "info.descriptionId"],
    )];
    let spec = [FilterSpec::of_objects(tasks, info).tolerating_missing()];
    let found = vim.retrieve(collector, &spec, None).await?;
    Ok(found.iter().any(|task| {
        let text = |path: &str| task.property(path).map_or("", |value| value.text());
        matches!(text("info.state"), "running" | "queued") && text("info.descriptionId") == CREATE
    }))
}
