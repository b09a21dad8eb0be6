//! Takes an ISO out: looks at the drive, empties it in one call, says no where the guest holds it, looks again.

use crate::{
    machines::{
        change::{self, Attempt, Change},
        decide,
        eject::Which,
        job::Job,
        reading,
        vm::Vm,
    },
    soap::{MoRef, device::Drive, reconfigure::Reconfiguration},
    vcenter::{session::Failure, state::State, tasks::Outcome},
};
use contract::v1::{Fault, Reason};
use std::{pin::pin, time::Duration};

/// How long a question is waited for: much longer than vCenter waits for an answer.
const ASKED: Duration = Duration::from_hours(1);

/// A machine whose drive is emptied.
#[derive(Clone, Debug)]
pub struct Ejection {
    /// Which machine.
    pub moref: MoRef,
    /// What is taken out. Somebody may have put another ISO in since it was decided.
    pub which: Which,
}

/// How a call went on.
enum Step {
    /// Its task ended.
    Ended(Outcome),
    /// vCenter wants to know something first.
    Asked,
}

/// What is to be said to a machine that asks something during our call.
#[derive(Debug, PartialEq)]
enum Answer {
    /// This choice to this question: it leaves the drive as it is.
    Leave(String, String),
    /// Nothing: it asks something else.
    Nothing(Box<Fault>),
    /// Nothing: it does not ask any more.
    NotAsked,
}

/// What is to be answered.
fn answer(vm: &Vm) -> Answer {
    let (Some(question), Some(asking)) = (&vm.question, decide::asking(vm)) else {
        return Answer::NotAsked;
    };
    match question.leave_locked_drive() {
        Some(choice) => Answer::Leave(question.id.clone(), choice.to_owned()),
        None => Answer::Nothing(Box::new(asking)),
    }
}

fn locked(moref: &MoRef, name: &str) -> Fault {
    let what = format!("the guest of `{name}` holds the drive, and nothing was changed");
    Fault::new(Reason::IsoLockedByGuest, what).with("moref", &moref.id)
}

// === impl Ejection ===

impl Change for Ejection {
    fn moref(&self) -> &MoRef {
        &self.moref
    }

    async fn attempt(&self, job: &Job) -> Attempt {
        let doing = format!("taking the ISO out of `{}`", job.name);
        let change = match self.plan(job, &doing).await {
            Ok(Some(change)) => change,
            Ok(None) => return Attempt::Done,
            Err(attempt) => return attempt,
        };
        match change::begin(job, &self.moref, change, &doing).await {
            Ok(task) => self.follow(job, &task, &doing).await,
            Err(attempt) => attempt,
        }
    }
}

impl Ejection {
    /// The call that is still to be made, if there is an ISO in a drive.
    async fn plan(&self, job: &Job, doing: &str) -> Result<Option<Reconfiguration>, Attempt> {
        let moref = &self.moref;
        let read = self.read(job).await;
        let (change_version, emptied) =
            read.map_err(|failure| change::unread(job, &failure, doing))?;
        let may_be_changed = |state: &State| {
            let vm = change::seen(state, job, moref)?;
            change::is_still(moref, vm, &job.key)?;
            if emptied.is_empty() {
                return Ok(());
            }
            decide::asking(vm).map_or(Ok(()), |fault| Err(Box::new(fault)))
        };
        let checked = job.vcenter.read(may_be_changed);
        checked.map_err(|fault| Attempt::Failed(*fault))?;
        let change = Reconfiguration {
            change_version,
            emptied,
            ..Reconfiguration::default()
        };
        Ok((!change.emptied.is_empty()).then_some(change))
    }

    /// The drives to be emptied, and the version of the machine that they were read of.
    async fn read(&self, job: &Job) -> Result<(String, Vec<Drive>), Failure> {
        let (version, mut drives) = reading::read_drives(&job.vcenter, &self.moref).await?;
        drives.retain(|drive| self.which.has(&drive.iso));
        Ok((version, drives))
    }

