//! Has a machine for each identity.

use super::{Decided, Results, place, results};
use crate::{
    capacity::{Claim, Needs},
    edge::caller::Caller,
    machines::{
        create::{self, Plan},
        decide::{self, Ensure, Wanted},
        job::Job,
        power,
        view::planned,
        work::{Load, Work},
        work_request::{EnsureRequest, Wish},
    },
    placement::Placement,
    soap::MoRef,
    vcenter::{VCenter, privileges::Scope, state::State},
};
use contract::{
    identity::MachineKey,
    v1::{
        EnsurePlan, Fault, PlacementReport, PowerState, Verb, VirtualMachine, VirtualMachineState,
    },
};
use std::sync::Arc;

/// What an Ensure gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensured {
    /// What became of each machine.
    pub results: Results,
    /// The folder, as an inventory path.
    pub folder: String,
    /// Of a plan: what the driver makes of the spec.
    pub plan: Option<EnsurePlan>,
}

/// Makes what is missing, switches on what is off, and confirms the rest.
pub async fn ensure(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    request: EnsureRequest,
) -> Result<Ensured, Fault> {
    vcenter.connected().await.map_err(|fault| *fault)?;
    if request.validate_only {
        return plan(vcenter, caller, request).await;
    }
    let room = vcenter
        .make_room(Load::Make, |state| unfinished(state, &request.wishes))
        .map_err(|fault| *fault)?;
    let operation_id = &caller.operation_id;
    let placement = place::require(vcenter, &request.spec, operation_id).await?;
    let folder = place::folder(vcenter, &placement.folder, operation_id).await?;
    let path = placement.folder.path.clone();
    let EnsureRequest {
        owner,
        wishes,
        spec,
        spec_hash,
        wait,
        validate_only: _,
    } = request;
    let plan = Arc::new(Plan {
        spec,
        spec_hash,
        placement,
        folder,
    });
    let decided = wishes
        .iter()
        .map(|wish| begin(vcenter, caller, &owner, wish, &plan))
        .collect();
    drop(room);
    let results = results(vcenter, decided, wait, is_goal).await;
    Ok(Ensured {
        results,
        folder: path,
        plan: None,
    })
}

/// How many of the machines are neither on nor being worked on.
fn unfinished(state: &State, wishes: &[Wish]) -> usize {
    let is_on = |key: &MachineKey| {
        let vm = state.by_key(key).map(|(_, vm)| vm);
        vm.is_some_and(|vm| vm.power == PowerState::On)
    };
    let is_running = |key: &MachineKey| state.work(key).is_some_and(Work::is_running);
    let unfinished = |wish: &&Wish| !is_on(&wish.key) && !is_running(&wish.key);
    wishes.iter().filter(unfinished).count()
}

/// Done when it is on, or when it is somebody else's to say what becomes of it.
fn is_goal(state: VirtualMachineState, _: &VirtualMachine) -> bool {
    state == VirtualMachineState::Running
}

/// Decides for one machine and begins the work, in one step, so that no second call does the same.
fn begin(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    owner: &contract::v1::Owner,
    wish: &Wish,
    plan: &Arc<Plan>,
) -> Decided {
    let path = &plan.placement.folder.path;
    vcenter.write(|state| {
        let (decided, decision) = decide(
            state,
            owner,
            wish,
            Some(&plan.folder),
            (path, &plan.spec_hash),
        );
        let job = |verb| Job::new(vcenter, caller, &wish.key, (owner, &wish.name), verb);
        match decision {
            Ensure::Create => {
                let job = job(Verb::Create);
                state.begin(&wish.key, work(&job, plan, Needs::of(&plan.spec)));
                job.clone().spawn(create::run(job, Arc::clone(plan)));
            }
            Ensure::PowerOn(moref) => {
                let job = job(Verb::PowerOn);
                // Its disks are there, and what they may grow by is measured.
                let needs = Needs {
                    disk_bytes: 0,
                    ..Needs::of(&plan.spec)
                };
                state.begin(&wish.key, work(&job, plan, needs));
                job.clone().spawn(switch_on(job, Arc::clone(plan), moref));
            }
            Ensure::Keep | Ensure::Refuse(..) => {}
        }
        decided
    })
}

/// What is told of a job, with the room that its machine takes.
fn work(job: &Job, plan: &Plan, needs: Needs) -> Work {
    let site = plan.placement.site();
    let path = plan.placement.folder.path.clone();
    let cdrom = plan.spec.cdrom.as_ref();
    Work {
        claim: Some(Claim { site, needs }),
        iso: cdrom.map(|it| it.iso_path.clone()).unwrap_or_default(),
        ..job.work(path, plan.spec_hash.clone())
    }
}

async fn switch_on(job: Job, plan: Arc<Plan>, moref: MoRef) {
    power::on(&job, &plan.placement.datacenter, &moref).await;
}

fn decide(
    state: &State,
    owner: &contract::v1::Owner,
    wish: &Wish,
    folder: Option<&MoRef>,
    (path, spec_hash): (&str, &str),
) -> (Decided, Ensure) {
    let Wish { key, name } = wish;
    let decision = decide::ensure(
        state,
        &Wanted {
            key,
            name,
            folder,
            spec_hash,
        },
    );
    let planned = planned(key, owner, name, path, spec_hash);
    let mut decided = Decided::keep(key.clone(), planned);
    match &decision {
        Ensure::Create => decided.verbs = vec![Verb::Create, Verb::PowerOn],
        Ensure::PowerOn(_) => decided.verbs = vec![Verb::PowerOn],
        Ensure::Keep => {}
        Ensure::Refuse(fault, obstacle) => {
            decided.fault = Some((**fault).clone());
            decided.obstacle = obstacle.as_ref().and_then(|moref| state.obstacle(moref));
        }
    }
    (decided, decision)
}

/// What would be done, with everything that speaks against it.
async fn plan(
    vcenter: &Arc<VCenter>,
    caller: &Caller,
    request: EnsureRequest,
) -> Result<Ensured, Fault> {
    let EnsureRequest {
        owner,
        wishes,
        spec,
        spec_hash,
        ..
    } = request;
    let (report, placement) =
        place::report(vcenter, &spec, Scope::Machines, &caller.operation_id).await?;
    let path = placement
        .as_ref()
        .map(|p| p.folder.path.clone())
        .unwrap_or_default();
    let folder = placement.as_ref().and_then(there);
    let decided: Vec<_> = vcenter.read(|state| {
        let one = |wish| decide(state, &owner, wish, folder, (&path, &spec_hash)).0;
        wishes.iter().map(one).collect()
    });
    let results = results(vcenter, decided, std::time::Duration::ZERO, is_goal).await;
    Ok(Ensured {
        results,
        folder: path,
        plan: Some(told(spec, report)),
    })
}

/// The folder, if all of it is there.
fn there(placement: &Placement) -> Option<&MoRef> {
    let folder = &placement.folder;
    folder.missing.is_empty().then_some(&folder.existing)
}

/// The plan shows the keys of `extra_config`, never the values.
fn told(mut spec: contract::v1::VirtualMachineSpec, report: PlacementReport) -> EnsurePlan {
    spec.extra_config.values_mut().for_each(String::clear);
    EnsurePlan {
        effective_spec: Some(spec),
        report: Some(report),
    }
}
