//! What became of each machine of a `PowerOnMultiVM_Task`, whose own success says nothing.

use super::{Element, MoRef, VimFault};

/// The result of a power-on of several machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PowerOnResult {
    /// Machines that are being powered on.
    pub attempted: Vec<Attempted>,
    /// Machines for which there is no place.
    pub not_attempted: Vec<NotAttempted>,
    /// Recommendations that a person would have to approve. If there are any, nothing was started
    /// for the machines that are in neither list.
    pub recommendations: usize,
}

/// A machine that is being powered on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// The machine.
    pub vm: MoRef,
    /// The task that does it; `None` where DRS does it.
    pub task: Option<MoRef>,
}

/// A machine that is not powered on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAttempted {
    /// The machine.
    pub vm: MoRef,
    /// Why.
    pub fault: VimFault,
}

// === impl PowerOnResult ===

impl PowerOnResult {
    /// Of the result of the task: a `ClusterPowerOnVmResult`. What cannot be read is left out.
    pub fn of(result: &Element) -> Self {
        let attempted = result.all("attempted").filter_map(|item| {
            let vm = item.moref_at("vm")?;
            let task = item.moref_at("task");
            Some(Attempted { vm, task })
        });
        let not_attempted = result.all("notAttempted").filter_map(|item| {
            let vm = item.moref_at("vm")?;
            let fault = VimFault::of_localized(item.child("fault")?);
            Some(NotAttempted { vm, fault })
        });
        Self {
            attempted: attempted.collect(),
            not_attempted: not_attempted.collect(),
            recommendations: result.all("recommendations").count(),
        }
    }
}
