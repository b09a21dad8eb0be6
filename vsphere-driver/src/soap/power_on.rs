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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::replies;

    #[test]
    fn each_machine_is_in_the_list_it_belongs_to() {
        let vm = |id: &str| MoRef::new("VirtualMachine", id);
        let task = Some(MoRef::new("Task", "task-70"));
        let recorded = PowerOnResult::of(&replies::property("power_on", "info.result"));
        let started = Attempted {
            vm: vm("vm-63"),
            task,
        };
        assert_eq!(
            recorded,
            PowerOnResult {
                attempted: vec![started],
                ..PowerOnResult::default()
            }
        );
        let PowerOnResult {
            attempted,
            not_attempted,
            recommendations,
        } = PowerOnResult::of(&replies::property("power_on_mixed", "info.result"));
        let placed = Attempted {
            vm: vm("vm-1"),
            task: None,
        };
        assert_eq!((&attempted[..], recommendations), (&[placed][..], 1));
        assert_eq!(not_attempted[0].vm, vm("vm-2"));
        let why = not_attempted[0].fault.to_string();
        assert_eq!(why, "NoCompatibleHost: no host has the network");
    }
}
