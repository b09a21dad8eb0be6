//! Adopts machines: those of the companion, and those of an owner that is no more.

use super::{Decided, Results, is_under_way, results};
use crate::{
    edge::caller::Caller,
    machines::{
        absence, change,
        handover::{
            Bearing,
            adopt::{self, Adopt, Adoption},
            run::{Handover, Until},
        },
        job::Job,
        mark::Mark,
        work::Load,
    },
    vcenter::{VCenter, state::State},
};
use contract::v1::{Fault, Owner, Ownership, Reason, Verb, VirtualMachine};
use std::{sync::Arc, time::Duration};

/// Machines to adopt.
#[derive(Clone, Debug, PartialEq)]
pub struct AdoptRequest {
    /// Whose they become.
    pub owner: Owner,
    /// Which.
    pub adoptions: Vec<Adoption>,
    /// Hash of what the owner asks today.
    pub spec_hash: String,
    /// How long to hold the reply.
    pub wait: Duration,
    /// Only plan.
    pub validate_only: bool,
}

/// Makes each machine the owner's that is what it is taken for.
pub async fn adopt(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    request: AdoptRequest,
) -> Result<Results, Fault> {
    vcenter.connected().await.map_err(|fault| *fault)?;
    let plan = request.validate_only;
    let (wait, begins) = if plan {
        (Duration::ZERO, 0)
    } else {
        (request.wait, request.adoptions.len())
    };
    let room = vcenter
        .make_room(Load::of(Verb::Adopt), |_| begins)
        .map_err(|fault| *fault)?;
    let mut decided = Vec::with_capacity(request.adoptions.len());
    for adoption in &request.adoptions {
        decided.push(one(vcenter, caller, &request, adoption).await);
    }
    drop(room);
    Ok(results(vcenter, decided, wait, |_, machine| {
        machine.ownership() == Ownership::Ours && !is_under_way(machine)
    })
    .await)
}

async fn one(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    request: &AdoptRequest,
    adoption: &Adoption,
) -> Decided {
    let owner = request.owner.clone();
    let mark = Mark::new(adoption.key.clone(), owner, request.spec_hash.clone());
    let decided = vcenter.write(|state| {
        let decision = adopt::adopt(state, adoption, &mark);
        let decided = tell(state, request, adoption, &decision);
        if let (Adopt::Take(bearing), false) = (&decision, request.validate_only) {
            begin(vcenter, caller, state, (&mark, adoption, bearing));
        }
        (decision != Adopt::Look).then_some(decided)
    });
    match decided {
        Some(decided) => decided,
        None => Decided::refuse(None, named(adoption), unseen(vcenter, adoption).await),
    }
}

/// What is told of one machine, before and after it has changed hands.
fn tell(state: &State, request: &AdoptRequest, adoption: &Adoption, decision: &Adopt) -> Decided {
    let moref = adoption.moref();
    let planned = state.machine_at(&moref);
    let planned = planned.unwrap_or_else(|| named(adoption));
    let mut decided = Decided::keep(adoption.key.clone(), planned);
    match decision {
        Adopt::Take(bearing) => {
            let vm = state.vm(&moref);
            decided.verbs = vec![Verb::Adopt];
            decided.changes = vm.map(|vm| bearing.changes(vm)).unwrap_or_default();
            decided.handover = Some(moref).filter(|_| !request.validate_only);
        }
        Adopt::Keep => decided.handover = Some(moref),
        Adopt::Look => {}
        Adopt::Refuse(fault, obstacle) => {
            // What has the key is in the way, and is not what was asked for.
            decided.key = None;
            decided.fault = Some((**fault).clone());
            decided.obstacle = obstacle.as_ref().and_then(|moref| state.obstacle(moref));
        }
    }
    decided
}

fn begin(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    state: &mut State,
    (mark, adoption, bearing): (&Mark, &Adoption, &Bearing),
) {
    let who = (&mark.owner, adoption.name.as_str());
    let job = Job::new(vcenter, caller, &adoption.key, who, Verb::Adopt);
    let handover = Handover {
        moref: adoption.moref(),
        bearing: bearing.clone(),
        until: Until::Expected(adoption.clone()),
    };
    let work = job.work(adoption.folder.clone(), mark.spec_hash.clone());
    state.begin_handover(&handover.moref, work, Some(adoption.key.clone()));
    job.clone().spawn(change::run(job, handover));
}

/// What is said of a machine that is not in sight: what the caller said.
fn named(adoption: &Adoption) -> VirtualMachine {
    VirtualMachine {
        name: adoption.name.clone(),
        moref: adoption.moref.clone(),
        folder: adoption.folder.clone(),
        ..VirtualMachine::default()
    }
}

/// Why a machine that is not in sight is not adopted.
async fn unseen(vcenter: &VCenter, adoption: &Adoption) -> Fault {
    let (name, moref) = (&adoption.name, &adoption.moref);
    match absence::read_directly(vcenter, &adoption.moref()).await {
        Ok(Some(_)) => Fault::new(Reason::VmNotFound, format!("there is no machine `{moref}`")),
        Ok(None) => {
            let what = format!("`{name}` ({moref}) exists and is not in sight");
            Fault::new(Reason::AbsenceUnproven, what)
        }
        Err(failure) => vcenter.explain(&failure, &format!("looking for `{name}`")),
    }
}
