//! Removes garbage from the folders that were used.

use super::{
    catalog, destination::Destination, folder::File, mounts, store::Store, view::Mounts,
    wishes::IsoId,
};
use crate::{
    core::Core,
    edge::caller::new_operation_id,
    soap::MoRef,
    vcenter::{VCenter, clock, state::State},
};
use contract::v1::Fault;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::sleep;

/// Between two looks at the longest. Idle, a vCenter is asked no more than a few times per look.
const LONGEST: Duration = Duration::from_mins(30);
/// Between two looks at the shortest.
const SHORTEST: Duration = Duration::from_secs(1);

/// Looks into the folder of a datastore, at who mounts its files, and notes which are garbage. Gives
/// those whose time has come.
pub async fn look(
    core: &Core,
    store: &Store,
    vcenter: &Arc<VCenter>,
    datastore: &MoRef,
) -> Result<Vec<String>, Fault> {
    let place = Destination::of(vcenter, datastore, &store.settings.folder)?;
    let op = new_operation_id();
    let folder = catalog::see(store, (vcenter, &place), &op).await?;
    let mounts = if folder.files.is_empty() {
        Mounts::new()
    } else {
        mounts::look(vcenter, datastore).await?
    };
    let wanted = wanted(core, vcenter, &place, folder.files.keys());
    let (grace, now) = (store.settings.grace, clock::now());
    Ok(vcenter.write(|state| {
        let Some(folder) = state.isos.folders.get_mut(datastore) else {
            return Vec::new();
        };
        folder.mounts = mounts;
        let mounts = &folder.mounts.clone();
        let is_used = |name: &str, _: &File| {
            let is_mounted = mounts.contains_key(&place.path(name));
            (wanted.contains(name), is_mounted)
        };
        folder.mark_unused(is_used, grace, now)
    }))
}

/// Files that an ISO wants.
fn wanted<'a>(
    core: &Core,
    vcenter: &VCenter,
    place: &Destination,
    files: impl Iterator<Item = &'a String>,
) -> BTreeSet<String> {
    let is_wanted = |file: &&String| !wanted_by(core, vcenter, place, file).is_empty();
    files.filter(is_wanted).cloned().collect()
}

/// Who wants a file, under whatever name its vCenter is known to them.
pub fn wanted_by(
    core: &Core,
    vcenter: &VCenter,
    place: &Destination,
    file: &str,
) -> BTreeSet<IsoId> {
    let instance = vcenter.instance();
    let path = place.path(file);
    let of = |state: &State| -> Vec<_> {
        let by_name = state.isos.named_by(&path);
        let by_content = state.isos.wanted_by(place.datastore(), file);
        by_name.chain(by_content).cloned().collect()
    };
    let all = core.all().into_iter();
    all.filter(|it| it.instance() == instance)
        .flat_map(|it| it.read(of))
        .collect()
}

/// Removes garbage for as long as the vCenter is followed.
pub async fn keep_clean(core: Arc<Core>, store: Arc<Store>, vcenter: Arc<VCenter>) {
    let pause = (store.settings.grace / 4).clamp(SHORTEST, LONGEST);
    loop {
        sleep(pause).await;
        if vcenter.require_connected().is_err() {
            continue;
        }
        let used: Vec<_> = vcenter.read(|state| state.isos.folders.keys().cloned().collect());
        for datastore in used {
            if let Err(fault) = clean(&core, &store, &vcenter, &datastore).await {
                let (vcenter, error) = (&vcenter.name, fault.message);
                tracing::warn!(vcenter, error, "Folder of ISOs not cleaned");
            }
        }
    }
}

async fn clean(
    core: &Core,
    store: &Store,
    vcenter: &Arc<VCenter>,
    datastore: &MoRef,
) -> Result<(), Fault> {
    let due = look(core, store, vcenter, datastore).await?;
    let place = Destination::of(vcenter, datastore, &store.settings.folder)?;
    for file in due {
        let op = new_operation_id();
        let is_wanted = || !wanted(core, vcenter, &place, [&file].into_iter()).is_empty();
        // Somebody may have asked while the folder was looked at.
        if is_wanted() {
            continue;
        }
        let path = place.path(&file);
        match catalog::remove_file(store, (vcenter, &place), &file, &op).await {
            Ok(()) => tracing::info!(path, operation_id = op, "ISO that nobody needs removed"),
            Err(fault) => {
                tracing::warn!(
                    path,
                    error = fault.message,
                    "ISO that nobody needs not removed"
                );
            }
        }
    }
    Ok(())
}
