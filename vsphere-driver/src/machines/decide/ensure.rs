//! What an Ensure does for one machine.

use super::{changing_hands, conflict, obstruction, promised};
use crate::{
    machines::{vm::Vm, work::Work},
    soap::MoRef,
    vcenter::state::State,
};
use contract::{
    identity::MachineKey,
    v1::{Fault, PowerState, Reason, Verb},
};

/// What an Ensure does for one identity.
#[derive(Clone, Debug, PartialEq)]
pub enum Ensure {
    /// Makes it, then switches it on.
    Create,
    /// Switches it on.
    PowerOn(MoRef),
    /// Nothing: it is on, or work on it goes on.
    Keep,
    /// Nothing: something speaks against it. The machine that is in the way, if one is.
    Refuse(Box<Fault>, Option<MoRef>),
}

/// What a machine shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its identity.
    pub key: &'a MachineKey,
    /// Its name, decoded.
    pub name: &'a str,
    /// The folder it would be made in, if that is there.
    pub folder: Option<&'a MoRef>,
    /// Hash of its spec.
    pub spec_hash: &'a str,
}

/// Decides for an Ensure.
pub fn ensure(state: &State, wanted: &Wanted<'_>) -> Ensure {
    let work = state.work(wanted.key);
    if work.is_some_and(is_leaving) {
        let fault = Fault::new(Reason::Busy, format!("`{}` is being deleted", wanted.name));
        return Ensure::Refuse(Box::new(fault), None);
    }
    let moref = state.by_key(wanted.key).map(|(moref, _)| moref);
    let handover = moref.and_then(|moref| changing_hands(state, moref, wanted.name));
    if let Some(fault) = handover.or_else(|| promised(state, wanted.key, wanted.name)) {
        return Ensure::Refuse(Box::new(fault), None);
    }
    if let Some((moref, vm)) = state.by_key(wanted.key) {
        return existing(moref, vm, work, wanted.spec_hash);
    }
    if work.is_some_and(Work::is_running) {
        return Ensure::Keep;
    }
    let taken = wanted
        .folder
        .and_then(|folder| state.by_name(folder, wanted.name));
    match taken {
        None => Ensure::Create,
        Some((moref, vm)) => {
            Ensure::Refuse(Box::new(conflict(state, moref, vm)), Some(moref.clone()))
        }
    }
}

/// It is being removed, or will be.
fn is_leaving(work: &Work) -> bool {
    let is_withdrawn = work.is_running() && work.withdrawn.is_cancelled();
    work.is_doing(Verb::Delete) || work.is_followed_by_removal || is_withdrawn
}

fn existing(moref: &MoRef, vm: &Vm, work: Option<&Work>, spec_hash: &str) -> Ensure {
    let has = vm.mark().map(|mark| mark.spec_hash).unwrap_or_default();
    if has != spec_hash {
        let what = format!("`{}` was made from another spec", vm.name);
        let fault = Fault::new(Reason::Drifted, what)
            .with("spec_hash", has)
            .with("asked_spec_hash", spec_hash);
        return Ensure::Refuse(Box::new(fault), None);
    }
    if work.is_some_and(Work::is_running) || vm.power == PowerState::On {
        return Ensure::Keep;
    }
    if let Some(fault) = obstruction(vm) {
        return Ensure::Refuse(Box::new(fault), None);
    }
    Ensure::PowerOn(moref.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::{
        decide::fixtures::{begin, moref, state},
        vm::fixtures::{key, ours},
    };
    use uuid::Uuid;

    fn folder() -> MoRef {
        MoRef::new("Folder", "group-v3")
    }

    fn decide(state: &State) -> Ensure {
        let (key, folder) = (key(1), folder());
        let wanted = Wanted {
            key: &key,
            name: "pool-n01",
            folder: Some(&folder),
            spec_hash: "h",
        };
        ensure(state, &wanted)
    }

    fn reason(decision: &Ensure) -> Option<Reason> {
        match decision {
            Ensure::Refuse(fault, _) => Some(fault.reason()),
            _ => None,
        }
    }

    #[test]
    fn a_missing_machine_is_made_and_one_that_is_off_is_switched_on() {
        assert_eq!(decide(&state(None)), Ensure::Create);
        assert_eq!(decide(&state(Some(ours(1, "h")))), Ensure::PowerOn(moref()));
        let on = Vm {
            power: PowerState::On,
            ..ours(1, "h")
        };
        assert_eq!(decide(&state(Some(on))), Ensure::Keep);
    }

    #[test]
    fn work_that_goes_on_is_joined() {
        let mut unmade = state(None);
        begin(&mut unmade, Verb::Create);
        assert_eq!(decide(&unmade), Ensure::Keep);
        let mut off = state(Some(ours(1, "h")));
        begin(&mut off, Verb::PowerOn);
        assert_eq!(decide(&off), Ensure::Keep);
        let mut leaving = state(Some(ours(1, "h")));
        begin(&mut leaving, Verb::Delete);
        assert_eq!(reason(&decide(&leaving)), Some(Reason::Busy));
        unmade.follow_by_removal(&key(1), true);
        assert_eq!(reason(&decide(&unmade)), Some(Reason::Busy));
        let mut withdrawn = state(None);
        begin(&mut withdrawn, Verb::Create);
        withdrawn.work(&key(1)).expect("begun").withdrawn.cancel();
        assert_eq!(reason(&decide(&withdrawn)), Some(Reason::Busy));
    }

    #[test]
    fn a_machine_of_another_spec_is_left_as_it_is() {
        assert_eq!(
            reason(&decide(&state(Some(ours(1, "other"))))),
            Some(Reason::Drifted)
        );
    }

    #[test]
    fn a_name_that_is_taken_is_a_conflict_with_its_holder() {
        let named = |vm: Vm| Vm {
            name: "pool-n01".into(),
            ..vm
        };
        let foreign = Vm {
            parent: Some(folder()),
            ..Vm::default()
        };
        let companion = Vm {
            companion: "ns/t".into(),
            ..foreign.clone()
        };
        let copy = Vm {
            instance_uuid: Some(Uuid::nil()),
            ..ours(1, "h")
        };
        for (vm, expected) in [
            (foreign, Reason::ConflictForeign),
            (companion, Reason::ConflictCompanion),
            (ours(2, "h"), Reason::ConflictOtherOwner),
            (copy, Reason::MarkCopied),
        ] {
            let decision = decide(&state(Some(named(vm))));
            assert_eq!(reason(&decision), Some(expected));
            assert!(matches!(decision, Ensure::Refuse(_, Some(m)) if m == moref()));
        }
    }

    #[test]
    fn a_machine_that_vcenter_cannot_read_or_that_asks_is_not_switched() {
        let lost = Vm {
            connection: "orphaned".into(),
            ..ours(1, "h")
        };
        assert_eq!(
            reason(&decide(&state(Some(lost)))),
            Some(Reason::VmInaccessible)
        );
        let asking = Vm {
            question: Some(Box::default()),
            ..ours(1, "h")
        };
        assert_eq!(
            reason(&decide(&state(Some(asking)))),
            Some(Reason::QuestionPending)
        );
    }
}
