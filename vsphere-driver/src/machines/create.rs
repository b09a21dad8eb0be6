//! Makes a machine and switches it on.

use super::{
    absence, config_spec::config_spec, decide, job::Job, mark::Mark, power, reading, vm::Vm,
};
use crate::{
    placement::Placement,
    soap::{MoRef, config_spec::ConfigSpec, search::UuidKind},
    vcenter::{state::State, tasks::Outcome},
};
use contract::v1::{Fault, Ownership, Reason, VirtualMachineSpec};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How often a create whose reply was lost is looked up and tried again.
const ATTEMPTS: usize = 3;
/// How long such a create waits for vCenter to come back.
const OUTAGE: Duration = Duration::from_mins(5);

/// Where and from what machines of one request are made.
#[derive(Debug)]
pub struct Plan {
    /// What each shall be.
    pub spec: VirtualMachineSpec,
    /// Hash of that.
    pub spec_hash: String,
    /// Where they go.
    pub placement: Placement,
    /// The folder, which is there.
    pub folder: MoRef,
}

/// How long the holder of a name may be out of sight while creates go on.
const UNSEEN: Duration = Duration::from_mins(5);
/// Between two looks for it.
const AGAIN: Duration = Duration::from_secs(2);

/// What became of one attempt.
enum Attempt {
    /// The machine is there.
    Made(MoRef),
    /// It is not, and why.
    Failed(Fault),
    /// Its name is taken.
    NameTaken,
    /// Nobody knows: it must be looked up.
    Unsure,
}

/// Makes the machine of a job, in its turn, and switches it on.
pub async fn run(job: Job, plan: Arc<Plan>) {
    let vcenter = Arc::clone(&job.vcenter);
    let mut turn = tokio::select! {
        biased;
        () = job.withdrawn.cancelled() => return withdrawn(&job),
        turn = vcenter.creates.turn() => turn,
    };
    if !job.begin() {
        return withdrawn(&job);
    }
    // What only waits for its turn is small: thousands do. What calls vCenter is large, and few do.
    let made = Box::pin(make(&job, &plan)).await;
    if made.is_err() {
        turn.fail();
    }
    drop(turn);
    match made {
        Ok(moref) => power::on(&job, &plan.placement.datacenter, &moref).await,
        Err(fault) => job.fail(fault),
    }
}

fn withdrawn(job: &Job) {
    let what = format!("the create of `{}` was withdrawn", job.name);
    job.withdraw(&Fault::new(Reason::Withdrawn, what));
}

/// Whether the machine was there since its create began. One that somebody removed then is not made
/// again: who asked for it was told of its end, and may have asked for another in its place.
fn was_seen(job: &Job) -> bool {
    let key = &job.key;
    let seen = |state: &State| state.by_key(key).is_some() || state.absence(key).is_some();
    job.vcenter.read(seen)
}

async fn make(job: &Job, plan: &Plan) -> Result<MoRef, Fault> {
    let mark = Mark::new(job.key.clone(), job.owner.clone(), plan.spec_hash.clone());
    let spec = config_spec(&plan.spec, &plan.placement, &mark, &job.name);
    for _ in 0..ATTEMPTS {
        match attempt(job, plan, &spec).await {
            Attempt::Made(moref) => return Ok(moref),
            Attempt::Failed(fault) => return Err(fault),
            Attempt::NameTaken => {
                if let Some(moref) = find_holder(job, plan).await? {
                    return Ok(moref);
                }
                let what = format!("`{}` is taken by something out of sight", job.name);
                return Err(Fault::new(Reason::ConflictForeign, what).with("name", &job.name));
            }
            Attempt::Unsure => {
                tracing::warn!(key = %job.key, "Reply to a create was lost, looking it up");
                if let Some(moref) = look_up(job, plan).await? {
                    return Ok(moref);
                }
                if was_seen(job) {
                    let what = format!("`{}` was made, and removed by somebody else", job.name);
                    return Err(Fault::new(Reason::OutcomeUnknown, what));
                }
            }
        }
    }
    let what = format!(
        "the reply to creating `{}` was lost {ATTEMPTS} times",
        job.name
    );
    Err(Fault::new(Reason::OutcomeUnknown, what))
}

