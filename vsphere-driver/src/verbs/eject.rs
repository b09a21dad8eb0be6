//! Takes the ISO out of machines' drives.

use super::{Decided, Results, is_under_way, job_on, results, unseen};
use crate::{
    edge::caller::Caller,
    machines::{
        change, devices,
        eject::{self, Eject, Target, run::Ejection},
        vm::{Identity, Vm},
        work::Load,
        work_request::{ChangeRequest, Reference},
    },
    soap::MoRef,
    vcenter::{VCenter, state::State},
};
use contract::{
    identity::MachineKey,
    v1::{Fault, Verb, VirtualMachine},
};
use std::{collections::BTreeMap, sync::Arc};

/// Empties the drive of each machine.
pub async fn eject(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    request: ChangeRequest,
) -> Result<Results, Fault> {
    vcenter.connected().await.map_err(|fault| *fault)?;
    let (wait, begins) = (request.patience(), request.begins());
    let room = vcenter
        .make_room(Load::of(Verb::EjectIso), |_| begins)
        .map_err(|fault| *fault)?;
    let targets: Vec<_> = vcenter.read(|state| {
        let of = |reference| eject::target(state, reference, &caller.hub_id);
        request.machines.iter().map(of).collect()
    });
    let isos = look(vcenter, &targets).await?;
    let mut decided = Vec::with_capacity(targets.len());
    for (target, reference) in targets.into_iter().zip(&request.machines) {
        let one = match target {
            Target::Refuse(fault) => refuse(*fault),
            Target::Unseen(key) => refuse(unseen(vcenter, &key, reference).await),
            Target::Machine(key, moref) => match isos.get(&moref) {
                // It went meanwhile.
                None => refuse(unseen(vcenter, &key, &known(reference, &moref)).await),
                Some(iso) => {
                    let plan = request.validate_only;
                    vcenter.write(|state| one(vcenter, caller, state, (key, moref, iso, plan)))
                }
            },
        };
        decided.push(one);
    }
    drop(room);
    Ok(results(vcenter, decided, wait, |_, machine| {
        machine.mounted_iso.is_empty() && !is_under_way(machine)
    })
    .await)
}

/// What is in the drives now: what was seen once may have been changed by others.
async fn look(vcenter: &VCenter, targets: &[Target]) -> Result<BTreeMap<MoRef, String>, Fault> {
    let machine = |target: &Target| match target {
        Target::Machine(_, moref) => Some(moref.clone()),
        Target::Unseen(_) | Target::Refuse(_) => None,
    };
    let machines: Vec<_> = targets.iter().filter_map(machine).collect();
    let read = devices::look(vcenter, &machines).await;
    read.map_err(|failure| vcenter.explain(&failure, "looking for mounted ISOs"))
}

fn refuse(fault: Fault) -> Decided {
    Decided::refuse(None, VirtualMachine::default(), fault)
}

/// A reference with what is known of the machine.
fn known(reference: &Reference, moref: &MoRef) -> Reference {
    Reference {
        moref_hint: moref.id.to_string(),
        ..reference.clone()
    }
}

fn one(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    state: &mut State,
    (key, moref, iso, validate_only): (MachineKey, MoRef, &str, bool),
) -> Decided {
    let told = state.machine(&Identity::Key(key.clone()));
    let mut decided = Decided::keep(key.clone(), told.unwrap_or_default());
    match eject::eject(state, &key, iso) {
        Eject::Keep => {}
        Eject::Join => decided.handover = Some(moref),
        Eject::Refuse(fault) => decided.fault = Some(*fault),
        Eject::TakeOut => {
            decided.verbs = vec![Verb::EjectIso];
            decided.changes = vec![eject::change(iso)];
            if !validate_only {
                begin(vcenter, caller, state, (&key, &moref));
                decided.handover = Some(moref);
            }
        }
    }
    decided
}

fn begin(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    state: &mut State,
    (key, moref): (&MachineKey, &MoRef),
) {
    let job = job_on(vcenter, caller, state, (key, moref), Verb::EjectIso);
    let mark = state.vm(moref).and_then(Vm::mark);
    let spec_hash = mark.map(|mark| mark.spec_hash).unwrap_or_default();
    state.begin_handover(moref, job.work(String::new(), spec_hash), None);
    let moref = moref.clone();
    job.clone().spawn(change::run(job, Ejection { moref }));
}
