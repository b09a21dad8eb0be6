//! Removes a machine: off, destroyed, proved to be gone.

use super::{absence, job::Job, power};
use crate::{
    audit::Outcome,
    soap::MoRef,
    vcenter::{state::State, tasks},
};
use contract::v1::{Absence, Fault, PowerState, Reason, RemovalCause};
use std::time::Duration;

/// How often a removal that did not come to its end is tried.
const ATTEMPTS: usize = 3;
/// How long a create under way, or an outage, is waited for.
const PATIENCE: Duration = Duration::from_mins(10);

/// Removes the machine of a job, in its turn.
pub async fn run(job: Job, moref: MoRef) {
    // One that waits to be switched on must not be, while it goes.
    job.vcenter.power_ons.withdraw(&moref);
    let mut turn = job.vcenter.removals.turn().await;
    job.step(job.verb);
    // Boxed, so that those that only wait for their turn are small.
    match Box::pin(remove(&job, &moref)).await {
        Ok(absence) => {
            job.vcenter.write(|state| state.remove_vm(&moref, absence));
            job.gone(absence);
        }
        Err(fault) => {
            turn.fail();
            job.fail(fault);
        }
    }
    drop(turn);
}

/// Waits for the create that is under way, then removes what it made.
pub async fn run_after_create(job: Job) {
    let key = job.key.clone();
    let ended = |state: &State| state.work(&key).is_none_or(|work| !work.is_running());
    if !job.vcenter.wait_until(PATIENCE, ended).await {
        // It goes on, and whoever asked for the removal asks again.
        job.vcenter
            .write(|state| state.follow_by_removal(&key, false));
        let what = format!("`{}` is still being made", job.name);
        job.audit(Outcome::Failed(&Fault::new(Reason::Busy, what)));
        return;
    }
    let work = job.work(String::new(), String::new());
    let made = job.vcenter.write(|state| {
        let made = state.by_key(&key).map(|(moref, _)| moref.clone());
        if made.is_some() {
            state.begin(&key, work);
        } else {
            state.end(&key, RemovalCause::Withdrawn, None);
        }
        made
    });
    if let Some(moref) = made {
        run(job, moref).await;
    }
}

async fn remove(job: &Job, moref: &MoRef) -> Result<Absence, Fault> {
    let vcenter = &job.vcenter;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        if let Err(fault) = remove_once(job, moref).await {
            if !is_passing(&fault) {
                return Err(fault);
            }
            last = Some(fault);
        }
        vcenter.wait_until(PATIENCE, State::is_connected).await;
        let doing = format!("proving that `{}` is gone", job.name);
        match absence::read_directly(vcenter, moref).await {
            Ok(Some(absence)) => return Ok(absence),
            Ok(None) => {}
            Err(failure) => last = Some(vcenter.explain(&failure, &doing)),
        }
    }
    let what = format!("`{}` is still there after {ATTEMPTS} attempts", job.name);
    Err(last.unwrap_or_else(|| Fault::new(Reason::OutcomeUnknown, what)))
}

/// Faults after which another attempt may do it: the reply was lost, or the power state changed.
fn is_passing(fault: &Fault) -> bool {
    matches!(
        fault.reason(),
        Reason::VcenterUnreachable
            | Reason::VcenterBadReply
            | Reason::OutcomeUnknown
            | Reason::ObjectGone
            | Reason::InvalidPowerState
    )
}

/// Nothing is done to a machine that has lost our mark while its removal waited for its turn or for vCenter.
fn own(job: &Job, moref: &MoRef) -> Result<(), Fault> {
    let has_key = job.vcenter.read(|state| state.has_key(moref, &job.key));
    has_key.then_some(()).ok_or_else(|| {
        let what = format!("`{}` lost its mark while it waited to be removed", job.name);
        Fault::new(Reason::NotOurs, what)
    })
}

async fn remove_once(job: &Job, moref: &MoRef) -> Result<(), Fault> {
    let vcenter = &job.vcenter;
    own(job, moref)?;
    let is_off = vcenter.read(|state| {
        state
            .vm(moref)
            .is_some_and(|vm| vm.power == PowerState::Off)
    });
    if !is_off {
        power::off(vcenter, moref, &job.name, &job.operation_id).await?;
    }
    own(job, moref)?;
    let doing = format!("destroying `{}`", job.name);
    let call = vcenter.session.run(&job.operation_id, |vim, _| {
        let moref = moref.clone();
        async move { vim.destroy(&moref).await }
    });
    let task = call
        .await
        .map_err(|failure| vcenter.explain(&failure, &doing))?;
    match vcenter.tasks.outcome(&task).await {
        tasks::Outcome::Success(_) => Ok(()),
        tasks::Outcome::Fault(fault) => Err(vcenter.explain_vim(&fault, &doing)),
        tasks::Outcome::Lost => Err(Fault::new(Reason::OutcomeUnknown, doing)),
    }
}