async fn attempt(job: &Job, plan: &Plan, spec: &ConfigSpec) -> Attempt {
    let vcenter = &job.vcenter;
    let doing = format!("creating `{}`", job.name);
    let host = host(&plan.placement, job.key.slot);
    let create = vcenter.session.run(&job.operation_id, |vim, _| {
        let (folder, pool) = (plan.folder.clone(), plan.placement.pool.clone());
        let (spec, host) = (spec, host.cloned());
        async move { vim.create_vm(&folder, spec, &pool, host.as_ref()).await }
    });
    let task = match create.await {
        Ok(task) => task,
        Err(failure) if failure.is_fault("DuplicateName") => return Attempt::NameTaken,
        Err(failure) if failure.certainly_not_run() => {
            return Attempt::Failed(vcenter.explain(&failure, &doing));
        }
        Err(_) => return Attempt::Unsure,
    };
    match vcenter.tasks.outcome(&task).await {
        Outcome::Success(result) => match result.as_ref().and_then(crate::soap::Element::moref) {
            Some(moref) => Attempt::Made(moref),
            None => Attempt::Unsure,
        },
        Outcome::Fault(fault) if fault.is("DuplicateName") => Attempt::NameTaken,
        Outcome::Fault(fault) => Attempt::Failed(vcenter.explain_vim(&fault, &doing)),
        Outcome::Lost => Attempt::Unsure,
    }
}

/// Without DRS machines are spread over the hosts by their numbers.
fn host(placement: &Placement, slot: i32) -> Option<&MoRef> {
    let count = placement.hosts.len();
    let slot = usize::try_from(slot).unwrap_or_default();
    placement.hosts.get(slot.checked_rem(count)?)
}

/// Looks for the machine that has the name. It may be ours, of a create whose caller was lost and whose
/// task goes on: such a machine comes into sight late.
async fn find_holder(job: &Job, plan: &Plan) -> Result<Option<MoRef>, Fault> {
    let vcenter = &job.vcenter;
    let until = Instant::now() + UNSEEN;
    loop {
        let making = vcenter
            .session
            .run(&job.operation_id, |vim, now| async move {
                absence::is_making(&vim, &now).await
            })
            .await
            .map_err(|failure| vcenter.explain(&failure, "looking for running creates"))?;
        // After the tasks: one that ended meanwhile has made its machine by now.
        let found = look_up(job, plan).await?;
        if found.is_some() || !making || Instant::now() >= until {
            return Ok(found);
        }
        sleep(AGAIN).await;
    }
}

/// Looks for the machine in vCenter itself, by its name and by its key. One that is not ours stands in
/// the way.
async fn look_up(job: &Job, plan: &Plan) -> Result<Option<MoRef>, Fault> {
    let vcenter = &job.vcenter;
    if !vcenter.wait_until(OUTAGE, State::is_connected).await {
        let what = format!("creating `{}`: vCenter did not come back", job.name);
        return Err(Fault::new(Reason::OutcomeUnknown, what));
    }
    let doing = format!("looking for `{}`", job.name);
    let uuid = job.key.instance_uuid().to_string();
    let found = vcenter.session.look(&job.operation_id, |vim, now| {
        let (folder, uuid) = (plan.folder.clone(), uuid.clone());
        let name = crate::inventory::path::encode(&job.name);
        async move {
            let index = &now.content.search_index;
            let by_name = vim.find_child(index, &folder, &name).await?;
            let by_key = vim.find_vms(index, None, &uuid, UuidKind::Instance).await?;
            Ok(by_key.into_iter().chain(by_name).collect::<Vec<_>>())
        }
    });
    let found = found
        .await
        .map_err(|failure| vcenter.explain(&failure, &doing))?;
    for moref in &found {
        reading::read(vcenter, moref)
            .await
            .map_err(|failure| vcenter.explain(&failure, &doing))?;
    }
    let is_ours = |vm: &Vm| {
        let (ownership, mark) = vm.ownership();
        ownership == Ownership::Ours && mark.is_some_and(|mark| mark.key == job.key)
    };
    vcenter.read(|state| {
        let ours = found
            .iter()
            .find(|moref| state.vm(moref).is_some_and(is_ours));
        if let Some(moref) = ours {
            return Ok(Some(moref.clone()));
        }
        let other = found
            .iter()
            .find_map(|moref| Some((moref, state.vm(moref)?)));
        other.map_or(Ok(None), |(moref, vm)| {
            Err(decide::conflict(state, moref, vm))
        })
    })
}
