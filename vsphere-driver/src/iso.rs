//! ISOs on datastores: looked at, and brought there.

pub mod catalog;
pub mod destination;
pub mod digest;
pub mod folder;
pub mod garbage;
pub mod image;
pub mod inspect;
pub mod keeper;
pub mod mounts;
pub mod name;
pub mod ours;
pub mod path;
pub mod peek;
pub mod placing;
pub mod record;
pub mod removal;
pub mod retry;
pub mod source;
pub mod store;
pub mod sweep;
pub mod transfer;
pub mod upload;
pub mod uses;
pub mod view;
pub mod wishes;

use crate::{
    inventory::{
        Inventory, Kind,
        resolve::{Scope, Unresolved, resolve},
    },
    soap::{MoRef, datastore::FoundFiles},
    vcenter::VCenter,
};
use contract::v1::{Fault, InventoryObject, Reason};
use path::DatastorePath;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a file that was found need not be looked for again.
const REMEMBERED: Duration = Duration::from_mins(1);

/// A file that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its datastore.
    pub datastore: InventoryObject,
    /// Its size in bytes.
    pub size_bytes: i64,
}

/// Files that were found a moment ago.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<HashMap<(MoRef, String), (Instant, Found)>>);

/// The datastore that a path names, in the datacenter.
pub fn datastore(
    inventory: &Inventory,
    path: &DatastorePath,
    datacenter: Option<&MoRef>,
    field: &str,
) -> Result<MoRef, Fault> {
    let asked = crate::inventory::path::encode(path.datastore());
    named_datastore(inventory, &asked, datacenter, field)
}

/// The datastore that a request names, in the datacenter.
pub fn named_datastore(
    inventory: &Inventory,
    asked: &str,
    datacenter: Option<&MoRef>,
    field: &str,
) -> Result<MoRef, Fault> {
    let scope = Scope {
        datacenter,
        preferred: None,
    };
    resolve(inventory, Kind::Datastore, asked, scope).map_err(|unresolved| {
        let asked = crate::inventory::path::decode(asked);
        let (reason, candidates) = match unresolved {
            Unresolved::NotFound(near) => (Reason::PlacementNotFound, near),
            Unresolved::Ambiguous(all) => (Reason::PlacementAmbiguous, all),
        };
        let paths: Vec<_> = candidates
            .iter()
            .map(|moref| inventory.path(moref))
            .collect();
        let listed = paths.join(", ");
        let what = match reason {
            Reason::PlacementAmbiguous => {
                format!("`{field}`: several datastores are called `{asked}`: {listed}")
            }
            _ if listed.is_empty() => {
                format!("`{field}`: no datastore `{asked}` is in sight")
            }
            _ => format!("`{field}`: no datastore `{asked}` is in sight; near it: {listed}"),
        };
        Fault::new(reason, what)
            .at(field)
            .with("asked", asked)
            .with("candidates", listed)
    })
}

/// Looks for a file on its datastore.
pub async fn look(
    vcenter: &VCenter,
    path: &DatastorePath,
    datastore: &MoRef,
    operation_id: &str,
) -> Result<Found, Fault> {
    let place = (datastore.clone(), path.to_string());
    if let Some(found) = vcenter.isos.recall(&place) {
        return Ok(found);
    }
    let (described, browser) = vcenter.read(|state| {
        let object = state.inventory.get(datastore);
        let browser = object.and_then(|object| object.browser.clone());
        let accessible = object.is_some_and(|object| object.accessible);
        (
            state.inventory.describe(datastore),
            browser.filter(|_| accessible),
        )
    });
    let Some(browser) = browser else {
        let what = format!("datastore `{}` cannot be looked into", described.path);
        let fault = Fault::new(Reason::DatastoreUnavailable, what);
        return Err(fault.with("datastore", described.path));
    };
    let doing = format!("looking for `{path}`");
    let search = vcenter.session.look(operation_id, |vim, _| {
        let (browser, folder) = (browser.clone(), path.folder_path());
        let file = path.file().to_owned();
        async move { vim.search_datastore(&browser, &folder, &file).await }
    });
    let task = search
        .await
        .map_err(|failure| vcenter.explain(&failure, &doing))?;
    let missing = || {
        let what = format!("there is no `{path}`");
        Fault::new(Reason::IsoMissing, what).with("path", path)
    };
    let result = match vcenter.outcome(&task, &doing).await {
        Ok(result) => result,
        // The folder itself is missing.
        Err(fault) if fault.reason() == Reason::IsoMissing => return Err(missing()),
        Err(fault) => return Err(fault),
    };
    let files = result
        .map(|result| FoundFiles::of(&result))
        .unwrap_or_default()
        .files;
    let file = files
        .into_iter()
        .find(|file| file.path == path.file())
        .ok_or_else(missing)?;
    let found = Found {
        datastore: described,
        size_bytes: file.size.unwrap_or_default(),
    };
    vcenter.isos.remember(place, found.clone());
    Ok(found)
}

// === impl Remembered ===

impl Remembered {
    fn recall(&self, place: &(MoRef, String)) -> Option<Found> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, found) = files.get(place)?;
        (at.elapsed() < REMEMBERED).then(|| found.clone())
    }

    /// A file was removed.
    pub fn forget(&self, place: &(MoRef, String)) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.remove(place);
    }

    fn remember(&self, place: (MoRef, String), found: Found) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        files.insert(place, (Instant::now(), found));
    }
}
