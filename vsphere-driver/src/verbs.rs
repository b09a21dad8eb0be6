//! The verbs of the driver: what one call asks of one vCenter.

pub mod delete;
pub mod ensure;
pub mod place;
pub mod switch;

use crate::vcenter::VCenter;
use contract::{
    identity::MachineKey,
    v1::{Absence, Fault, Verb, VirtualMachine, VirtualMachineResult, VirtualMachineState},
};
use std::time::Duration;

/// What became of the machines of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// One for each, in the order of the request.
    pub results: Vec<VirtualMachineResult>,
    /// Each reached its goal or has a fault.
    pub done: bool,
}

/// What a call decided for one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// Its key, if the reference means one.
    pub key: Option<MachineKey>,
    /// What is told where nothing is known of it.
    pub planned: VirtualMachine,
    /// What is done to it.
    pub verbs: Vec<Verb>,
    /// Why nothing is done.
    pub fault: Option<Fault>,
    /// What stands in the way.
    pub obstacle: Option<VirtualMachine>,
    /// It is known to be gone.
    pub absence: Option<Absence>,
}

impl Decided {
    /// Nothing is done to this machine.
    pub fn keep(key: MachineKey, planned: VirtualMachine) -> Self {
        Self {
            key: Some(key),
            planned,
            verbs: Vec::new(),
            fault: None,
            obstacle: None,
            absence: None,
        }
    }

    /// Nothing is done, because of this.
    pub fn refuse(key: Option<MachineKey>, planned: VirtualMachine, fault: Fault) -> Self {
        let verbs = Vec::new();
        Self {
            key,
            planned,
            verbs,
            fault: Some(fault),
            obstacle: None,
            absence: None,
        }
    }
}

/// Waits until each machine reached its goal or has a fault, or the time is over; then tells of all.
pub async fn results(
    vcenter: &VCenter,
    decided: Vec<Decided>,
    wait: Duration,
    is_goal: impl Fn(VirtualMachineState, &VirtualMachine) -> bool,
) -> Results {
    let now = |state: &crate::vcenter::state::State| -> Vec<VirtualMachineResult> {
        decided
            .iter()
            .map(|decided| result(state, decided))
            .collect()
    };
    let is_done = |results: &[VirtualMachineResult]| {
        results.iter().all(|result| {
            let machine = result.machine.clone().unwrap_or_default();
            result.fault.is_some() || is_goal(machine.state(), &machine)
        })
    };
    if !wait.is_zero() {
        vcenter.wait_until(wait, |state| is_done(&now(state))).await;
    }
    let results = vcenter.read(|state| now(state));
    let done = is_done(&results);
    Results { results, done }
}

fn result(state: &crate::vcenter::state::State, decided: &Decided) -> VirtualMachineResult {
    let Decided {
        key,
        planned,
        verbs,
        fault,
        obstacle,
        absence,
    } = decided;
    let identity = key.clone().map(crate::machines::vm::Identity::Key);
    let mut machine = identity
        .and_then(|identity| state.machine(&identity))
        .unwrap_or_else(|| planned.clone());
    let gone = absence.or_else(|| key.as_ref().and_then(|key| state.absence(key)));
    let unmade = machine.moref.is_empty() && machine.operation.is_none();
    if let Some(absence) = gone.filter(|_| unmade) {
        machine.state = VirtualMachineState::Gone.into();
        machine.absence = Some(absence);
    }
    let late = machine
        .fault
        .clone()
        .filter(|_| fault.is_none() && !verbs.is_empty());
    let fault = fault.clone().or(late);
    if fault
        .as_ref()
        .is_some_and(|f| f.reason() == contract::v1::Reason::Drifted)
    {
        machine.state = VirtualMachineState::Drifted.into();
    }
    if fault
        .as_ref()
        .is_some_and(crate::machines::work::is_conflict)
        && machine.moref.is_empty()
    {
        machine.state = VirtualMachineState::Conflict.into();
        machine.fault.clone_from(&fault);
    }
    VirtualMachineResult {
        machine: Some(machine),
        fault,
        verbs: verbs.iter().map(|verb| (*verb).into()).collect(),
        obstacle: obstacle.clone(),
    }
}
