//! Switches machines on or off.

use super::{Decided, Results, is_under_way, results};
use crate::{
    edge::caller::Caller,
    machines::{
        decide::{self, Switch},
        job::Job,
        power, references,
        vm::{Identity, Vm},
        work::Load,
        work_request::{ChangeRequest, Reference, Wanted},
    },
    soap::MoRef,
    vcenter::{VCenter, state::State},
};
use contract::v1::{Fault, PowerState, Reason, Verb, VirtualMachine};
use std::sync::Arc;

/// Switches each machine to the power state that is wanted.
pub async fn switch(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    request: ChangeRequest,
    wanted: Wanted,
) -> Result<Results, Fault> {
    vcenter.connected().await.map_err(|fault| *fault)?;
    let (wait, begins) = (request.patience(), request.begins());
    let ChangeRequest {
        machines,
        wait: _,
        validate_only,
    } = request;
    let room = vcenter
        .make_room(Load::of(verb(wanted)), |_| begins)
        .map_err(|fault| *fault)?;
    let one = |reference| {
        vcenter.write(|state| one(vcenter, caller, state, reference, (wanted, validate_only)))
    };
    let decided: Vec<_> = machines.iter().map(one).collect();
    drop(room);
    let power = PowerState::from(wanted);
    Ok(results(vcenter, decided, wait, |_, machine| {
        machine.power_state() == power && !is_under_way(machine)
    })
    .await)
}

fn one(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    state: &mut State,
    reference: &Reference,
    (wanted, validate_only): (Wanted, bool),
) -> Decided {
    let refuse = |fault: Fault| Decided::refuse(None, VirtualMachine::default(), fault);
    let key = match references::to_change(state, reference, &caller.hub_id) {
        Ok(key) => key,
        Err(fault) => return refuse(*fault),
    };
    let Some(told) = state.machine(&Identity::Key(key.clone())) else {
        let what = format!("no machine {key} is in sight");
        return refuse(Fault::new(Reason::AbsenceUnproven, what));
    };
    let mut decided = Decided::keep(key.clone(), told);
    let verb = verb(wanted);
    match decide::switch(state, &key, wanted.into()) {
        Switch::Keep => {}
        Switch::Refuse(fault) => decided.fault = Some(*fault),
        Switch::To(moref) => {
            decided.verbs = vec![verb];
            if !validate_only && let Some(mark) = state.vm(&moref).and_then(Vm::mark) {
                let name = state
                    .vm(&moref)
                    .map(|vm| vm.name.clone())
                    .unwrap_or_default();
                let job = Job::new(vcenter, caller, &key, (&mark.owner, &name), verb);
                state.begin(&key, job.work(String::new(), mark.spec_hash));
                job.clone().spawn(run(job, moref));
            }
        }
    }
    decided
}

fn verb(wanted: Wanted) -> Verb {
    match wanted {
        Wanted::On => Verb::PowerOn,
        Wanted::Off => Verb::PowerOff,
    }
}

async fn run(job: Job, moref: MoRef) {
    job.step(job.verb);
    if job.verb == Verb::PowerOn {
        let datacenter = job.vcenter.read(|state| {
            let folder = state.vm(&moref).and_then(|vm| vm.parent.clone())?;
            state.inventory.datacenter_of(&folder).cloned()
        });
        return match datacenter {
            Some(datacenter) => power::on(&job, &datacenter, &moref).await,
            None => job.fail(Fault::new(
                Reason::ObjectGone,
                "its datacenter is not in sight",
            )),
        };
    }
    let mut turn = job.vcenter.removals.turn().await;
    // Boxed, so that those that only wait for their turn are small.
    match Box::pin(power::off(
        &job.vcenter,
        &moref,
        &job.name,
        &job.operation_id,
    ))
    .await
    {
        Ok(()) => job.succeed(),
        Err(fault) => {
            turn.fail();
            job.fail(fault);
        }
    }
    drop(turn);
}
