//! Takes the ISO out of machines' drives.

use super::{Decided, Results, is_under_way, job_on, results, unseen};
use crate::{
    edge::caller::Caller,
    iso::{ours::Ours, store::Store},
    machines::{
        change, devices,
        eject::{self, Eject, Inside, Target, Which, run::Ejection},
        vm::{Identity, Vm},
        work::Load,
        work_request::{ChangeRequest, Reference},
    },
    soap::MoRef,
    vcenter::{VCenter, privileges, state::State},
};
use contract::{
    identity::MachineKey,
    v1::{Fault, MissingPrivilege, Verb, VirtualMachine},
};
use std::{collections::BTreeMap, sync::Arc};

/// Who has drives emptied, and how.
#[derive(Clone, Copy, Debug)]
struct Beginning<'a> {
    vcenter: &'a Arc<VCenter>,
    caller: &'a Caller,
    only_stored: bool,
    validate_only: bool,
}

/// Empties the drive of each machine: of everything, or only of files of this store.
pub async fn eject(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    request: ChangeRequest,
    only: Option<&Store>,
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
    let found = look(vcenter, &targets).await?;
    let mut drives = sort(vcenter, found, (only, &caller.operation_id)).await;
    if request.validate_only {
        note_missing(vcenter, &mut drives).await?;
    }
    let begin = Beginning {
        vcenter,
        caller,
        only_stored: only.is_some(),
        validate_only: request.validate_only,
    };
    let mut decided = Vec::with_capacity(targets.len());
    for (target, reference) in targets.into_iter().zip(&request.machines) {
        let one = match target {
            Target::Refuse(fault) => refuse(*fault),
            Target::Unseen(key) => refuse(unseen(vcenter, &key, reference).await),
            Target::Machine(key, moref) => match drives.get(&moref) {
                // It went meanwhile.
                None => refuse(unseen(vcenter, &key, &known(reference, &moref)).await),
                Some(inside) => vcenter.write(|state| begin.decide(state, (key, moref), inside)),
            },
        };
        decided.push(one);
    }
    drop(room);
    // What is not the driver's may stay beside what is.
    let is_goal = |machine: &VirtualMachine| only.is_some() || machine.mounted_iso.is_empty();
    Ok(results(vcenter, decided, wait, |_, machine| {
        is_goal(machine) && !is_under_way(machine)
    })
    .await)
}

/// What is in the drives now: what was seen once may have been changed by others.
async fn look(
    vcenter: &VCenter,
    targets: &[Target],
) -> Result<BTreeMap<MoRef, Option<Vec<String>>>, Fault> {
    let machine = |target: &Target| match target {
        Target::Machine(_, moref) => Some(moref.clone()),
        Target::Unseen(_) | Target::Refuse(_) => None,
    };
    let machines: Vec<_> = targets.iter().filter_map(machine).collect();
    let read = devices::look(vcenter, &machines).await;
    read.map_err(|failure| vcenter.explain(&failure, "looking for mounted ISOs"))
}

/// What of it is to be taken out.
async fn sort(
    vcenter: &Arc<VCenter>,
    found: BTreeMap<MoRef, Option<Vec<String>>>,
    (only, op): (Option<&Store>, &str),
) -> BTreeMap<MoRef, Inside> {
    let mut ours = only.map(|store| Ours::new(store, vcenter, op));
    let mut drives = BTreeMap::new();
    for (moref, isos) in found {
        let Some(isos) = isos else {
            drives.insert(moref, eject::unreadable());
            continue;
        };
        let datacenter = vcenter.read(|state| {
            let folder = state.vm(&moref)?.parent.as_ref()?;
            state.inventory.datacenter_of(folder).cloned()
        });
        let mut known = Vec::with_capacity(isos.len());
        for iso in isos {
            let is_ours = match &mut ours {
                None => Ok(true),
                Some(ours) => ours.has(&iso, datacenter.as_ref()).await,
            };
            known.push((iso, is_ours));
        }
        drives.insert(moref, eject::sort(known));
    }
    drives
}

/// Where a privilege is missing for it, nothing can be taken out.
async fn note_missing(
    vcenter: &VCenter,
    drives: &mut BTreeMap<MoRef, Inside>,
) -> Result<(), Fault> {
    let full = drives.iter().filter(|(_, inside)| !inside.taken.is_empty());
    let machines: Vec<_> = full.map(|(moref, _)| moref.clone()).collect();
    let missing = privileges::missing_for_ejection(vcenter, &machines).await;
    let missing = missing.map_err(|failure| vcenter.explain(&failure, "checking privileges"))?;
    for (moref, inside) in drives {
        let of = |lack: &&MissingPrivilege| {
            let object = lack.object.as_ref();
            object.is_some_and(|object| *object.moref == *moref.id)
        };
        if let Some(lack) = missing.iter().find(of) {
            inside.taken.clear();
            inside.stays = Some(privileges::fault(lack));
        }
    }
    Ok(())
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

// === impl Beginning ===

impl Beginning<'_> {
    fn decide(
        &self,
        state: &mut State,
        (key, moref): (MachineKey, MoRef),
        inside: &Inside,
    ) -> Decided {
        let told = state.machine(&Identity::Key(key.clone()));
        let mut decided = Decided::keep(key.clone(), told.unwrap_or_default());
        match eject::eject(state, &key, inside) {
            Eject::Keep => {}
            Eject::Join => decided.handover = Some(moref),
            Eject::Refuse(fault) => decided.fault = Some(*fault),
            Eject::TakeOut => {
                decided.verbs = vec![Verb::EjectIso];
                decided.changes = eject::changes(&inside.taken);
                if !self.validate_only {
                    self.begin(state, (&key, &moref), inside);
                    decided.handover = Some(moref);
                }
            }
        }
        decided
    }

    fn begin(&self, state: &mut State, (key, moref): (&MachineKey, &MoRef), inside: &Inside) {
        let job = job_on(
            self.vcenter,
            self.caller,
            state,
            (key, moref),
            Verb::EjectIso,
        );
        let mark = state.vm(moref).and_then(Vm::mark);
        let spec_hash = mark.map(|mark| mark.spec_hash).unwrap_or_default();
        state.begin_handover(moref, job.work(String::new(), spec_hash), None);
        let which = if self.only_stored {
            Which::These(inside.taken.clone())
        } else {
            Which::All
        };
        let moref = moref.clone();
        job.clone()
            .spawn(change::run(job, Ejection { moref, which }));
    }
}
