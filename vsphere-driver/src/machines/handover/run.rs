//! Lets a machine change hands: reads it, compares once more, changes it in one call, reads it back.

use super::{
    Bearing,
    adopt::{Adoption, is_as_expected},
};
use crate::{
    audit::Outcome as Told,
    machines::{decide, job::Job, reading, vm::Vm},
    soap::MoRef,
    vcenter::{clock, state::State, tasks::Outcome},
};
use contract::{
    identity::MachineKey,
    v1::{Fault, Reason},
};
use std::time::Duration;

/// How often a change that did not come to its end is looked up and tried again.
const ATTEMPTS: usize = 5;
/// How long such a change waits for vCenter to come back.
const OUTAGE: Duration = Duration::from_mins(5);

/// A machine that changes hands.
#[derive(Clone, Debug)]
pub struct Handover {
    /// Which machine.
    pub moref: MoRef,
    /// What it shall bear.
    pub bearing: Bearing,
    /// What it must be until then.
    pub until: Until,
}

/// What a machine must be until it has changed hands.
#[derive(Clone, Debug)]
pub enum Until {
    /// What the caller takes it for.
    Expected(Adoption),
    /// Ours, under this key.
    Ours(MachineKey),
}

/// What became of one attempt.
enum Attempt {
    /// Nothing is left to be done.
    Done,
    /// It cannot be done.
    Failed(Fault),
    /// Somebody changed the machine meanwhile, or nobody knows what became of the call.
    Again(Fault),
}

/// Does it in its turn, and notes how it ended.
pub async fn run(job: Job, handover: Handover) {
    let moref = &handover.moref;
    let vcenter = &job.vcenter;
    let mut turn = vcenter.creates.turn().await;
    vcenter.write(|state| state.change_handover(moref, |work| work.step(job.verb)));
    // Boxed, so that those that only wait for their turn are small.
    match Box::pin(change(&job, &handover)).await {
        Ok(()) => {
            vcenter.write(|state| state.finish_handover(moref, |work| work.succeed(clock::now())));
            job.audit(Told::Done);
        }
        Err(fault) => {
            turn.fail();
            job.audit(Told::Failed(&fault));
            let end = |state: &mut State| {
                state.finish_handover(moref, |work| work.fail(fault, clock::now()));
            };
            vcenter.write(end);
        }
    }
    drop(turn);
}

async fn change(job: &Job, handover: &Handover) -> Result<(), Fault> {
    let what = format!("`{}` was changed {ATTEMPTS} times meanwhile", job.name);
    let mut last = Fault::new(Reason::OutcomeUnknown, what);
    for _ in 0..ATTEMPTS {
        job.vcenter.wait_until(OUTAGE, State::is_connected).await;
        match attempt(job, handover).await {
            Attempt::Done => return Ok(()),
            Attempt::Failed(fault) => return Err(fault),
            Attempt::Again(fault) => last = fault,
        }
    }
    Err(last)
}

async fn attempt(job: &Job, handover: &Handover) -> Attempt {
    let Handover {
        moref,
        bearing,
        until: _,
    } = handover;
    let vcenter = &job.vcenter;
    let doing = format!("changing the mark of `{}`", job.name);
    let version = match reading::read(vcenter, moref).await {
        Ok(version) => version,
        Err(failure) if failure.is_fault("ManagedObjectNotFound") => {
            let what = format!("`{}` is no more", job.name);
            return Attempt::Failed(Fault::new(Reason::VmNotFound, what));
        }
        Err(failure) => return Attempt::Again(vcenter.explain(&failure, &doing)),
    };
    let change = vcenter.read(|state| match state.vm(moref) {
        Some(vm) if bearing.is_borne(vm) => Ok(None),
        Some(vm) => {
            handover.is_still(state, vm)?;
            Ok(Some(bearing.reconfiguration(vm, version)))
        }
        None => Err(Box::new(Fault::new(
            Reason::AbsenceUnproven,
            format!("`{}` is out of sight", job.name),
        ))),
    });
    let change = match change {
        Ok(Some(change)) => change,
        Ok(None) => return Attempt::Done,
        Err(fault) => return Attempt::Failed(*fault),
    };
    let call = vcenter.session.run(&job.operation_id, |vim, _| {
        let (moref, change) = (moref.clone(), change.clone());
        async move { vim.reconfigure(&moref, &change).await }
    });
    let task = match call.await {
        Ok(task) => task,
        Err(failure) if failure.is_fault("ConcurrentAccess") => {
            return Attempt::Again(vcenter.explain(&failure, &doing));
        }
        Err(failure) if failure.certainly_not_run() => {
            return Attempt::Failed(vcenter.explain(&failure, &doing));
        }
        Err(_) => return Attempt::Again(lost(&doing)),
    };
    match vcenter.tasks.outcome(&task).await {
        Outcome::Fault(fault) if fault.is("ConcurrentAccess") => {
            Attempt::Again(vcenter.explain_vim(&fault, &doing))
        }
        Outcome::Fault(fault) => Attempt::Failed(vcenter.explain_vim(&fault, &doing)),
        // What vCenter did is seen in the next attempt, which then has nothing to do.
        Outcome::Success(_) | Outcome::Lost => Attempt::Again(lost(&doing)),
    }
}

fn lost(doing: &str) -> Fault {
    Fault::new(
        Reason::OutcomeUnknown,
        format!("{doing}: nobody knows whether it was done"),
    )
}

// === impl Handover ===

impl Handover {
    fn is_still(&self, state: &State, vm: &Vm) -> Result<(), Box<Fault>> {
        match &self.until {
            Until::Expected(adoption) => {
                is_as_expected(state, adoption, vm).map_err(|(fault, _)| fault)
            }
            Until::Ours(key) => {
                let has = decide::refusal(&self.moref, vm, &key.hub_id)?;
                if has == *key {
                    return Ok(());
                }
                let what = format!("`{}` is machine {has} now, not {key}", vm.name);
                Err(Box::new(Fault::new(Reason::NotOurs, what)))
            }
        }
    }
}
