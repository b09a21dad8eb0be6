//! What is being done, or was last done, to one machine.

use crate::capacity::Claim;
use contract::v1::{Fault, Operation, OperationState, Owner, Reason, Verb};
use prost_types::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

/// Work on one machine of ours, or on one that shall be ours.
#[derive(Clone, Debug)]
pub struct Work {
    /// Whose machine it is.
    pub owner: Owner,
    /// Name that was asked for.
    pub name: String,
    /// Folder it goes to or is in, as an inventory path.
    pub folder: String,
    /// Hash of the spec that was asked for; empty where none was.
    pub spec_hash: String,
    /// The running or last operation.
    pub operation: Operation,
    /// The ISO that it puts into the machine's drive, `[datastore] folder/file.iso`; empty where none.
    pub iso: String,
    /// Room that the machine takes once this is done; none where it takes no more than before.
    pub claim: Option<Claim>,
    /// Withdraws what has not begun.
    pub withdrawn: CancellationToken,
    /// Who does it.
    pub job: JobId,
    /// A removal waits for its end.
    pub is_followed_by_removal: bool,
}

/// Tells one job from another, also on the same machine: a removal takes the place of a power-on, which
/// goes on for a while, and must not note its own end at the removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobId(u64);

/// What work costs, and so for what it queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// It makes machines or switches them on.
    Make,
    /// It switches machines off or removes them.
    Remove,
}

/// Who began an operation, and when.
#[derive(Clone, Debug)]
pub struct Started {
    /// Id of the call.
    pub operation_id: String,
    /// Hub of the caller.
    pub hub_id: String,
    /// Name in the caller's certificate.
    pub client: String,
    /// When it was accepted.
    pub at: Timestamp,
}

// === impl Work ===

impl Work {
    /// What is done or was last done.
    pub fn verb(&self) -> Verb {
        self.operation.verb()
    }

    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        matches!(
            self.operation.state(),
            OperationState::Queued | OperationState::Running
        )
    }

    /// Whether it goes on with this verb.
    pub fn is_doing(&self, verb: Verb) -> bool {
        self.is_running() && self.verb() == verb
    }

    /// What it queues for; nothing once it has ended.
    pub fn load(&self) -> Option<Load> {
        self.is_running().then(|| Load::of(self.verb()))
    }

    /// The room that a measurement of this time cannot show: what is still to be taken, and what was
    /// taken since.
    pub fn claim_since(&self, measured_at: Timestamp) -> Option<&Claim> {
        let at = |time: Timestamp| (time.seconds, time.nanos);
        let ended = self
            .operation
            .ended_at
            .is_some_and(|ended| at(ended) > at(measured_at));
        let done = self.operation.state() == OperationState::Succeeded && ended;
        self.claim.as_ref().filter(|_| self.is_running() || done)
    }

    /// Why it ended badly, if it did.
    pub fn fault(&self) -> Option<&Fault> {
        self.operation.fault.as_ref()
    }

    /// The verb begins, after another or as the first.
    pub fn step(&mut self, verb: Verb) {
        self.operation.verb = verb.into();
        self.operation.state = OperationState::Running.into();
        self.operation.percent = 0;
    }

    /// The operation ended well.
    pub fn succeed(&mut self, at: Timestamp) {
        self.operation.state = OperationState::Succeeded.into();
        self.operation.percent = 100;
        self.operation.ended_at = Some(at);
        self.operation.fault = None;
    }

    /// The operation ended with a fault.
    pub fn fail(&mut self, fault: Fault, at: Timestamp) {
        self.operation.state = OperationState::Failed.into();
        self.operation.ended_at = Some(at);
        self.operation.fault = Some(fault);
    }
}

// === impl JobId ===

impl JobId {
    /// One that there was never before in this process.
    pub fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

impl Default for JobId {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Load ===

impl Load {
    /// The load of a verb.
    pub fn of(verb: Verb) -> Self {
        match verb {
            Verb::PowerOff | Verb::Delete => Self::Remove,
            Verb::Create
            | Verb::PowerOn
            | Verb::Unspecified
            | Verb::Adopt
            | Verb::Release
            | Verb::EjectIso
            | Verb::TransferIso => Self::Make,
        }
    }
}

// === impl Started ===

impl Started {
    /// An operation that waits for its turn.
    pub fn queued(&self, verb: Verb) -> Operation {
        Operation {
            operation_id: self.operation_id.clone(),
            verb: verb.into(),
            state: OperationState::Queued.into(),
            percent: 0,
            started_at: Some(self.at),
            ended_at: None,
            fault: None,
            hub_id: self.hub_id.clone(),
            client: self.client.clone(),
        }
    }
}

/// Whether a fault says that something else stands in the machine's place.
pub fn is_conflict(fault: &Fault) -> bool {
    matches!(
        fault.reason(),
        Reason::ConflictForeign
            | Reason::ConflictOtherOwner
            | Reason::ConflictCompanion
            | Reason::MarkCopied
    )
}

#[cfg(test)]
pub mod fixtures {
    //! Work for tests.

    use super::*;

    /// Work that waits for its turn.
    pub fn queued(verb: Verb) -> Work {
        let started = Started {
            operation_id: "op".into(),
            hub_id: "hub".into(),
            client: "loopback".into(),
            at: Timestamp::default(),
        };
        Work {
            owner: Owner::default(),
            name: "pool-n01".into(),
            folder: "/DC0/vm".into(),
            spec_hash: "h".into(),
            iso: String::new(),
            operation: started.queued(verb),
            claim: None,
            withdrawn: CancellationToken::new(),
            job: JobId::new(),
            is_followed_by_removal: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fixtures::queued, *};
    use crate::{
        capacity::{Needs, Site},
        soap::MoRef,
    };

    #[test]
    fn room_is_claimed_until_a_measurement_shows_it() {
        let time = |seconds| Timestamp { seconds, nanos: 0 };
        let claim = Claim {
            site: Site {
                cluster: MoRef::new("ClusterComputeResource", "c-1"),
                pool: MoRef::new("ResourcePool", "pool-1"),
                datastore: MoRef::new("Datastore", "ds-1"),
            },
            needs: Needs::default(),
        };
        let mut work = Work {
            claim: Some(claim.clone()),
            ..queued(Verb::Create)
        };
        let mut failed = work.clone();
        assert_eq!(work.claim_since(time(9)), Some(&claim));
        work.succeed(time(5));
        assert_eq!(work.claim_since(time(4)), Some(&claim));
        assert_eq!(work.claim_since(time(5)), None);
        failed.fail(Fault::default(), time(5));
        assert_eq!(failed.claim_since(time(4)), None);
    }
}