    /// Waits for the end of the call; what vCenter asks meanwhile is part of it.
    async fn follow(&self, job: &Job, task: &MoRef, doing: &str) -> Attempt {
        let vcenter = &job.vcenter;
        let mut outcome = pin!(vcenter.tasks.outcome(task));
        let asks = |state: &State| {
            state
                .vm(&self.moref)
                .is_some_and(|vm| vm.question.is_some())
        };
        let step = tokio::select! {
            outcome = &mut outcome => Step::Ended(outcome),
            true = vcenter.wait_until(ASKED, asks) => Step::Asked,
        };
        if let Step::Ended(outcome) = step {
            return change::ended(vcenter, &outcome, doing);
        }
        let found = vcenter.read(|state| state.vm(&self.moref).map(answer));
        match found.unwrap_or(Answer::NotAsked) {
            Answer::Nothing(fault) => return Attempt::Failed(*fault),
            Answer::NotAsked => return change::ended(vcenter, &outcome.await, doing),
            Answer::Leave(question, choice) => {
                if let Err(fault) = self.say(job, (&question, &choice), doing).await {
                    return Attempt::Failed(fault);
                }
            }
        }
        // Whether it ends well or badly: nothing was changed.
        outcome.await;
        self.after_no(job, doing).await
    }

    async fn say(
        &self,
        job: &Job,
        (question, choice): (&str, &str),
        doing: &str,
    ) -> Result<(), Fault> {
        tracing::info!(vm = job.name, question, choice, "Guest holds the drive");
        let said = job.vcenter.session.run(&job.operation_id, |vim, _| {
            let (vm, question, choice) =
                (self.moref.clone(), question.to_owned(), choice.to_owned());
            async move { vim.answer(&vm, &question, &choice).await }
        });
        match said.await {
            // Somebody else answered first.
            Err(failure) if failure.is_fault("InvalidArgument") => Ok(()),
            Err(failure) => Err(job.vcenter.explain(&failure, doing)),
            Ok(()) => Ok(()),
        }
    }

    /// A person may have said yes meanwhile: then the drive is empty.
    async fn after_no(&self, job: &Job, doing: &str) -> Attempt {
        match self.read(job).await {
            Ok((_, drives)) if drives.is_empty() => Attempt::Done,
            Ok(_) => Attempt::Failed(locked(&self.moref, &job.name)),
            Err(failure) => change::unread(job, &failure, doing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        machines::vm::fixtures::ours,
        soap::question::{Choice, Question},
    };

    fn asking(message: &str) -> Vm {
        let choice = |(key, label): (&str, &str)| Choice {
            key: key.into(),
            label: label.into(),
        };
        let question = Question {
            id: "7".into(),
            text: "Disconnect anyway?".into(),
            messages: vec![message.into()],
            choices: [("0", "Yes"), ("1", "No")].map(choice).into(),
        };
        Vm {
            question: Some(Box::new(question)),
            ..ours(1, "h")
        }
    }

    #[test]
    fn a_guest_that_holds_the_drive_keeps_it_and_other_questions_are_left_to_people() {
        let held = answer(&asking("msg.cdromdisconnect.locked"));
        assert_eq!(held, Answer::Leave("7".into(), "1".into()));
        let Answer::Nothing(fault) = answer(&asking("msg.uuid.altered")) else {
            panic!("answered")
        };
        assert_eq!(fault.reason(), Reason::QuestionPending);
        assert_eq!(fault.metadata["question"], "Disconnect anyway?");
        assert_eq!(answer(&ours(1, "h")), Answer::NotAsked);
    }

    #[test]
    fn a_locked_drive_is_told_with_its_machine() {
        let fault = locked(&MoRef::new("VirtualMachine", "vm-1"), "pool-n01");
        assert_eq!(fault.reason(), Reason::IsoLockedByGuest);
        assert_eq!(fault.metadata["moref"], "vm-1");
    }
}
