//! Removes machines.

use super::{Decided, Results, results};
use crate::{
    edge::caller::Caller,
    machines::{
        absence,
        decide::{self, Delete},
        delete,
        job::Job,
        references,
        vm::Identity,
        work::{Load, Work},
        work_request::{ChangeRequest, Reference},
    },
    soap::MoRef,
    vcenter::{VCenter, state::State},
};
use contract::{
    identity::MachineKey,
    v1::{
        Absence, Fault, Owner, PowerState, RemovalCause, Verb, VirtualMachine, VirtualMachineState,
    },
};
use futures::{StreamExt as _, stream};
use std::{sync::Arc, time::Duration};

/// Proofs that are made at once.
const PROOFS: usize = 8;

/// Removes each machine, or proves that it is not there.
pub async fn delete(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    request: ChangeRequest,
) -> Result<Results, Fault> {
    vcenter.connected().await.map_err(|fault| *fault)?;
    let (wait, begins) = (request.patience(), request.begins());
    let ChangeRequest {
        machines,
        wait: _,
        validate_only,
    } = request;
    let room = vcenter
        .make_room(Load::Remove, |_| begins)
        .map_err(|fault| *fault)?;
    let decide = |reference: Reference| one(vcenter, caller, reference, (validate_only, wait));
    let decided = stream::iter(machines)
        .map(decide)
        .buffered(PROOFS)
        .collect()
        .await;
    drop(room);
    Ok(results(vcenter, decided, wait, |state, _| {
        state == VirtualMachineState::Gone
    })
    .await)
}

async fn one(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    reference: Reference,
    (validate_only, wait): (bool, Duration),
) -> Decided {
    let decided = vcenter.write(|state| {
        let key = match references::to_change(state, &reference, &caller.hub_id) {
            Ok(key) => key,
            Err(fault) => {
                let none = VirtualMachine::default();
                return Err(Box::new(Decided::refuse(None, none, *fault)));
            }
        };
        let told = state.machine(&Identity::Key(key.clone()));
        let decision = decide::delete(state, &key);
        let verbs = verbs(state, &decision);
        if !validate_only {
            begin(vcenter, caller, state, &decision);
        }
        Ok((key, told, decision, verbs))
    });
    let (key, told, decision, verbs) = match decided {
        Ok(decided) => decided,
        Err(refused) => return *refused,
    };
    let planned = told.unwrap_or_else(|| absent(&key));
    let mut decided = Decided {
        verbs,
        ..Decided::keep(key.clone(), planned)
    };
    match decision {
        Delete::Prove(key) => {
            let hints = (&*reference.moref_hint, &*reference.folder_hint);
            let proof = absence::prove(vcenter, &key, hints).await;
            take_proof(vcenter, &mut decided, proof, validate_only);
        }
        // Who waits is told that it is gone, and that takes a proof here as well.
        Delete::Withdraw(key) if !wait.is_zero() => {
            let withdrawn = |state: &State| state.work(&key).is_none();
            vcenter.wait_until(wait, withdrawn).await;
            let folder = decided.planned.folder.clone();
            let proof = absence::prove(vcenter, &key, (&reference.moref_hint, &folder)).await;
            take_proof(vcenter, &mut decided, proof, validate_only);
        }
        Delete::Gone(_, absence) => decided.absence = Some(absence),
        Delete::Refuse(_, fault) => decided.fault = Some(*fault),
        Delete::Remove(..) | Delete::AfterCreate(_) | Delete::Withdraw(_) | Delete::Keep(_) => {}
    }
    decided
}

/// Notes that a machine is proved to be gone, or why it is not.
fn take_proof(
    vcenter: &VCenter,
    decided: &mut Decided,
    proof: Result<Absence, Fault>,
    validate_only: bool,
) {
    match (proof, &decided.key) {
        (Ok(absence), Some(key)) => {
            decided.planned = absent(key);
            decided.absence = Some(absence);
            if !validate_only {
                vcenter.write(|state| {
                    // Somebody may have asked for it anew while it was proved.
                    if !state.work(key).is_some_and(Work::is_running) {
                        state.end(key, RemovalCause::Withdrawn, Some(absence));
                    }
                });
            }
        }
        (Ok(absence), None) => decided.absence = Some(absence),
        (Err(fault), _) => decided.fault = Some(fault),
    }
}

fn absent(key: &MachineKey) -> VirtualMachine {
    let machine = crate::machines::view::planned(key, &Owner::default(), "", "", "");
    let state = VirtualMachineState::Unknown.into();
    VirtualMachine {
        state,
        owner: None,
        ..machine
    }
}

fn verbs(state: &State, decision: &Delete) -> Vec<Verb> {
    match decision {
        Delete::Remove(_, moref) => {
            let off = state
                .vm(moref)
                .is_some_and(|vm| vm.power == PowerState::Off);
            if off {
                vec![Verb::Delete]
            } else {
                vec![Verb::PowerOff, Verb::Delete]
            }
        }
        Delete::AfterCreate(_) => vec![Verb::PowerOff, Verb::Delete],
        Delete::Withdraw(_) | Delete::Keep(_) => vec![Verb::Delete],
        Delete::Prove(_) | Delete::Gone(..) | Delete::Refuse(..) => Vec::new(),
    }
}

fn begin(vcenter: &Arc<VCenter>, caller: &Caller, state: &mut State, decision: &Delete) {
    let job = |state: &State, key: &MachineKey, moref: Option<&MoRef>| {
        let vm = moref.and_then(|moref| state.vm(moref));
        let mark = vm.and_then(crate::machines::vm::Vm::mark);
        let work = state.work(key);
        let owner = mark
            .map(|mark| mark.owner)
            .or_else(|| work.map(|work| work.owner.clone()));
        let name = vm
            .map(|vm| vm.name.clone())
            .or_else(|| work.map(|work| work.name.clone()));
        let (owner, name) = (owner.unwrap_or_default(), name.unwrap_or_default());
        Job::new(vcenter, caller, key, (&owner, &name), Verb::Delete)
    };
    match decision {
        Delete::Remove(key, moref) => {
            if let Some(work) = state.work(key) {
                work.withdrawn.cancel();
            }
            let job = job(state, key, Some(moref));
            let work = job.work(String::new(), String::new());
            state.begin(key, work);
            job.clone().spawn(delete::run(job, moref.clone()));
        }
        Delete::AfterCreate(key) => {
            let job = job(state, key, None);
            state.follow_by_removal(key, true);
            job.clone().spawn(delete::run_after_create(job));
        }
        Delete::Withdraw(key) => {
            if let Some(work) = state.work(key) {
                work.withdrawn.cancel();
            }
        }
        Delete::Keep(_) | Delete::Prove(_) | Delete::Gone(..) | Delete::Refuse(..) => {}
    }
}
