//! One piece of work on one machine, with what is noted of it.

use super::work::{JobId, Started, Work};
use crate::{
    audit::{self, Change, Outcome},
    edge::caller::Caller,
    vcenter::{VCenter, clock},
};
use contract::{
    identity::MachineKey,
    telemetry::traces,
    v1::{Absence, Fault, Owner, RemovalCause, Verb},
};
use std::{future::Future, sync::Arc};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// Work on one machine.
#[derive(Clone, Debug)]
pub struct Job {
    /// The vCenter.
    pub vcenter: Arc<VCenter>,
    /// Who asked first.
    pub caller: Caller,
    /// Which machine.
    pub key: MachineKey,
    /// Whose it is.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// What was asked.
    pub verb: Verb,
    /// The `operationID` of its calls.
    pub operation_id: String,
    /// Taken back before it began.
    pub withdrawn: CancellationToken,
    /// Tells it from other work on the machine.
    pub id: JobId,
}

impl Job {
    /// A new piece of work.
    pub fn new(
        vcenter: &Arc<VCenter>,
        caller: &Caller,
        key: &MachineKey,
        (owner, name): (&Owner, &str),
        verb: Verb,
    ) -> Self {
        Self {
            vcenter: Arc::clone(vcenter),
            caller: caller.clone(),
            key: key.clone(),
            owner: owner.clone(),
            name: name.to_owned(),
            verb,
            operation_id: format!("{}-{}", caller.operation_id, key.slot),
            withdrawn: CancellationToken::new(),
            id: JobId::new(),
        }
    }

    /// Begins to do it, in the trace of the call that asked for it: that ends, and this goes on.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let verb = self.verb.as_str_name();
        let operation_id = &self.operation_id;
        let span = tracing::debug_span!(parent: None, "work", operation_id, otel.name = verb);
        self.vcenter.spawn(work.instrument(traces::beside(span)));
    }

    /// What is told of it while it waits for its turn.
    pub fn work(&self, folder: String, spec_hash: String) -> Work {
        let started = Started {
            operation_id: self.operation_id.clone(),
            hub_id: self.caller.hub_id.clone(),
            client: self.caller.client.clone(),
            at: clock::now(),
        };
        Work {
            owner: self.owner.clone(),
            name: self.name.clone(),
            folder,
            spec_hash,
            iso: String::new(),
            operation: started.queued(self.verb),
            claim: None,
            withdrawn: self.withdrawn.clone(),
            job: self.id,
            is_followed_by_removal: false,
        }
    }

    /// The next step begins; says whether there is still anything to do: a removal may have taken over.
    pub fn step(&self, verb: Verb) -> bool {
        self.vcenter
            .write(|state| state.change_work(&self.key, self.id, |work| work.step(verb)))
    }

    /// It begins, unless it was taken back meanwhile.
    pub fn begin(&self) -> bool {
        self.vcenter.write(|state| {
            let goes_on = !self.withdrawn.is_cancelled();
            goes_on && state.change_work(&self.key, self.id, |work| work.step(self.verb))
        })
    }

    /// It ended well.
    pub fn succeed(&self) {
        let at = clock::now();
        self.vcenter
            .write(|state| state.finish(&self.key, self.id, |work| work.succeed(at)));
        self.audit(Outcome::Done);
    }

    /// It failed.
    pub fn fail(&self, fault: Fault) {
        self.audit(Outcome::Failed(&fault));
        let at = clock::now();
        self.vcenter
            .write(|state| state.finish(&self.key, self.id, |work| work.fail(fault, at)));
    }

    /// It was taken back before it began.
    pub fn withdraw(&self, fault: &Fault) {
        self.audit(Outcome::Failed(fault));
        self.vcenter
            .write(|state| state.withdraw(&self.key, self.id));
    }

    /// The machine is gone.
    pub fn gone(&self, absence: Absence) {
        self.vcenter
            .write(|state| state.end(&self.key, RemovalCause::Gone, Some(absence)));
        self.audit(Outcome::Done);
    }

    /// Writes the audit line.
    pub fn audit(&self, outcome: Outcome<'_>) {
        let change = Change {
            caller: &self.caller,
            owner: &audit::whose(&self.owner),
            identity: &self.key.to_string(),
            verb: self.verb,
            vcenter: &self.vcenter.name,
            operation_id: &self.operation_id,
        };
        audit::change(&change, outcome);
    }
}
