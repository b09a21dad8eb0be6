//! The service of machines.

use super::{
    caller,
    convert::{self, handover, page, references, spec},
    named, status,
    watch::{
        self,
        machines::{Filter, Machines},
    },
};
use crate::{
    core::Core,
    edge::client::Client,
    machines::{
        absence,
        references::to_read,
        vm::Identity,
        work_request::{ChangeRequest, EnsureRequest, Name, Wanted},
    },
    vcenter::state::State,
    verbs::{
        adopt::{self, AdoptRequest},
        delete, eject, ensure, release, switch,
    },
};
use contract::{
    identity::MachineKey,
    spec::spec_hash,
    v1::{
        AdoptVirtualMachinesRequest, AdoptVirtualMachinesResponse, DeleteVirtualMachinesRequest,
        DeleteVirtualMachinesResponse, EjectIsoRequest, EjectIsoResponse,
        EnsureVirtualMachinesRequest, EnsureVirtualMachinesResponse, Fault,
        GetVirtualMachineRequest, GetVirtualMachineResponse, ListVirtualMachinesRequest,
        ListVirtualMachinesResponse, PowerState, Reason, ReleaseVirtualMachinesRequest,
        ReleaseVirtualMachinesResponse, SetPowerStateRequest, SetPowerStateResponse,
        VirtualMachine, VirtualMachineRef, WatchVirtualMachinesRequest,
        WatchVirtualMachinesResponse, virtual_machines_server::VirtualMachines,
    },
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Serves machines.
#[derive(Clone, Debug)]
pub struct VirtualMachinesService {
    core: Arc<Core>,
}

impl VirtualMachinesService {
    /// Serves those of this core's vCenters.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

#[tonic::async_trait]
impl VirtualMachines for VirtualMachinesService {
    async fn ensure_virtual_machines(
        &self,
        request: Request<EnsureVirtualMachinesRequest>,
    ) -> Result<Response<EnsureVirtualMachinesResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let EnsureVirtualMachinesRequest {
            caller: asked,
            vcenter,
            owner,
            identities,
            spec,
            wait,
            validate_only,
        } = message;
        let caller = caller(&self.core, &extensions, asked)?;
        let fail = status(&caller.operation_id);
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let owner = convert::owner(owner, &caller.hub_id).map_err(&fail)?;
        let wishes = convert::wishes(identities, &caller.hub_id, &owner).map_err(&fail)?;
        let spec = spec::spec(spec).map_err(&fail)?;
        let wait = convert::wait(wait).map_err(&fail)?;
        let spec_hash = spec_hash(&spec);
        let hash = spec_hash.clone();
        let request = EnsureRequest {
            owner,
            wishes,
            spec,
            spec_hash,
            wait,
            validate_only,
        };
        let ensured = ensure::ensure(&vcenter, &caller, request)
            .await
            .map_err(&fail)?;
        let ensure::Ensured {
            results,
            folder,
            plan,
        } = ensured;
        Ok(Response::new(EnsureVirtualMachinesResponse {
            results: results.results,
            spec_hash: hash,
            folder,
            plan,
            done: results.done,
            operation_id: caller.operation_id,
        }))
    }

    async fn delete_virtual_machines(
        &self,
        request: Request<DeleteVirtualMachinesRequest>,
    ) -> Result<Response<DeleteVirtualMachinesResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let DeleteVirtualMachinesRequest {
            caller: asked,
            vcenter,
            machines,
            wait,
            validate_only,
        } = message;
        let caller = caller(&self.core, &extensions, asked)?;
        let fail = status(&caller.operation_id);
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let request = changes(machines, &caller.hub_id, wait, validate_only).map_err(&fail)?;
        let deleted = delete::delete(&vcenter, &caller, request)
            .await
            .map_err(&fail)?;
        Ok(Response::new(DeleteVirtualMachinesResponse {
            results: deleted.results,
            done: deleted.done,
            operation_id: caller.operation_id,
        }))
    }

    async fn set_power_state(
        &self,
        request: Request<SetPowerStateRequest>,
    ) -> Result<Response<SetPowerStateResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let wanted = wanted(message.power_state());
        let SetPowerStateRequest {
            caller: asked,
            vcenter,
            machines,
            power_state: _,
            wait,
            validate_only,
        } = message;
        let caller = caller(&self.core, &extensions, asked)?;
        let fail = status(&caller.operation_id);
        let wanted = wanted.map_err(&fail)?;
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let request = changes(machines, &caller.hub_id, wait, validate_only).map_err(&fail)?;
        let switched = switch::switch(&vcenter, &caller, request, wanted)
            .await
            .map_err(&fail)?;
        Ok(Response::new(SetPowerStateResponse {
            results: switched.results,
            done: switched.done,
            operation_id: caller.operation_id,
        }))
    }

    async fn adopt_virtual_machines(
        &self,
        request: Request<AdoptVirtualMachinesRequest>,
    ) -> Result<Response<AdoptVirtualMachinesResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let AdoptVirtualMachinesRequest {
            caller: asked,
            vcenter,
            owner,
            adoptions,
            spec,
            wait,
            validate_only,
        } = message;
        let caller = caller(&self.core, &extensions, asked)?;
        let fail = status(&caller.operation_id);
        let client = Client::of(&extensions).map_err(&fail)?;
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let owner = convert::owner(owner, &caller.hub_id).map_err(&fail)?;
        let may = |hub: &str| client.may_act_for(hub);
        let adoptions = handover::adoptions(adoptions, (&caller.hub_id, &owner), may);
        let adoptions = adoptions.map_err(&fail)?;
        let spec = spec::spec(spec).map_err(&fail)?;
        let request = AdoptRequest {
            owner,
            adoptions,
            spec_hash: spec_hash(&spec),
            wait: convert::wait(wait).map_err(&fail)?,
            validate_only,
        };
        let adopted = adopt::adopt(&vcenter, &caller, request)
            .await
            .map_err(&fail)?;
        Ok(Response::new(AdoptVirtualMachinesResponse {
            results: adopted.results,
            done: adopted.done,
            operation_id: caller.operation_id,
        }))
    }

    async fn release_virtual_machines(
        &self,
        request: Request<ReleaseVirtualMachinesRequest>,
    ) -> Result<Response<ReleaseVirtualMachinesResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let ReleaseVirtualMachinesRequest {
            caller: asked,
            vcenter,
            machines,
            successor,
            wait,
            validate_only,
        } = message;
        let caller = caller(&self.core, &extensions, asked)?;
        let fail = status(&caller.operation_id);
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let successor = handover::successor(successor).map_err(&fail)?;
        let request = changes(machines, &caller.hub_id, wait, validate_only).map_err(&fail)?;
        let released = release::release(&vcenter, &caller, request, &successor)
            .await
            .map_err(&fail)?;
        Ok(Response::new(ReleaseVirtualMachinesResponse {
            results: released.results,
            done: released.done,
            operation_id: caller.operation_id,
        }))
    }

    async fn eject_iso(
        &self,
        request: Request<EjectIsoRequest>,
    ) -> Result<Response<EjectIsoResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let EjectIsoRequest {
            caller: asked,
            vcenter,
            machines,
            wait,
            validate_only,
        } = message;
        let caller = caller(&self.core, &extensions, asked)?;
        let fail = status(&caller.operation_id);
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let request = changes(machines, &caller.hub_id, wait, validate_only).map_err(&fail)?;
        let ejected = eject::eject(&vcenter, &caller, request)
            .await
            .map_err(&fail)?;
        Ok(Response::new(EjectIsoResponse {
            results: ejected.results,
            done: ejected.done,
            operation_id: caller.operation_id,
        }))
    }

    async fn get_virtual_machine(
        &self,
        request: Request<GetVirtualMachineRequest>,
    ) -> Result<Response<GetVirtualMachineResponse>, Status> {
        let GetVirtualMachineRequest { vcenter, machine } = request.into_inner();
        let fail = status("");
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let reference = references::single(machine).map_err(&fail)?;
        vcenter
            .require_synced_once()
            .map_err(|fault| fail(*fault))?;
        let found = vcenter
            .read(|state| to_read(state, &reference).map(|identity| state.machine(&identity)));
        if let Some(machine) = found.map_err(|fault| fail(*fault))? {
            let freshness = Some(vcenter.freshness());
            return Ok(Response::new(GetVirtualMachineResponse {
                machine: Some(machine),
                freshness,
            }));
        }
        let unseen = match &reference.name {
            Name::Key(key) => {
                let hints = (&*reference.moref_hint, &*reference.folder_hint);
                let known = vcenter.read(|state| state.absence(key));
                match known {
                    Some(_) => not_found(key),
                    None => match absence::prove(&vcenter, key, hints).await {
                        Ok(_) => not_found(key),
                        Err(fault) => fault,
                    },
                }
            }
            Name::Name(_) | Name::InstanceUuid(_) | Name::Moref(_) => {
                Fault::new(Reason::AbsenceUnproven, "the machine is not in sight")
            }
        };
        Err(fail(unseen))
    }

    async fn list_virtual_machines(
        &self,
        request: Request<ListVirtualMachinesRequest>,
    ) -> Result<Response<ListVirtualMachinesResponse>, Status> {
        let ListVirtualMachinesRequest {
            vcenter,
            filter,
            page_size,
            page_token,
        } = request.into_inner();
        let fail = status("");
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let filter = Filter::parse(filter).map_err(&fail)?;
        let size = page::size(page_size).map_err(&fail)?;
        let digest = filter.digest();
        let after = page::after(&page_token, &digest).map_err(&fail)?;
        vcenter
            .require_synced_once()
            .map_err(|fault| fail(*fault))?;
        let (machines, next) = vcenter.read(|state| list(state, &filter, after, size));
        let next_page_token = next
            .map(|last| page::token(&digest, &last))
            .unwrap_or_default();
        let freshness = Some(vcenter.freshness());
        Ok(Response::new(ListVirtualMachinesResponse {
            machines,
            next_page_token,
            freshness,
        }))
    }

    type WatchVirtualMachinesStream = watch::Stream<WatchVirtualMachinesResponse>;

    async fn watch_virtual_machines(
        &self,
        request: Request<WatchVirtualMachinesRequest>,
    ) -> Result<Response<watch::Stream<WatchVirtualMachinesResponse>>, Status> {
        let (_, extensions, message) = request.into_parts();
        let WatchVirtualMachinesRequest {
            vcenter,
            filter,
            resume_token,
            caller: asked,
        } = message;
        if asked.is_some() {
            // A leader's epoch renews the fence after the driver was restarted.
            caller(&self.core, &extensions, asked)?;
        }
        let fail = status("");
        let vcenter = named(&self.core, vcenter).map_err(&fail)?;
        let filter = Filter::parse(filter).map_err(&fail)?;
        let run_id = self.core.run_id.clone();
        Ok(Response::new(watch::stream(
            vcenter,
            run_id,
            Machines(filter),
            &resume_token,
        )))
    }
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

