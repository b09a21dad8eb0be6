//! Goes round the datastores of each vCenter and removes garbage, also what a restart made forgotten.

mod rounds;

use super::{
    catalog,
    destination::Destination,
    folder::Folder,
    mounts::{self, Drives},
    removal::{Cause, Removal},
    store::Store,
    uses, view,
};
use crate::{
    core::Core,
    edge::caller::new_operation_id,
    inventory::Kind,
    soap::MoRef,
    vcenter::{VCenter, clock, state::State},
};
use contract::v1::Fault;
use rounds::{Pace, Place, Rounds};
use std::{collections::BTreeSet, sync::Arc};
use tokio::time::{Instant, sleep};

/// When vCenter is asked who mounts the files of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whenever there are files.
    Always,
    /// When one may be garbage, by all that is known without asking.
    ForGarbage,
}

/// From now on garbage is removed from each vCenter that is followed.
pub fn keep_all_clean(core: &Arc<Core>, store: &Arc<Store>) {
    let (core_of, store) = (Arc::downgrade(core), Arc::clone(store));
    core.for_each(Box::new(move |vcenter| {
        if let Some(core) = core_of.upgrade() {
            vcenter.spawn(keep_clean(core, Arc::clone(&store), Arc::clone(vcenter)));
        }
    }));
}

/// Looks into the folder of a datastore, at who needs its files, and notes which are garbage. Gives those
/// whose time has come.
pub async fn look(
    core: &Core,
    store: &Store,
    (vcenter, datastore): (&Arc<VCenter>, &MoRef),
    ask: Ask,
) -> Result<Vec<String>, Fault> {
    let place = Destination::of(vcenter, datastore, &store.settings.folder)?;
    let op = new_operation_id();
    let folder = catalog::tidy(store, (vcenter, &place), &op).await?;
    let wanted = wanted(core, vcenter, &place, &folder);
    let ours = Drives {
        mounts: vcenter.read(view::mounts),
        ..Drives::default()
    };
    let asks = match ask {
        Ask::Always => !folder.files.is_empty(),
        Ask::ForGarbage => folder.has_garbage(uses_of(&place, &wanted, &ours)),
    };
    let asked = if asks {
        Some(mounts::look(vcenter, datastore).await?)
    } else {
        None
    };
    if let Some(machine) = asked.as_ref().and_then(|drives| drives.unread.first()) {
        let folder = place.path("");
        tracing::warn!(
            folder,
            machine,
            "No ISO is removed: drives of machines not read"
        );
    }
    let (grace, now) = (store.settings.grace, clock::now());
    Ok(vcenter.write(|state| {
        let Some(folder) = state.isos.folders.get_mut(datastore) else {
            return Vec::new();
        };
        let drives = asked.as_ref().unwrap_or(&ours);
        let due = folder.mark_unused(uses_of(&place, &wanted, drives), grace, now);
        if let Some(asked) = asked {
            folder.drives = asked;
        }
        due
    }))
}

/// Files that an ISO wants.
fn wanted(
    core: &Core,
    vcenter: &Arc<VCenter>,
    place: &Destination,
    folder: &Folder,
) -> BTreeSet<String> {
    let files = folder.files.iter();
    let wanted = files
        .filter(|(name, file)| !uses::wanted_by(core, vcenter, place, (name, file)).is_empty());
    wanted.map(|(name, _)| name.clone()).collect()
}

/// Whether a file is wanted, and whether a machine mounts it or may.
fn uses_of<'a>(
    place: &'a Destination,
    wanted: &'a BTreeSet<String>,
    drives: &'a Drives,
) -> impl Fn(&str) -> (bool, bool) + 'a {
    |name| (wanted.contains(name), drives.may_hold(&place.path(name)))
}

/// Removes garbage for as long as the vCenter is followed.
async fn keep_clean(core: Arc<Core>, store: Arc<Store>, vcenter: Arc<VCenter>) {
    let pace = Pace::of(store.settings.grace);
    let mut rounds = Rounds::default();
    loop {
        sleep(pace.step).await;
        if vcenter.require_connected().is_err() {
            continue;
        }
        let Some(next) = rounds.next(&vcenter.read(places), pace, Instant::now()) else {
            continue;
        };
        let Place { datastore, is_used } = next;
        if let Err(fault) = clean(&core, &store, &vcenter, &datastore).await {
            let (vcenter, error) = (&vcenter.name, fault.message);
            if is_used {
                tracing::warn!(vcenter, error, "Folder of ISOs not cleaned");
            } else {
                // It may be none of ours to look into.
                tracing::debug!(vcenter, error, "Datastore not searched for ISOs");
            }
        }
        vcenter.write(|state| forget_unused(state, &datastore));
    }
}

