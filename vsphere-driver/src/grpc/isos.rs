//! The service of ISOs: a wish for each owner, in memory.

use super::{caller, convert, named, status};
use crate::{
    core::Core,
    inventory::{
        Kind,
        resolve::{Scope, resolve},
    },
    iso::{self, path::DatastorePath},
    soap::MoRef,
    vcenter::VCenter,
};
use contract::{
    identity::{MANUAL_HUB, is_id},
    v1::{
        DeleteIsoRequest, DeleteIsoResponse, EnsureIsoRequest, EnsureIsoResponse, Fault, Feature,
        GetIsoRequest, GetIsoResponse, Iso, IsoFile, IsoKey, IsoOrigin, IsoSource, IsoState,
        ListIsoFilesRequest, ListIsoFilesResponse, ListIsosRequest, ListIsosResponse, Owner,
        Reason, Resolution, ResolutionState, UploadIsoRequest, UploadIsoResponse, WatchIsosRequest,
        WatchIsosResponse, iso_source::Source, isos_server::Isos,
    },
};
use futures::stream::Pending;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tonic::{Request, Response, Status, Streaming};

const PATH_FIELD: &str = "source.datastore_path";

type Wishes = HashMap<(String, String, String, String), Iso>;

/// Serves ISOs.
#[derive(Clone, Debug)]
pub struct IsosService {
    core: Arc<Core>,
    wishes: Arc<Mutex<Wishes>>,
}

impl IsosService {
    /// Serves those on this core's vCenters.
    pub fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            wishes: Arc::default(),
        }
    }

    fn keep(&self, vcenter: &str, mut iso: Iso) -> Iso {
        let mut wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place(vcenter, iso.key.clone().unwrap_or_default());
        iso.revision = wishes.get(&place).map_or(0, |before| before.revision) + 1;
        wishes.insert(place, iso.clone());
        iso
    }
}

#[tonic::async_trait]
impl Isos for IsosService {
    async fn ensure_iso(
        &self,
        request: Request<EnsureIsoRequest>,
    ) -> Result<Response<EnsureIsoResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let EnsureIsoRequest {
            caller: asked,
            vcenter,
            owner,
            id,
            source,
            datacenter,
            datastores: _,
            file_label: _,
            wait,
            validate_only,
        } = message;
        let caller = caller(&self.core, &extensions, asked)?;
        let fail = status(&caller.operation_id);
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let owner = convert::owner(owner, &caller.hub_id).map_err(&fail)?;
        if !id.is_empty() && !is_id(&id) {
            return Err(fail(Fault::invalid(
                "id",
                "must be at most 63 characters of `A-Za-z0-9._-`",
            )));
        }
        convert::wait(wait).map_err(&fail)?;
        let path = path(source).map_err(&fail)?;
        vcenter.connected().await.map_err(|fault| fail(*fault))?;
        let datastore = datastore(&vcenter, &path, &datacenter).map_err(&fail)?;
        let found = iso::look(&vcenter, &path, &datastore, &caller.operation_id).await;
        let described = vcenter.read(|state| state.inventory.describe(&datastore));
        let key = IsoKey {
            hub_id: caller.hub_id.clone(),
            owner_uid: owner.uid.clone(),
            id,
        };
        let iso = told(key, owner, &path, described.clone(), found);
        let iso = if validate_only {
            iso
        } else {
            self.keep(&vcenter.name, iso)
        };
        let resolution = Resolution {
            field: PATH_FIELD.into(),
            kind: described.kind,
            asked: path.datastore().to_owned(),
            state: ResolutionState::Resolved.into(),
            object: Some(described),
            ..Resolution::default()
        };
        Ok(Response::new(EnsureIsoResponse {
            iso: Some(iso),
            resolutions: validate_only.then_some(resolution).into_iter().collect(),
            missing_privileges: Vec::new(),
            done: true,
            operation_id: caller.operation_id,
        }))
    }

    async fn get_iso(
        &self,
        request: Request<GetIsoRequest>,
    ) -> Result<Response<GetIsoResponse>, Status> {
        let GetIsoRequest { vcenter, key } = request.into_inner();
        let fail = status("");
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let mut key = key.ok_or_else(|| fail(Fault::invalid("key", "is missing")))?;
        if key.hub_id.is_empty() {
            key.hub_id = MANUAL_HUB.into();
        }
        if !is_id(&key.owner_uid) {
            return Err(fail(Fault::invalid(
                "key.owner_uid",
                "is missing or has no such form",
            )));
        }
        let wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        let found = wishes.get(&place(&vcenter.name, key.clone())).cloned();
        let iso = found.ok_or_else(|| {
            let what = format!(
                "no ISO of `{}` on hub `{}` is known",
                key.owner_uid, key.hub_id
            );
            fail(Fault::new(Reason::IsoUnknown, what))
        })?;
        Ok(Response::new(GetIsoResponse { iso: Some(iso) }))
    }

    async fn upload_iso(
        &self,
        _: Request<Streaming<UploadIsoRequest>>,
    ) -> Result<Response<UploadIsoResponse>, Status> {
        Err(unsupported("UploadIso", Feature::IsoUpload))
    }

    async fn list_isos(
        &self,
        _: Request<ListIsosRequest>,
    ) -> Result<Response<ListIsosResponse>, Status> {
        Err(unsupported("ListIsos", Feature::IsoStore))
    }

    async fn delete_iso(
        &self,
        _: Request<DeleteIsoRequest>,
    ) -> Result<Response<DeleteIsoResponse>, Status> {
        Err(unsupported("DeleteIso", Feature::IsoStore))
    }

    type WatchIsosStream = Pending<Result<WatchIsosResponse, Status>>;

    async fn watch_isos(
        &self,
        _: Request<WatchIsosRequest>,
    ) -> Result<Response<Self::WatchIsosStream>, Status> {
        Err(unsupported("WatchIsos", Feature::IsoStore))
    }

    async fn list_iso_files(
        &self,
        _: Request<ListIsoFilesRequest>,
    ) -> Result<Response<ListIsoFilesResponse>, Status> {
        Err(unsupported("ListIsoFiles", Feature::IsoStore))
    }
}