fn not_found(key: &MachineKey) -> Fault {
    Fault::new(Reason::VmNotFound, format!("there is no machine {key}"))
}

/// A page by key, machines without a key last; the sort key of the last entry, if more follow.
fn list(
    state: &State,
    filter: &Filter,
    after: &str,
    size: usize,
) -> (Vec<VirtualMachine>, Option<String>) {
    let mut all: Vec<(String, Identity)> = state
        .identities()
        .map(|identity| (sort_key(&identity), identity))
        .filter(|(key, _)| key.as_str() > after)
        .collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    let shown = |(key, identity): (String, Identity)| {
        let machine = state.machine(&identity)?;
        filter.lets_through(&machine).then_some((key, machine))
    };
    let mut found = all.into_iter().filter_map(shown);
    let page: Vec<_> = found.by_ref().take(size).collect();
    let last = page.last().map(|(key, _)| key.clone());
    let more = found.next().is_some();
    (
        page.into_iter().map(|(_, machine)| machine).collect(),
        last.filter(|_| more),
    )
}

/// Sorts keys before morefs, and slots by number.
fn sort_key(identity: &Identity) -> String {
    match identity {
        Identity::Key(MachineKey {
            hub_id,
            owner_uid,
            slot,
        }) => {
            format!("0/{hub_id}/{owner_uid}/{slot:010}")
        }
        Identity::Moref(moref) => format!("1/{}", moref.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{machines::vm::fixtures::ours, soap::MoRef};

    #[test]
    fn a_list_is_told_page_by_page_each_machine_once() {
        let mut state = State::default();
        for slot in [12, 2, 1] {
            let moref = MoRef::new("VirtualMachine", format!("vm-{slot}"));
            state.change_vm(&moref, |vm| *vm = ours(slot, "h"));
        }
        let filter = Filter::parse(None).expect("absent is good");
        let slots = |page: &[VirtualMachine]| -> Vec<i32> {
            page.iter()
                .filter_map(|m| m.key.as_ref().map(|key| key.slot))
                .collect()
        };
        let (first, next) = list(&state, &filter, "", 2);
        assert_eq!(slots(&first), [1, 2]);
        let (second, next) = list(&state, &filter, &next.expect("more"), 2);
        assert_eq!((slots(&second), next), (vec![12], None));
    }

    #[test]
    fn only_on_and_off_can_be_asked_for() {
        assert_eq!(wanted(PowerState::On), Ok(Wanted::On));
        let field = |state| wanted(state).expect_err("refused").field;
        assert_eq!(field(PowerState::Suspended), "power_state");
        assert_eq!(field(PowerState::Unspecified), "power_state");
    }
}
