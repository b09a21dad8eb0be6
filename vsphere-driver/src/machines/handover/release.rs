//! What giving up does for one machine. Rules.

use super::Bearing;
use crate::{
    machines::{
        decide,
        mark::{COMPANION, KEYS},
        references,
        vm::Vm,
        work_request::{Name, Reference},
    },
    soap::MoRef,
    vcenter::state::State,
};
use contract::{
    identity::MachineKey,
    v1::{Fault, Verb},
};

/// Who gets a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Successor {
    /// The companion, for the template `namespace/name`.
    Companion(String),
    /// Nobody.
    Nobody,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Release {
    /// Takes the mark of this key off the machine.
    GiveUp(MachineKey, MoRef),
    /// Nothing: it is given up, or just being so.
    Keep(MoRef),
    /// Finds out whether it exists: it is not in sight.
    Look(MachineKey),
    /// Nothing: something speaks against it.
    Refuse(Box<Fault>),
}

/// Decides for one machine that a caller of this hub gives up.
pub fn release(state: &State, reference: &Reference, hub: &str, successor: &Successor) -> Release {
    if let Some(moref) = given_up(state, reference, hub, successor) {
        return Release::Keep(moref);
    }
    let key = match references::to_change(state, reference, hub) {
        Ok(key) => key,
        Err(fault) => return Release::Refuse(fault),
    };
    let Some((moref, _)) = state.by_key(&key) else {
        return unmarked(state, &key).unwrap_or(Release::Look(key));
    };
    match decide::is_free(state, &key, Verb::Release) {
        Ok(true) => Release::GiveUp(key, moref.clone()),
        Ok(false) => Release::Keep(moref.clone()),
        Err(fault) => Release::Refuse(fault),
    }
}

/// What a machine bears that this successor got. Its instance UUID stays.
pub fn bearing(successor: &Successor) -> Bearing {
    let tag = match successor {
        Successor::Companion(template) => template.clone(),
        Successor::Nobody => String::new(),
    };
    let marks = KEYS.map(|key| (key.to_owned(), String::new())).into_iter();
    Bearing {
        instance_uuid: None,
        marks: marks.chain([(COMPANION.to_owned(), tag)]).collect(),
    }
}

/// The machine of a reference, if it bears no mark and what the successor wants.
fn given_up(
    state: &State,
    reference: &Reference,
    hub: &str,
    successor: &Successor,
) -> Option<MoRef> {
    let is_it = |(moref, vm): &(&MoRef, &Vm)| match &reference.name {
        Name::Key(key) => key.hub_id == hub && vm.instance_uuid == Some(key.instance_uuid()),
        Name::Name(name) => vm.name == *name,
        Name::InstanceUuid(uuid) => vm.instance_uuid == Some(*uuid),
        Name::Moref(id) => *moref.id == **id,
    };
    let bearing = bearing(successor);
    let mut found = state.vms().filter(is_it);
    match (found.next(), found.next()) {
        (Some((moref, vm)), None) if bearing.is_borne(vm) => Some(moref.clone()),
        _ => None,
    }
}

/// Why a machine that has the instance UUID of a key and no mark is not given up.
fn unmarked(state: &State, key: &MachineKey) -> Option<Release> {
    let uuid = Some(key.instance_uuid());
    let (moref, vm) = state.vms().find(|(_, vm)| vm.instance_uuid == uuid)?;
    let refusal = decide::refusal(moref, vm, &key.hub_id);
    refusal.err().map(Release::Refuse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::{
        vm::fixtures::{key, ours},
        work::fixtures::queued,
    };
    use contract::v1::Reason;

    fn moref() -> MoRef {
        MoRef::new("VirtualMachine", "vm-1")
    }

    fn state(vm: &Vm) -> State {
        let mut state = State::default();
        state.change_vm(&moref(), |new| new.clone_from(vm));
        state
    }

    fn by(name: Name) -> Reference {
        Reference {
            name,
            moref_hint: String::new(),
            folder_hint: String::new(),
        }
    }

    fn decide(state: &State, name: Name) -> Release {
        let successor = Successor::Companion("ns/pool".into());
        release(state, &by(name), "hub", &successor)
    }

    fn reason(release: Release) -> Option<Reason> {
        match release {
            Release::Refuse(fault) => Some(fault.reason()),
            Release::GiveUp(..) | Release::Keep(_) | Release::Look(_) => None,
        }
    }

    /// As the companion wants it: a tag, no mark, and the instance UUID that it had with us.
    fn released(template: &str) -> Vm {
        Vm {
            mark: None,
            companion: template.into(),
            ..ours(1, "h")
        }
    }

    #[test]
    fn a_machine_of_ours_is_given_up() {
        let state = state(&ours(1, "h"));
        for name in [
            Name::Key(key(1)),
            Name::Name("pool-n01".into()),
            Name::Moref("vm-1".into()),
        ] {
            assert_eq!(decide(&state, name), Release::GiveUp(key(1), moref()));
        }
    }

    #[test]
    fn one_that_was_given_up_is_done_however_it_is_named() {
        let state = state(&released("ns/pool"));
        for name in [
            Name::Key(key(1)),
            Name::Name("pool-n01".into()),
            Name::Moref("vm-1".into()),
            Name::InstanceUuid(key(1).instance_uuid()),
        ] {
            assert_eq!(decide(&state, name), Release::Keep(moref()));
        }
    }

    #[test]
    fn one_that_another_got_is_not_ours_to_give() {
        let state = state(&released("ns/other"));
        let names = [Name::Key(key(1)), Name::Moref("vm-1".into())];
        for name in names {
            assert_eq!(reason(decide(&state, name)), Some(Reason::NotOurs));
        }
    }

    #[test]
    fn neither_a_copy_nor_another_hubs_is_given_up() {
        let copy = Vm {
            instance_uuid: None,
            ..ours(1, "h")
        };
        let name = || Name::Moref("vm-1".into());
        let decision = decide(&state(&copy), name());
        assert_eq!(reason(decision), Some(Reason::MarkCopied));
        let state = state(&ours(1, "h"));
        let other = release(&state, &by(name()), "other", &Successor::Nobody);
        assert_eq!(reason(other), Some(Reason::NotOurs));
    }

    #[test]
    fn what_is_worked_on_is_not_given_up_meanwhile() {
        let mut state = state(&ours(1, "h"));
        state.begin(&key(1), queued(Verb::PowerOn));
        let decision = decide(&state, Name::Key(key(1)));
        assert_eq!(reason(decision), Some(Reason::Busy));
    }

    #[test]
    fn giving_up_twice_at_once_is_done_once() {
        let mut state = state(&ours(1, "h"));
        state.begin_handover(&moref(), queued(Verb::Release), None);
        assert_eq!(decide(&state, Name::Key(key(1))), Release::Keep(moref()));
    }

    #[test]
    fn one_out_of_sight_is_looked_for() {
        let decision = decide(&State::default(), Name::Key(key(1)));
        assert_eq!(decision, Release::Look(key(1)));
    }

    #[test]
    fn nobody_gets_a_machine_without_a_tag() {
        let tagged = Vm {
            companion: "ns/pool".into(),
            ..ours(1, "h")
        };
        let bearing = bearing(&Successor::Nobody);
        let left: Vec<_> = bearing.changes(&tagged);
        assert_eq!(left.len(), KEYS.len() + 1);
        assert!(left.iter().all(|change| change.after.is_empty()));
    }
}
