//! The service of ISOs: wishes for contents on datastores, and the files that lie there.

mod convert;
mod delete;
mod ensure;
mod files;
mod list;
mod plan;
mod upload;
mod watch;

use super::{named, status, watch as stream};
use crate::{
    core::Core,
    iso::{store::Store, view, wishes::IsoId},
};
use contract::v1::{
    DeleteIsoRequest, DeleteIsoResponse, EnsureIsoRequest, EnsureIsoResponse, Fault, GetIsoRequest,
    GetIsoResponse, ListIsoFilesRequest, ListIsoFilesResponse, ListIsosRequest, ListIsosResponse,
    Reason, UploadIsoRequest, UploadIsoResponse, WatchIsosRequest, WatchIsosResponse,
    isos_server::Isos,
};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// Serves ISOs.
#[derive(Clone, Debug)]
pub struct IsosService {
    core: Arc<Core>,
    store: Arc<Store>,
}

impl IsosService {
    /// Serves those on this core's vCenters.
    pub fn new(core: Arc<Core>, store: Arc<Store>) -> Self {
        Self { core, store }
    }
}

#[tonic::async_trait]
impl Isos for IsosService {
    async fn ensure_iso(
        &self,
        request: Request<EnsureIsoRequest>,
    ) -> Result<Response<EnsureIsoResponse>, Status> {
        let (_, extensions, mut message) = request.into_parts();
        let caller = super::caller(&self.core, &extensions, message.caller.take())?;
        let ensured = ensure::ensure(self, &caller, message).await;
        Ok(Response::new(
            ensured.map_err(status(&caller.operation_id))?,
        ))
    }

    async fn upload_iso(
        &self,
        request: Request<Streaming<UploadIsoRequest>>,
    ) -> Result<Response<UploadIsoResponse>, Status> {
        upload::upload(self, request).await.map(Response::new)
    }

    async fn get_iso(
        &self,
        request: Request<GetIsoRequest>,
    ) -> Result<Response<GetIsoResponse>, Status> {
        let GetIsoRequest { vcenter, key } = request.into_inner();
        let fail = status("");
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let id = convert::id(key).map_err(&fail)?;
        let iso = vcenter.read(|state| view::iso(state, &id, &view::mounts(state)));
        let iso = iso.ok_or_else(|| fail(unknown(&id)))?;
        Ok(Response::new(GetIsoResponse { iso: Some(iso) }))
    }

    async fn list_isos(
        &self,
        request: Request<ListIsosRequest>,
    ) -> Result<Response<ListIsosResponse>, Status> {
        let listed = list::list(&self.core, request.into_inner());
        Ok(Response::new(listed.map_err(status(""))?))
    }

    async fn delete_iso(
        &self,
        request: Request<DeleteIsoRequest>,
    ) -> Result<Response<DeleteIsoResponse>, Status> {
        let (_, extensions, mut message) = request.into_parts();
        let caller = super::caller(&self.core, &extensions, message.caller.take())?;
        let deleted = delete::delete(self, &caller, message).await;
        Ok(Response::new(
            deleted.map_err(status(&caller.operation_id))?,
        ))
    }

    type WatchIsosStream = stream::Stream<WatchIsosResponse>;

    async fn watch_isos(
        &self,
        request: Request<WatchIsosRequest>,
    ) -> Result<Response<Self::WatchIsosStream>, Status> {
        let WatchIsosRequest {
            vcenter,
            hub_id,
            resume_token,
        } = request.into_inner();
        let vcenter = named(&self.core, vcenter).map_err(status(""))?;
        let isos = watch::Isos { hub_id };
        let run_id = self.core.run_id.clone();
        Ok(Response::new(stream::stream(
            vcenter,
            run_id,
            isos,
            &resume_token,
        )))
    }

    async fn list_iso_files(
        &self,
        request: Request<ListIsoFilesRequest>,
    ) -> Result<Response<ListIsoFilesResponse>, Status> {
        let listed = files::list(self, request.into_inner()).await;
        Ok(Response::new(listed.map_err(status(""))?))
    }
}

/// No ISO of this key is known.
fn unknown(id: &IsoId) -> Fault {
    let IsoId {
        hub_id,
        owner_uid,
        id: _,
    } = id;
    let what = format!("no ISO of `{owner_uid}` on hub `{hub_id}` is known");
    Fault::new(Reason::IsoUnknown, what)
}
