//! The service of machines: changes of them, and what is told of them.

mod changes;
mod reads;

use super::{caller, status, watch};
use crate::{core::Core, edge::client::Client, iso::store::Store};
use contract::v1::{
    AdoptVirtualMachinesRequest, AdoptVirtualMachinesResponse, DeleteVirtualMachinesRequest,
    DeleteVirtualMachinesResponse, EjectIsoRequest, EjectIsoResponse, EnsureVirtualMachinesRequest,
    EnsureVirtualMachinesResponse, Fault, GetVirtualMachineRequest, GetVirtualMachineResponse,
    ListVirtualMachinesRequest, ListVirtualMachinesResponse, ReleaseVirtualMachinesRequest,
    ReleaseVirtualMachinesResponse, SetPowerStateRequest, SetPowerStateResponse,
    WatchVirtualMachinesRequest, WatchVirtualMachinesResponse,
    virtual_machines_server::VirtualMachines,
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Serves machines.
#[derive(Clone, Debug)]
pub struct VirtualMachinesService {
    core: Arc<Core>,
    store: Arc<Store>,
}

impl VirtualMachinesService {
    /// Serves those of this core's vCenters, which boot ISOs of this store.
    pub fn new(core: Arc<Core>, store: Arc<Store>) -> Self {
        Self { core, store }
    }
}

/// A result as a reply.
fn answer<T>(result: Result<T, Fault>, operation_id: &str) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(status(operation_id))
}

#[tonic::async_trait]
impl VirtualMachines for VirtualMachinesService {
    async fn ensure_virtual_machines(
        &self,
        request: Request<EnsureVirtualMachinesRequest>,
    ) -> Result<Response<EnsureVirtualMachinesResponse>, Status> {
        let (_, extensions, mut message) = request.into_parts();
        let caller = caller(&self.core, &extensions, message.caller.take())?;
        let ensured = changes::ensure(self, &caller, message).await;
        answer(ensured, &caller.operation_id)
    }

    async fn delete_virtual_machines(
        &self,
        request: Request<DeleteVirtualMachinesRequest>,
    ) -> Result<Response<DeleteVirtualMachinesResponse>, Status> {
        let (_, extensions, mut message) = request.into_parts();
        let caller = caller(&self.core, &extensions, message.caller.take())?;
        let deleted = changes::delete(self, &caller, message).await;
        answer(deleted, &caller.operation_id)
    }

    async fn set_power_state(
        &self,
        request: Request<SetPowerStateRequest>,
    ) -> Result<Response<SetPowerStateResponse>, Status> {
        let (_, extensions, mut message) = request.into_parts();
        let caller = caller(&self.core, &extensions, message.caller.take())?;
        let switched = changes::switch(self, &caller, message).await;
        answer(switched, &caller.operation_id)
    }

    async fn adopt_virtual_machines(
        &self,
        request: Request<AdoptVirtualMachinesRequest>,
    ) -> Result<Response<AdoptVirtualMachinesResponse>, Status> {
        let (_, extensions, mut message) = request.into_parts();
        let caller = caller(&self.core, &extensions, message.caller.take())?;
        let client = Client::of(&extensions).map_err(status(&caller.operation_id))?;
        let adopted = changes::adopt(self, (&caller, client), message).await;
        answer(adopted, &caller.operation_id)
    }

    async fn release_virtual_machines(
        &self,
        request: Request<ReleaseVirtualMachinesRequest>,
    ) -> Result<Response<ReleaseVirtualMachinesResponse>, Status> {
        let (_, extensions, mut message) = request.into_parts();
        let caller = caller(&self.core, &extensions, message.caller.take())?;
        let released = changes::release(self, &caller, message).await;
        answer(released, &caller.operation_id)
    }

    async fn eject_iso(
        &self,
        request: Request<EjectIsoRequest>,
    ) -> Result<Response<EjectIsoResponse>, Status> {
        let (_, extensions, mut message) = request.into_parts();
        let caller = caller(&self.core, &extensions, message.caller.take())?;
        let ejected = changes::eject(self, &caller, message).await;
        answer(ejected, &caller.operation_id)
    }

    async fn get_virtual_machine(
        &self,
        request: Request<GetVirtualMachineRequest>,
    ) -> Result<Response<GetVirtualMachineResponse>, Status> {
        answer(reads::get(&self.core, request.into_inner()).await, "")
    }

    async fn list_virtual_machines(
        &self,
        request: Request<ListVirtualMachinesRequest>,
    ) -> Result<Response<ListVirtualMachinesResponse>, Status> {
        answer(reads::list(&self.core, request.into_inner()), "")
    }

    type WatchVirtualMachinesStream = watch::Stream<WatchVirtualMachinesResponse>;

    async fn watch_virtual_machines(
        &self,
        request: Request<WatchVirtualMachinesRequest>,
    ) -> Result<Response<watch::Stream<WatchVirtualMachinesResponse>>, Status> {
        let (_, extensions, mut message) = request.into_parts();
        if let Some(asked) = message.caller.take() {
            // A leader's epoch renews the fence after the driver was restarted.
            caller(&self.core, &extensions, Some(asked))?;
        }
        answer(reads::watch(&self.core, message), "")
    }
}
