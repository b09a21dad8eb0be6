//! What is told of machines: of one, of all page by page, and each change.

use crate::{
    core::Core,
    grpc::{
        convert::{page, references},
        named,
        watch::{
            self,
            machines::{Filter, Machines},
        },
    },
    machines::{
        absence,
        references::to_read,
        vm::Identity,
        work_request::{Name, Reference},
    },
    vcenter::{VCenter, state::State},
};
use contract::{
    identity::MachineKey,
    v1::{
        Fault, GetVirtualMachineRequest, GetVirtualMachineResponse, ListVirtualMachinesRequest,
        ListVirtualMachinesResponse, Reason, VirtualMachine, WatchVirtualMachinesRequest,
        WatchVirtualMachinesResponse,
    },
};

/// One machine, or how it is known that there is none.
pub(super) async fn get(
    core: &Core,
    message: GetVirtualMachineRequest,
) -> Result<GetVirtualMachineResponse, Fault> {
    let GetVirtualMachineRequest { vcenter, machine } = message;
    let vcenter = named(core, vcenter)?;
    let reference = references::single(machine)?;
    vcenter.require_synced_once().map_err(|fault| *fault)?;
    let found =
        vcenter.read(|state| to_read(state, &reference).map(|identity| state.machine(&identity)));
    let Some(machine) = found.map_err(|fault| *fault)? else {
        return Err(unseen(&vcenter, &reference).await);
    };
    Ok(GetVirtualMachineResponse {
        machine: Some(machine),
        freshness: Some(vcenter.freshness()),
    })
}

/// What is known of a machine that is not in sight.
async fn unseen(vcenter: &VCenter, reference: &Reference) -> Fault {
    match &reference.name {
        Name::Key(key) => {
            let hints = (&*reference.moref_hint, &*reference.folder_hint);
            let known = vcenter.read(|state| state.absence(key));
            match known {
                Some(_) => not_found(key),
                None => match absence::prove(vcenter, key, hints).await {
                    Ok(_) => not_found(key),
                    Err(fault) => fault,
                },
            }
        }
        Name::Name(_) | Name::InstanceUuid(_) | Name::Moref(_) => {
            Fault::new(Reason::AbsenceUnproven, "the machine is not in sight")
        }
    }
}

/// A page of machines.
pub(super) fn list(
    core: &Core,
    message: ListVirtualMachinesRequest,
) -> Result<ListVirtualMachinesResponse, Fault> {
    let ListVirtualMachinesRequest {
        vcenter,
        filter,
        page_size,
        page_token,
    } = message;
    let vcenter = named(core, vcenter)?;
    let filter = Filter::parse(filter)?;
    let size = page::size(page_size)?;
    let digest = filter.digest();
    let after = page::after(&page_token, &digest)?;
    vcenter.require_synced_once().map_err(|fault| *fault)?;
    let (machines, next) = vcenter.read(|state| page_of(state, &filter, after, size));
    let next_page_token = next.map(|last| page::token(&digest, &last));
    Ok(ListVirtualMachinesResponse {
        machines,
        next_page_token: next_page_token.unwrap_or_default(),
        freshness: Some(vcenter.freshness()),
    })
}

/// Each change of machines, from a token on.
pub(super) fn watch(
    core: &Core,
    message: WatchVirtualMachinesRequest,
) -> Result<watch::Stream<WatchVirtualMachinesResponse>, Fault> {
    let WatchVirtualMachinesRequest {
        vcenter,
        filter,
        resume_token,
        caller: _,
    } = message;
    let vcenter = named(core, vcenter)?;
    let filter = Filter::parse(filter)?;
    let run_id = core.run_id.clone();
    Ok(watch::stream(
        vcenter,
        run_id,
        Machines(filter),
        &resume_token,
    ))
}

fn not_found(key: &MachineKey) -> Fault {
    Fault::new(Reason::VmNotFound, format!("there is no machine {key}"))
}

/// A page by key, machines without a key last; the sort key of the last entry, if more follow.
fn page_of(
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
        let (first, next) = page_of(&state, &filter, "", 2);
        assert_eq!(slots(&first), [1, 2]);
        let (second, next) = page_of(&state, &filter, &next.expect("more"), 2);
        assert_eq!((slots(&second), next), (vec![12], None));
    }
}
