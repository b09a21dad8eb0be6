//! `ListIsoFiles`: files of ours on datastores.

use super::{IsosService, convert};
use crate::{
    grpc::{convert::page, named},
    iso::{
        destination::Destination,
        digest::Digest,
        sweep::{self, Ask},
        view,
    },
    soap::MoRef,
    vcenter::{VCenter, state::State},
};
use contract::v1::{Fault, IsoFile, ListIsoFilesRequest, ListIsoFilesResponse};
use std::time::Duration;

/// A page by path.
pub(super) async fn list(
    service: &IsosService,
    request: ListIsoFilesRequest,
) -> Result<ListIsoFilesResponse, Fault> {
    let ListIsoFilesRequest {
        vcenter,
        datacenter,
        datastores,
        page_size,
        page_token,
    } = request;
    let IsosService { core, store } = service;
    let vcenter = named(core, vcenter)?;
    let size = page::size(page_size)?;
    let filter = Digest::of(format!("{datacenter} {datastores:?}").as_bytes()).to_string();
    let after = page::after(&page_token, &filter)?;
    vcenter.require_synced_once().map_err(|fault| *fault)?;
    let within = convert::datacenter(&vcenter, &datacenter)?;
    let mut asked = convert::datastores(&vcenter, &datastores, within.as_ref(), 0)?;
    if datastores.is_empty() {
        asked = vcenter.read(|state| {
            let used = state.isos.folders.keys();
            let is_there = |moref: &&MoRef| {
                let datacenter = state.inventory.datacenter_of(moref);
                datacenter.is_some() && (within.is_none() || datacenter == within.as_ref())
            };
            used.filter(is_there).cloned().collect()
        });
    }
    let mut faults = Vec::new();
    if after.is_empty() {
        // Pages are of one look. Where one cannot be taken, the others are shown all the same.
        for datastore in &asked {
            let looked = sweep::look(core, store, (&vcenter, datastore), Ask::Always).await;
            faults.extend(looked.err().map(|fault| about(&vcenter, datastore, fault)));
        }
    }
    let grace = store.settings.grace;
    let mut files = Vec::new();
    for datastore in &asked {
        // Of one that is out of service nothing can be said but that.
        if let Ok(place) = Destination::of(&vcenter, datastore, &store.settings.folder) {
            vcenter.read(|state| add(&mut files, state, &place, grace));
        }
    }
    files.sort_by(|a: &IsoFile, b| a.path.cmp(&b.path));
    files.retain(|file| file.path.as_str() > after);
    let more = files.len() > size;
    files.truncate(size);
    let last = files.last().filter(|_| more);
    let next_page_token = last.map(|last| page::token(&filter, &last.path));
    let listed_at = vcenter.read(|state| {
        let folders = asked
            .iter()
            .filter_map(|moref| state.isos.folders.get(moref));
        let times = folders.filter_map(|folder| folder.listed_at);
        times.min_by_key(|at| (at.seconds, at.nanos))
    });
    Ok(ListIsoFilesResponse {
        files,
        next_page_token: next_page_token.unwrap_or_default(),
        listed_at,
        faults,
    })
}

/// The fault of one datastore, with its name.
fn about(vcenter: &VCenter, datastore: &MoRef, fault: Fault) -> Fault {
    let path = vcenter.read(|state| state.inventory.path(datastore));
    fault.with("datastore", path)
}

fn add(files: &mut Vec<IsoFile>, state: &State, place: &Destination, grace: Duration) {
    let datastore = place.datastore();
    let Some(folder) = state.isos.folders.get(datastore) else {
        return;
    };
    for (name, file) in &folder.files {
        let which = (place.path(name), name.as_str(), file);
        files.push(view::found(state, (datastore, folder), which, grace));
    }
}
