//! Gives machines up, to the companion or to nobody, and leaves them as they are.

use super::{Decided, Results, is_under_way, job_on, results};
use crate::{
    edge::caller::Caller,
    machines::{
        change,
        handover::{
            release::{self, Release, Successor, bearing},
            run::{Handover, Until},
        },
        work::Load,
        work_request::{ChangeRequest, Reference},
    },
    soap::MoRef,
    vcenter::{VCenter, state::State},
};
use contract::{
    identity::MachineKey,
    v1::{Fault, Ownership, Verb, VirtualMachine},
};
use std::sync::Arc;

/// Takes our mark off each machine.
pub async fn release(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    request: ChangeRequest,
    successor: &Successor,
) -> Result<Results, Fault> {
    vcenter.connected().await.map_err(|fault| *fault)?;
    let (wait, begins) = (request.patience(), request.begins());
    let room = vcenter
        .make_room(Load::of(Verb::Release), |_| begins)
        .map_err(|fault| *fault)?;
    let mut decided = Vec::with_capacity(request.machines.len());
    for reference in &request.machines {
        let plan = request.validate_only;
        decided.push(one(vcenter, caller, reference, (successor, plan)).await);
    }
    drop(room);
    Ok(results(vcenter, decided, wait, |_, machine| {
        machine.ownership() != Ownership::Ours && !is_under_way(machine)
    })
    .await)
}

async fn one(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    reference: &Reference,
    (successor, validate_only): (&Successor, bool),
) -> Decided {
    let decided = vcenter.write(|state| {
        let none = VirtualMachine::default();
        match release::release(state, reference, &caller.hub_id, successor) {
            Release::Refuse(fault) => Ok(Decided::refuse(None, none, *fault)),
            Release::Keep(moref) => Ok(follow(state, moref)),
            Release::GiveUp(key, moref) => {
                let decided = plan(state, &moref, successor);
                if validate_only {
                    return Ok(decided);
                }
                begin(vcenter, caller, state, (&key, &moref, successor));
                Ok(Decided {
                    handover: Some(moref),
                    ..decided
                })
            }
            Release::Look(key) => Err(key),
        }
    });
    match decided {
        Ok(decided) => decided,
        Err(key) => {
            let fault = super::unseen(vcenter, &key, reference).await;
            Decided::refuse(None, VirtualMachine::default(), fault)
        }
    }
}

/// Nothing is done by this call: what is told is how the machine is.
fn follow(state: &State, moref: MoRef) -> Decided {
    let none = VirtualMachine::default();
    let told = state.machine_at(&moref).unwrap_or(none);
    Decided {
        handover: Some(moref),
        ..Decided::tell(told)
    }
}

fn plan(state: &State, moref: &MoRef, successor: &Successor) -> Decided {
    let vm = state.vm(moref);
    let changes = vm.map(|vm| bearing(successor).changes(vm));
    Decided {
        verbs: vec![Verb::Release],
        changes: changes.unwrap_or_default(),
        handover: None,
        ..follow(state, moref.clone())
    }
}

fn begin(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    state: &mut State,
    (key, moref, successor): (&MachineKey, &MoRef, &Successor),
) {
    let job = job_on(vcenter, caller, state, (key, moref), Verb::Release);
    let handover = Handover {
        moref: moref.clone(),
        bearing: bearing(successor),
        until: Until::Ours(key.clone()),
    };
    state.begin_handover(moref, job.work(String::new(), String::new()), None);
    job.clone().spawn(change::run(job, handover));
}
