//! `EnsureIso`: a file that others put there is looked for, a content at a URL is fetched.

use super::{
    IsosService, convert,
    plan::{self, Sought},
};
use crate::{
    edge::caller::Caller,
    grpc::{convert as common, named},
    inventory::Kind,
    iso::{
        self,
        path::DatastorePath,
        record, view,
        wishes::{FromUrl, IsoId},
    },
    soap::MoRef,
    vcenter::{VCenter, privileges, state::State},
};
use contract::v1::{
    EnsureIsoRequest, EnsureIsoResponse, Fault, InventoryObject, Iso, IsoFile, IsoOrigin, IsoState,
    Owner, Reason, Resolution, ResolutionState, iso_source::Source,
};
use std::{sync::Arc, time::Duration};

const PATH_FIELD: &str = "source.datastore_path";
/// ISOs of one vCenter.
const MAX_ISOS: usize = 20_000;

/// A request, as far as it is the same for all kinds of sources.
struct Asked<'a> {
    service: &'a IsosService,
    vcenter: Arc<VCenter>,
    caller: &'a Caller,
    id: IsoId,
    owner: Owner,
    datacenter: String,
    wait: Duration,
    validate_only: bool,
}

/// Has an ISO where it is wanted.
pub(super) async fn ensure(
    service: &IsosService,
    caller: &Caller,
    message: EnsureIsoRequest,
) -> Result<EnsureIsoResponse, Fault> {
    let EnsureIsoRequest {
        caller: _,
        vcenter,
        owner,
        id,
        source,
        datacenter,
        datastores,
        file_label,
        wait,
        validate_only,
    } = message;
    let vcenter = named(&service.core, vcenter)?;
    let owner = common::owner(owner, &caller.hub_id)?;
    let id = convert::id_of(&owner, id, caller, "id")?;
    let label = convert::label(&file_label, "file_label")?;
    let wait = common::wait(wait)?;
    let source = source.ok_or_else(|| Fault::invalid("source", "is missing"))?;
    let source = source.source.ok_or_else(unsupported)?;
    let asked = Asked {
        service,
        vcenter,
        caller,
        id,
        owner,
        datacenter,
        wait,
        validate_only,
    };
    match source {
        Source::DatastorePath(text) => {
            if !datastores.is_empty() {
                let problem = "must be empty: the path names its datastore";
                return Err(Fault::invalid("datastores", problem));
            }
            asked.there(&convert::path(&text, PATH_FIELD)?).await
        }
        Source::Url(url) => {
            let policy = &service.store.policy;
            let from = convert::from_url(url, label, Vec::new(), policy)?;
            asked.fetched(from, &datastores).await
        }
    }
}

fn unsupported() -> Fault {
    let what =
        "`source` is none that this driver takes: set `source.datastore_path` or `source.url`";
    Fault::new(Reason::IsoSourceUnsupported, what).at("source")
}

impl Asked<'_> {
    /// The inventory is complete, and the datacenter is known.
    async fn site(&self) -> Result<Option<MoRef>, Fault> {
        self.vcenter.connected().await.map_err(|fault| *fault)?;
        let is_full =
            |state: &State| state.isos.count() >= MAX_ISOS && state.isos.wish(&self.id).is_none();
        if !self.validate_only && self.vcenter.read(is_full) {
            let what = format!(
                "{MAX_ISOS} ISOs are wanted on vCenter `{}`",
                self.vcenter.name
            );
            return Err(Fault::new(Reason::Overloaded, what));
        }
        convert::datacenter(&self.vcenter, &self.datacenter)
    }

    // --- A path ---

    async fn there(self, path: &DatastorePath) -> Result<EnsureIsoResponse, Fault> {
        let datacenter = self.site().await?;
        let datastore = self.vcenter.read(|state| {
            iso::datastore(&state.inventory, path, datacenter.as_ref(), PATH_FIELD)
        })?;
        let op = &self.caller.operation_id;
        let found = iso::look(&self.vcenter, path, &datastore, op).await;
        let described = self
            .vcenter
            .read(|state| state.inventory.describe(&datastore));
        let iso = told(path, described.clone(), found);
        let resolution = resolved(PATH_FIELD.into(), path.datastore(), described);
        if self.validate_only {
            let iso = Iso {
                key: Some(self.id.key()),
                owner: Some(self.owner),
                revision: 1,
                ..iso
            };
            return Ok(EnsureIsoResponse {
                resolutions: vec![resolution],
                ..reply(self.caller, iso, true)
            });
        }
        let iso = self.vcenter.write(|state| {
            state.isos.want_there(&self.id, self.owner.clone(), iso);
            view::iso(state, &self.id, &view::mounts(state))
        });
        Ok(reply(self.caller, iso.unwrap_or_default(), true))
    }

    // --- A URL ---

    async fn fetched(
        self,
        mut from: FromUrl,
        datastores: &[String],
    ) -> Result<EnsureIsoResponse, Fault> {
        let datacenter = self.site().await?;
        let found = convert::datastores(&self.vcenter, datastores, datacenter.as_ref(), 1)?;
        from.datastores = found;
        if self.validate_only {
            return self.plan(from, datastores).await;
        }
        let Self {
            service,
            vcenter,
            caller,
            id,
            owner,
            wait,
            ..
        } = self;
        service.store.keep(&vcenter, (&id, owner), from, caller);
        let is_over = |state: &State| told_of(state, &id).is_none_or(|iso| is_done(&iso));
        vcenter.wait_until(wait, is_over).await;
        let iso = vcenter.read(|state| view::iso(state, &id, &view::mounts(state)));
        let iso = iso.ok_or_else(|| super::unknown(&id))?;
        let done = is_done(&iso);
        Ok(reply(caller, iso, done))
    }

    /// What would be done.
    async fn plan(self, from: FromUrl, names: &[String]) -> Result<EnsureIsoResponse, Fault> {
        let asked = self.service.store.fetcher.ask(&from.source).await;
        let missing = privileges::missing_for_isos(&self.vcenter, &from.datastores);
        let missing = missing
            .await
            .map_err(|failure| self.vcenter.explain(&failure, "looking at privileges"))?;
        let (content, away) = match asked {
            Ok(content) => (Some(content), None),
            Err(fault) => (None, Some(fault)),
        };
        let size_bytes = content.as_ref().map_or(0, |content| content.length);
        let sought = Sought {
            wanted: record::Wanted::from_source(&from.source, &from.revision, content.as_ref()),
            size_bytes,
            origin: IsoOrigin::Url,
            op: &self.caller.operation_id,
        };
        let store = &self.service.store;
        let files = plan::files(store, &self.vcenter, &from.datastores, sought).await;
        let (state, fault) = plan::state(&files, away);
        let described: Vec<_> = files
            .iter()
            .filter_map(|file| file.datastore.clone())
            .collect();
        let iso = Iso {
            key: Some(self.id.key()),
            owner: Some(self.owner),
            origin: IsoOrigin::Url.into(),
            source: from.source.masked().to_owned(),
            state: state.into(),
            fault,
            size_bytes: i64::try_from(size_bytes).unwrap_or(i64::MAX),
            files,
            ..Iso::default()
        };
        let all = names.iter().zip(described).enumerate();
        let resolutions = all
            .map(|(index, (name, object))| resolved(format!("datastores[{index}]"), name, object));
        Ok(EnsureIsoResponse {
            resolutions: resolutions.collect(),
            missing_privileges: missing,
            ..reply(self.caller, iso, true)
        })
    }
}