/// What a call is answered whose feature this driver does not have.
fn unsupported(call: &str, feature: Feature) -> Status {
    let name = feature.as_str_name();
    let what = format!("`{call}` needs {name}, which this driver lacks");
    let fault = Fault::new(Reason::FeatureUnsupported, what);
    fault.with("feature", name).into_status("")
}

fn place(vcenter: &str, key: IsoKey) -> (String, String, String, String) {
    (vcenter.to_owned(), key.hub_id, key.owner_uid, key.id)
}

fn path(source: Option<IsoSource>) -> Result<DatastorePath, Fault> {
    let source = source.ok_or_else(|| Fault::invalid("source", "is missing"))?;
    let Some(Source::DatastorePath(text)) = source.source else {
        let what = "`source` is none that this driver takes: set `source.datastore_path`";
        return Err(Fault::new(Reason::IsoSourceUnsupported, what).at("source"));
    };
    DatastorePath::parse(&text).map_err(|problem| {
        Fault::new(
            Reason::InvalidDatastorePath,
            format!("`{PATH_FIELD}` {problem}"),
        )
        .at(PATH_FIELD)
    })
}

fn datastore(vcenter: &VCenter, path: &DatastorePath, datacenter: &str) -> Result<MoRef, Fault> {
    vcenter.read(|state| {
        let inventory = &state.inventory;
        let datacenter = if datacenter.is_empty() {
            None
        } else {
            let found = resolve(inventory, Kind::Datacenter, datacenter, Scope::default());
            Some(found.map_err(|_| {
                let what = format!("`datacenter`: no datacenter `{datacenter}` is in sight");
                Fault::new(Reason::PlacementNotFound, what)
                    .at("datacenter")
                    .with("asked", datacenter)
            })?)
        };
        iso::datastore(inventory, path, datacenter.as_ref(), PATH_FIELD)
    })
}

fn told(
    key: IsoKey,
    owner: Owner,
    path: &DatastorePath,
    datastore: contract::v1::InventoryObject,
    found: Result<iso::Found, Fault>,
) -> Iso {
    let (state, size_bytes, fault) = match found {
        Ok(found) => (IsoState::Ready, found.size_bytes, None),
        Err(fault) => (state_of(&fault), 0, Some(fault)),
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
        key: Some(key),
        owner: Some(owner),
        origin,
        source: path.to_string(),
        state: state.into(),
        fault,
        size_bytes,
        files: vec![file],
        revision: 1,
        ..Iso::default()
    }
}

/// Not having been able to look is not the same as not being there.
fn state_of(fault: &Fault) -> IsoState {
    match fault.reason() {
        Reason::IsoMissing | Reason::DatastoreInvalid | Reason::VcenterPermissionDenied => {
            IsoState::Failed
        }
        _ => IsoState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_is_not_there_yet_is_refused_with_the_way_out() {
        let none = path(Some(IsoSource { source: None })).expect_err("no source");
        assert_eq!(none.reason(), Reason::IsoSourceUnsupported);
        let bad = Source::DatastorePath("[ds] ../a.iso".into());
        let bad = path(Some(IsoSource { source: Some(bad) })).expect_err("leaves its folder");
        assert_eq!(bad.reason(), Reason::InvalidDatastorePath);
    }

    #[test]
    fn an_outage_is_unknown_and_a_missing_file_is_failed() {
        for (reason, state) in [
            (Reason::IsoMissing, IsoState::Failed),
            (Reason::VcenterUnreachable, IsoState::Unknown),
        ] {
            assert_eq!(state_of(&Fault::new(reason, "x")), state);
        }
    }
}
