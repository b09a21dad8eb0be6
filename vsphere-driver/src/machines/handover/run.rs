//! Lets a machine change hands: reads it, compares once more, changes it in one call, reads it back.

use super::{
    Bearing,
    adopt::{Adoption, is_as_expected},
};
use crate::{
    machines::{
        change::{self, Attempt, Change},
        job::Job,
        reading,
        vm::Vm,
    },
    soap::MoRef,
    vcenter::state::State,
};
use contract::{identity::MachineKey, v1::Fault};

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

// === impl Handover ===

impl Change for Handover {
    fn moref(&self) -> &MoRef {
        &self.moref
    }

    async fn attempt(&self, job: &Job) -> Attempt {
        let Self {
            moref,
            bearing,
            until: _,
        } = self;
        let vcenter = &job.vcenter;
        let doing = format!("changing the mark of `{}`", job.name);
        let version = match reading::read(vcenter, moref).await {
            Ok(version) => version,
            Err(failure) => return change::unread(job, &failure, &doing),
        };
        let planned = vcenter.read(|state| {
            let vm = change::seen(state, job, moref)?;
            if bearing.is_borne(vm) {
                return Ok(None);
            }
            self.is_still(state, vm)?;
            Ok::<_, Box<Fault>>(Some(bearing.reconfiguration(vm, version)))
        });
        let change = match planned {
            Ok(Some(change)) => change,
            Ok(None) => return Attempt::Done,
            Err(fault) => return Attempt::Failed(*fault),
        };
        match change::begin(job, moref, change, &doing).await {
            Ok(task) => {
                let outcome = vcenter.tasks.outcome(&task).await;
                change::ended(vcenter, &outcome, &doing)
            }
            Err(attempt) => attempt,
        }
    }
}

impl Handover {
    fn is_still(&self, state: &State, vm: &Vm) -> Result<(), Box<Fault>> {
        match &self.until {
            Until::Expected(adoption) => {
                is_as_expected(state, adoption, vm).map_err(|(fault, _)| fault)
            }
            Until::Ours(key) => change::is_still(&self.moref, vm, key),
        }
    }
}