/// What is waited for; who mounts it does not count.
fn told_of(state: &State, id: &IsoId) -> Option<Iso> {
    view::iso(state, id, &view::Mounts::new())
}

/// Each file is whole or has a fault, or the ISO has one.
fn is_done(iso: &Iso) -> bool {
    let is_settled = |file: &IsoFile| file.fault.is_some() || file.state() == IsoState::Ready;
    let is_failed = matches!(iso.state(), IsoState::Failed | IsoState::Unknown);
    let has_own_fault = is_failed && iso.files.iter().all(|file| file.fault.is_none());
    has_own_fault || iso.files.iter().all(is_settled)
}

fn reply(caller: &Caller, iso: Iso, done: bool) -> EnsureIsoResponse {
    EnsureIsoResponse {
        iso: Some(iso),
        resolutions: Vec::new(),
        missing_privileges: Vec::new(),
        done,
        operation_id: caller.operation_id.clone(),
    }
}

fn resolved(field: String, asked: &str, object: InventoryObject) -> Resolution {
    Resolution {
        field,
        kind: Kind::Datastore.on_the_wire().into(),
        asked: asked.to_owned(),
        state: ResolutionState::Resolved.into(),
        object: Some(object),
        ..Resolution::default()
    }
}

fn told(path: &DatastorePath, datastore: InventoryObject, found: Result<iso::Found, Fault>) -> Iso {
    let (state, size_bytes, fault) = match found {
        Ok(found) => (IsoState::Ready, found.size_bytes, None),
        Err(fault) => (view::state_of(&fault), 0, Some(fault)),
    };
    let origin = IsoOrigin::Datastore.into();
    let file = IsoFile {
        datastore: Some(datastore),
        path: path.to_string(),
        state: state.into(),
        size_bytes,
        origin,
        fault: fault.clone(),
        ..IsoFile::default()
    };
    Iso {
        origin,
        source: path.to_string(),
        state: state.into(),
        fault,
        size_bytes,
        files: vec![file],
        ..Iso::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_over_when_all_files_are_settled_or_the_source_fails() {
        let file = |state: IsoState, is_broken: bool| IsoFile {
            state: state.into(),
            fault: is_broken.then(|| Fault::new(Reason::DatastoreFull, "x")),
            ..IsoFile::default()
        };
        let ready = || file(IsoState::Ready, false);
        let broken = || file(IsoState::Failed, true);
        let under_way = || file(IsoState::Transferring, false);
        for (state, files, is_over) in [
            (IsoState::Ready, vec![ready(), ready()], true),
            (IsoState::Failed, vec![ready(), broken()], true),
            (IsoState::Failed, vec![under_way(), broken()], false),
            (IsoState::Transferring, vec![ready(), under_way()], false),
            (IsoState::Failed, vec![file(IsoState::Pending, false)], true),
        ] {
            let iso = Iso {
                state: state.into(),
                files,
                ..Iso::default()
            };
            assert_eq!(is_done(&iso), is_over, "{iso:?}");
        }
    }
}
