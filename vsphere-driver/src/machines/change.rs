//! Changes a machine where it stands: in its turn, and again until it is seen to be done.

use super::{decide, job::Job, vm::Vm};
use crate::{
    audit::Outcome as Told,
    soap::{MoRef, reconfigure::Reconfiguration},
    vcenter::{VCenter, clock, session::Failure, state::State, tasks::Outcome},
};
use contract::{
    identity::MachineKey,
    v1::{Fault, Reason},
};
use std::{future::Future, time::Duration};

/// How often a change that did not come to its end is looked up and tried again.
const ATTEMPTS: usize = 5;
/// How long such a change waits for vCenter to come back.
const OUTAGE: Duration = Duration::from_mins(5);

/// A change of one machine.
pub trait Change: Sync {
    /// Which machine.
    fn moref(&self) -> &MoRef;

    /// Looks at the machine and does what is left to be done.
    fn attempt(&self, job: &Job) -> impl Future<Output = Attempt> + Send;
}

/// What became of one attempt.
#[derive(Debug)]
pub enum Attempt {
    /// Nothing is left to be done.
    Done,
    /// It cannot be done.
    Failed(Fault),
    /// Somebody changed the machine meanwhile, or nobody knows what became of the call.
    Again(Fault),
}

/// Does it in its turn, and notes how it ended.
pub async fn run(job: Job, change: impl Change) {
    let moref = change.moref();
    let vcenter = &job.vcenter;
    let mut turn = vcenter.creates.turn().await;
    vcenter.write(|state| state.change_handover(moref, |work| work.step(job.verb)));
    // Boxed, so that those that only wait for their turn are small.
    match Box::pin(carry_out(&job, &change)).await {
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

async fn carry_out(job: &Job, change: &impl Change) -> Result<(), Fault> {
    let what = format!("`{}` was changed {ATTEMPTS} times meanwhile", job.name);
    let mut last = Fault::new(Reason::OutcomeUnknown, what);
    for _ in 0..ATTEMPTS {
        job.vcenter.wait_until(OUTAGE, State::is_connected).await;
        match change.attempt(job).await {
            Attempt::Done => return Ok(()),
            Attempt::Failed(fault) => return Err(fault),
            Attempt::Again(fault) => last = fault,
        }
    }
    Err(last)
}

/// What it means that the machine could not be looked at.
pub fn unread(job: &Job, failure: &Failure, doing: &str) -> Attempt {
    if failure.is_fault("ManagedObjectNotFound") {
        let what = format!("`{}` is no more", job.name);
        return Attempt::Failed(Fault::new(Reason::VmNotFound, what));
    }
    Attempt::Again(job.vcenter.explain(failure, doing))
}

/// The machine as it was read.
pub fn seen<'a>(state: &'a State, job: &Job, moref: &MoRef) -> Result<&'a Vm, Box<Fault>> {
    let unseen = || {
        let what = format!("`{}` is out of sight", job.name);
        Box::new(Fault::new(Reason::AbsenceUnproven, what))
    };
    state.vm(moref).ok_or_else(unseen)
}

/// Whether the machine still is the one of this key.
pub fn is_still(moref: &MoRef, vm: &Vm, key: &MachineKey) -> Result<(), Box<Fault>> {
    let has = decide::refusal(moref, vm, &key.hub_id)?;
    if has == *key {
        return Ok(());
    }
    let what = format!("`{}` is machine {has} now, not {key}", vm.name);
    Err(Box::new(Fault::new(Reason::NotOurs, what)))
}

/// Begins the change, and gives its task.
pub async fn begin(
    job: &Job,
    moref: &MoRef,
    change: Reconfiguration,
    doing: &str,
) -> Result<MoRef, Attempt> {
    let vcenter = &job.vcenter;
    let call = vcenter.session.run(&job.operation_id, |vim, _| {
        let (moref, change) = (moref.clone(), change.clone());
        async move { vim.reconfigure(&moref, &change).await }
    });
    call.await.map_err(|failure| {
        if failure.is_fault("ConcurrentAccess") {
            Attempt::Again(vcenter.explain(&failure, doing))
        } else if failure.certainly_not_run() {
            Attempt::Failed(vcenter.explain(&failure, doing))
        } else {
            Attempt::Again(lost(doing))
        }
    })
}

/// What the end of its task means.
pub fn ended(vcenter: &VCenter, outcome: &Outcome, doing: &str) -> Attempt {
    match outcome {
        Outcome::Fault(fault) if fault.is("ConcurrentAccess") => {
            Attempt::Again(vcenter.explain_vim(fault, doing))
        }
        Outcome::Fault(fault) => Attempt::Failed(vcenter.explain_vim(fault, doing)),
        // What vCenter did is seen in the next attempt, which then has nothing to do.
        Outcome::Success(_) | Outcome::Lost => Attempt::Again(lost(doing)),
    }
}

fn lost(doing: &str) -> Fault {
    Fault::new(
        Reason::OutcomeUnknown,
        format!("{doing}: nobody knows whether it was done"),
    )
}
