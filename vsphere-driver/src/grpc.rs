//! The services of the contract: each call is converted, done, and converted back.

mod convert;
#[cfg(test)]
pub(crate) mod fuzz;
mod isos;
mod vcenters;
mod virtual_machines;
mod watch;

pub use isos::IsosService;
pub use vcenters::VCentersService;
pub use virtual_machines::VirtualMachinesService;

use crate::{
    core::Core,
    edge::{caller::Caller, client::Client},
    vcenter::VCenter,
};
use contract::v1::{self as pb, Fault};
use std::sync::Arc;
use tonic::{Extensions, Status};

/// The caller of a request that changes something.
fn caller(
    core: &Arc<Core>,
    extensions: &Extensions,
    asked: Option<pb::Caller>,
) -> Result<Caller, Status> {
    let client = Client::of(extensions).map_err(status(""))?;
    Caller::admit(asked, client, &core.fence).map_err(status(""))
}

/// The vCenter that a request names.
fn named(core: &Core, name: String) -> Result<Arc<VCenter>, Fault> {
    core.vcenter(&convert::vcenter(name)?)
}

/// A fault of a whole call as its status; noted where it stops travelling.
fn status(operation_id: &str) -> impl Fn(Fault) -> Status + use<> {
    let operation_id = operation_id.to_owned();
    move |fault| {
        let reason = fault.reason().row().name;
        tracing::info!(operation_id, reason, error = fault.message, "Call refused");
        fault.into_status(&operation_id)
    }
}