/// The datastores that can be looked at.
fn places(state: &State) -> Vec<Place> {
    let all = state.inventory.of_kind(Kind::Datastore);
    let all = all.filter(|(_, object)| object.accessible && !object.in_maintenance);
    let mut places: Vec<_> = all
        .map(|(datastore, _)| Place {
            datastore: datastore.clone(),
            is_used: is_used(state, datastore),
        })
        .collect();
    places.sort_unstable_by(|a, b| a.datastore.cmp(&b.datastore));
    places
}

/// Whether there is something of ours, or somebody wants it there.
fn is_used(state: &State, datastore: &MoRef) -> bool {
    let folder = state.isos.folders.get(datastore);
    let mut images = state.isos.images();
    folder.is_some_and(|folder| !folder.files.is_empty())
        || images.any(|image| image.copies.contains_key(datastore))
}

/// Forgets a folder that has nothing of ours, and those of datastores that are no more.
fn forget_unused(state: &mut State, looked: &MoRef) {
    let is_used = is_used(state, looked);
    let (folders, inventory) = (&mut state.isos.folders, &state.inventory);
    folders.retain(|datastore, _| {
        inventory.get(datastore).is_some() && (datastore != looked || is_used)
    });
}

async fn clean(
    core: &Core,
    store: &Store,
    vcenter: &Arc<VCenter>,
    datastore: &MoRef,
) -> Result<(), Fault> {
    let due = look(core, store, (vcenter, datastore), Ask::ForGarbage).await?;
    if due.is_empty() {
        return Ok(());
    }
    let place = Destination::of(vcenter, datastore, &store.settings.folder)?;
    let op = &*new_operation_id();
    let removal = Removal {
        core,
        store,
        vcenter,
        place: &place,
        cause: Cause::Garbage,
        op,
    };
    let outcome = removal.run(&due).await?;
    for (file, removed) in due.iter().zip(outcome) {
        let path = place.path(file);
        match removed {
            Ok(()) => tracing::info!(path, operation_id = op, "ISO that nobody needs removed"),
            Err(fault) => {
                let error = fault.message;
                tracing::warn!(path, error, "ISO that nobody needed not removed");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        inventory::Object,
        iso::wishes::fixtures::{at_url, caller, datastore, id},
    };
    use contract::v1::Owner;

    fn with_datastore(state: &mut State, number: u8, change: impl FnOnce(&mut Object)) {
        let object = state
            .inventory
            .entry(&datastore(number))
            .expect("a datastore");
        object.accessible = true;
        change(object);
    }

    #[test]
    fn datastores_in_service_are_gone_round_whether_used_or_not() {
        let mut state = State::default();
        with_datastore(&mut state, 1, |_| {});
        with_datastore(&mut state, 2, |it| it.in_maintenance = true);
        with_datastore(&mut state, 3, |it| it.accessible = false);
        with_datastore(&mut state, 4, |_| {});
        let from = at_url("https://images.example/a.iso", "", &[datastore(4)]);
        let whose = (&id("a"), Owner::default());
        state.isos.want_url(whose, from, &caller(), Instant::now());
        let places: Vec<_> = places(&state)
            .into_iter()
            .map(|place| (place.datastore, place.is_used))
            .collect();
        assert_eq!(places, [(datastore(1), false), (datastore(4), true)]);
    }

    #[test]
    fn a_folder_is_forgotten_when_nothing_of_ours_is_there_or_its_datastore_is_gone() {
        let mut state = State::default();
        with_datastore(&mut state, 1, |_| {});
        with_datastore(&mut state, 2, |_| {});
        for number in 1..=3 {
            let folder = state.isos.folders.entry(datastore(number));
            folder.or_default();
        }
        forget_unused(&mut state, &datastore(1));
        let left: Vec<_> = state.isos.folders.keys().cloned().collect();
        assert_eq!(left, [datastore(2)], "it is looked at in its turn");
    }
}
