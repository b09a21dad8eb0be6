//! What is changed of machines: each call is converted, done, and converted back.

use super::VirtualMachinesService;
use crate::{
    edge::{caller::Caller, client::Client},
    grpc::{
        convert::{self, handover, references, spec},
        named,
    },
    machines::work_request::{ChangeRequest, EnsureRequest, Wanted},
    verbs::{
        adopt::{self, AdoptRequest},
        delete, eject, ensure, release, switch,
    },
};
use contract::{
    spec::spec_hash,
    v1::{
        AdoptVirtualMachinesRequest, AdoptVirtualMachinesResponse, DeleteVirtualMachinesRequest,
        DeleteVirtualMachinesResponse, EjectIsoRequest, EjectIsoResponse,
        EnsureVirtualMachinesRequest, EnsureVirtualMachinesResponse, Fault, PowerState,
        ReleaseVirtualMachinesRequest, ReleaseVirtualMachinesResponse, SetPowerStateRequest,
        SetPowerStateResponse, VirtualMachineRef,
    },
};

/// Has machines made, and switched on.
pub(super) async fn ensure(
    service: &VirtualMachinesService,
    caller: &Caller,
    message: EnsureVirtualMachinesRequest,
) -> Result<EnsureVirtualMachinesResponse, Fault> {
    let EnsureVirtualMachinesRequest {
        caller: _,
        vcenter,
        owner,
        identities,
        spec,
        wait,
        validate_only,
    } = message;
    let vcenter = named(&service.core, vcenter)?;
    let owner = convert::owner(owner, &caller.hub_id)?;
    let wishes = convert::wishes(identities, &caller.hub_id, &owner)?;
    let spec = spec::spec(spec)?;
    let wait = convert::wait(wait)?;
    let spec_hash = spec_hash(&spec);
    let request = EnsureRequest {
        owner,
        wishes,
        spec,
        spec_hash: spec_hash.clone(),
        wait,
        validate_only,
    };
    let ensure::Ensured {
        results,
        folder,
        plan,
    } = ensure::ensure(&vcenter, caller, request).await?;
    Ok(EnsureVirtualMachinesResponse {
        results: results.results,
        spec_hash,
        folder,
        plan,
        done: results.done,
        operation_id: caller.operation_id.clone(),
    })
}

/// Removes machines.
pub(super) async fn delete(
    service: &VirtualMachinesService,
    caller: &Caller,
    message: DeleteVirtualMachinesRequest,
) -> Result<DeleteVirtualMachinesResponse, Fault> {
    let DeleteVirtualMachinesRequest {
        caller: _,
        vcenter,
        machines,
        wait,
        validate_only,
    } = message;
    let vcenter = named(&service.core, vcenter)?;
    let request = changes(machines, &caller.hub_id, wait, validate_only)?;
    let deleted = delete::delete(&vcenter, caller, request).await?;
    Ok(DeleteVirtualMachinesResponse {
        results: deleted.results,
        done: deleted.done,
        operation_id: caller.operation_id.clone(),
    })
}

/// Switches machines on or off.
pub(super) async fn switch(
    service: &VirtualMachinesService,
    caller: &Caller,
    message: SetPowerStateRequest,
) -> Result<SetPowerStateResponse, Fault> {
    let wanted = wanted(message.power_state())?;
    let SetPowerStateRequest {
        caller: _,
        vcenter,
        machines,
        power_state: _,
        wait,
        validate_only,
    } = message;
    let vcenter = named(&service.core, vcenter)?;
    let request = changes(machines, &caller.hub_id, wait, validate_only)?;
    let switched = switch::switch(&vcenter, caller, request, wanted).await?;
    Ok(SetPowerStateResponse {
        results: switched.results,
        done: switched.done,
        operation_id: caller.operation_id.clone(),
    })
}

/// Makes machines the caller's, as far as its client may act for those whose they were.
pub(super) async fn adopt(
    service: &VirtualMachinesService,
    (caller, client): (&Caller, &Client),
    message: AdoptVirtualMachinesRequest,
) -> Result<AdoptVirtualMachinesResponse, Fault> {
    let AdoptVirtualMachinesRequest {
        caller: _,
        vcenter,
        owner,
        adoptions,
        spec,
        wait,
        validate_only,
    } = message;
    let vcenter = named(&service.core, vcenter)?;
    let owner = convert::owner(owner, &caller.hub_id)?;
    let may = |hub: &str| client.may_act_for(hub);
    let adoptions = handover::adoptions(adoptions, (&caller.hub_id, &owner), may)?;
    let spec = spec::spec(spec)?;
    let request = AdoptRequest {
        owner,
        adoptions,
        spec_hash: spec_hash(&spec),
        wait: convert::wait(wait)?,
        validate_only,
    };
    let adopted = adopt::adopt(&vcenter, caller, request).await?;
    Ok(AdoptVirtualMachinesResponse {
        results: adopted.results,
        done: adopted.done,
        operation_id: caller.operation_id.clone(),
    })
}

/// Gives machines up.
pub(super) async fn release(
    service: &VirtualMachinesService,
    caller: &Caller,
    message: ReleaseVirtualMachinesRequest,
) -> Result<ReleaseVirtualMachinesResponse, Fault> {
    let ReleaseVirtualMachinesRequest {
        caller: _,
        vcenter,
        machines,
        successor,
        wait,
        validate_only,
    } = message;
    let vcenter = named(&service.core, vcenter)?;
    let successor = handover::successor(successor)?;
    let request = changes(machines, &caller.hub_id, wait, validate_only)?;
    let released = release::release(&vcenter, caller, request, &successor).await?;
    Ok(ReleaseVirtualMachinesResponse {
        results: released.results,
        done: released.done,
        operation_id: caller.operation_id.clone(),
    })
}

/// Takes ISOs out of drives.
pub(super) async fn eject(
    service: &VirtualMachinesService,
    caller: &Caller,
    message: EjectIsoRequest,
) -> Result<EjectIsoResponse, Fault> {
    let EjectIsoRequest {
        caller: _,
        vcenter,
        machines,
        only_stored,
        wait,
        validate_only,
    } = message;
    let vcenter = named(&service.core, vcenter)?;
    let request = changes(machines, &caller.hub_id, wait, validate_only)?;
    let only = only_stored.then_some(&*service.store);
    let ejected = eject::eject(&vcenter, caller, request, only).await?;
    Ok(EjectIsoResponse {
        results: ejected.results,
        done: ejected.done,
        operation_id: caller.operation_id.clone(),
    })
}

fn changes(
    machines: Vec<VirtualMachineRef>,
    hub_id: &str,
    wait: Option<prost_types::Duration>,
    validate_only: bool,
) -> Result<ChangeRequest, Fault> {
    let machines = references::references(machines, hub_id)?;
    Ok(ChangeRequest {
        machines,
        wait: convert::wait(wait)?,
        validate_only,
    })
}

fn wanted(power_state: PowerState) -> Result<Wanted, Fault> {
    match power_state {
        PowerState::On => Ok(Wanted::On),
        PowerState::Off => Ok(Wanted::Off),
        PowerState::Unspecified | PowerState::Suspended => Err(Fault::invalid(
            "power_state",
            "must be POWER_STATE_ON or POWER_STATE_OFF",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_on_and_off_can_be_asked_for() {
        assert_eq!(wanted(PowerState::On), Ok(Wanted::On));
        let field = |state| wanted(state).expect_err("refused").field;
        assert_eq!(field(PowerState::Suspended), "power_state");
        assert_eq!(field(PowerState::Unspecified), "power_state");
    }
}
