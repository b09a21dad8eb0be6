//! Removes a machine: off, destroyed, proved to be gone.

use super::{absence, job::Job, power};
use crate::{
    soap::MoRef,
    vcenter::{state::State, tasks::Outcome},
};
use contract::v1::{Absence, Fault, PowerState, Reason};
use std::time::Duration;

/// How often a removal that did not come to its end is tried.
const ATTEMPTS: usize = 3;
/// How long a create under way, or an outage, is waited for.
const PATIENCE: Duration = Duration::from_mins(10);

/// Removes the machine of a job, in its turn.
pub async fn run(job: Job, moref: MoRef) {
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
    job.vcenter.wait_until(PATIENCE, ended).await;
    let made = job
        .vcenter
        .read(|state| state.by_key(&key).map(|(moref, _)| moref.clone()));
    let work = job.work(String::new(), String::new());
    match made {
        Some(moref) => {
            job.vcenter.write(|state| state.begin(&key, work));
            run(job, moref).await;
        }
        None => job.vcenter.write(|state| {
            state.end(&key, contract::v1::RemovalCause::Withdrawn, None);
        }),
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

async fn remove_once(job: &Job, moref: &MoRef) -> Result<(), Fault> {
    let vcenter = &job.vcenter;
    let is_off = vcenter.read(|state| {
        state
            .vm(moref)
            .is_some_and(|vm| vm.power == PowerState::Off)
    });
    if !is_off {
        power::off(vcenter, moref, &job.name, &job.operation_id).await?;
    }
    let doing = format!("destroying `{}`", job.name);
    let call = vcenter.session.run(&job.operation_id, |vim, _| {
        let moref = moref.clone();
        async move { vim.destroy(&moref).await }
    });
    let task = call
        .await
        .map_err(|failure| vcenter.explain(&failure, &doing))?;
    match vcenter.tasks.outcome(&task).await {
        Outcome::Success(_) => Ok(()),
        Outcome::Fault(fault) => Err(vcenter.explain_vim(&fault, &doing)),
        Outcome::Lost => Err(Fault::new(Reason::OutcomeUnknown, doing)),
    }
}
