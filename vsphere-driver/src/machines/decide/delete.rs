//! What a Delete does for one machine.

use super::{changing_hands, promised};
use crate::{machines::work::Work, soap::MoRef, vcenter::state::State};
use contract::{
    identity::MachineKey,
    v1::{Absence, Fault, Verb},
};

/// What a Delete does for one machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Delete {
    /// Removes it: off first, where it is not.
    Remove(MachineKey, MoRef),
    /// Waits for the create that is under way, then removes what it made.
    AfterCreate(MachineKey),
    /// Takes back a create that has not begun.
    Withdraw(MachineKey),
    /// Nothing: it is being removed already.
    Keep(MachineKey),
    /// Proves that it is not there.
    Prove(MachineKey),
    /// Nothing: this run of the driver saw it go.
    Gone(MachineKey, Absence),
    /// Nothing: something speaks against it.
    Refuse(MachineKey, Box<Fault>),
}

/// Decides for a Delete of a machine of ours, by its key.
pub fn delete(state: &State, key: &MachineKey) -> Delete {
    let key = key.clone();
    let work = state.work(&key);
    if work.is_some_and(|work| work.is_doing(Verb::Delete) || work.is_followed_by_removal) {
        return Delete::Keep(key);
    }
    if let Some((moref, vm)) = state.by_key(&key) {
        return match changing_hands(state, moref, &vm.name) {
            Some(fault) => Delete::Refuse(key, Box::new(fault)),
            None => Delete::Remove(key, moref.clone()),
        };
    }
    if let Some(fault) = promised(state, &key, &key.to_string()) {
        return Delete::Refuse(key, Box::new(fault));
    }
    match (work, state.absence(&key)) {
        (Some(work), _) if !work.is_running() => Delete::Prove(key),
        (Some(work), _) if is_queued(work) => Delete::Withdraw(key),
        (Some(_), _) => Delete::AfterCreate(key),
        (None, Some(absence)) => Delete::Gone(key, absence),
        (None, None) => Delete::Prove(key),
    }
}

fn is_queued(work: &Work) -> bool {
    work.operation.state() == contract::v1::OperationState::Queued
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::{
        decide::fixtures::{begin, moref, state},
        vm::fixtures::{key, ours},
    };
    use contract::v1::RemovalCause;

    #[test]
    fn a_delete_removes_waits_withdraws_or_proves() {
        assert_eq!(delete(&state(None), &key(1)), Delete::Prove(key(1)));
        let there = state(Some(ours(1, "h")));
        assert_eq!(delete(&there, &key(1)), Delete::Remove(key(1), moref()));
        let mut queued = state(None);
        begin(&mut queued, Verb::Create);
        assert_eq!(delete(&queued, &key(1)), Delete::Withdraw(key(1)));
        let job = queued.work(&key(1)).expect("just begun").job;
        queued.change_work(&key(1), job, |work| work.step(Verb::Create));
        assert_eq!(delete(&queued, &key(1)), Delete::AfterCreate(key(1)));
        // Asked again while it waits, it does not wait twice.
        queued.follow_by_removal(&key(1), true);
        assert_eq!(delete(&queued, &key(1)), Delete::Keep(key(1)));
        let mut leaving = state(Some(ours(1, "h")));
        begin(&mut leaving, Verb::Delete);
        assert_eq!(delete(&leaving, &key(1)), Delete::Keep(key(1)));
        let absence = Absence::default();
        leaving.remove_vm(&moref(), absence);
        leaving.end(&key(1), RemovalCause::Gone, Some(absence));
        assert_eq!(delete(&leaving, &key(1)), Delete::Gone(key(1), absence));
    }
}
