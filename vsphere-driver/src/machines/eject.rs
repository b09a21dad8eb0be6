//! Takes the ISO out of a machine's drive, which stays, empty.

pub mod run;

use super::{decide, references, work_request::Reference};
use crate::{soap::MoRef, vcenter::state::State};
use contract::{
    identity::MachineKey,
    v1::{Fault, PropertyChange, Reason, Verb},
};

/// How the change is called that is told.
const MOUNTED_ISO: &str = "mounted_iso";

/// Which machine is meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// This one.
    Machine(MachineKey, MoRef),
    /// One that is not in sight.
    Unseen(MachineKey),
    /// None that the caller may change.
    Refuse(Box<Fault>),
}

/// Which ISOs are taken out of a machine's drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Whatever is in them.
    All,
    /// These, if they still are in them.
    These(Vec<String>),
}

/// What is in a machine's drives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inside {
    /// ISOs to be taken out.
    pub taken: Vec<String>,
    /// Why others stay, or may have to.
    pub stays: Option<Fault>,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Eject {
    /// Takes it out.
    TakeOut,
    /// Nothing: that is being done.
    Join,
    /// Nothing: the drive is empty.
    Keep,
    /// Nothing: something speaks against it.
    Refuse(Box<Fault>),
}

/// The machine of a caller of this hub.
pub fn target(state: &State, reference: &Reference, hub: &str) -> Target {
    match references::to_change(state, reference, hub) {
        Err(fault) => Target::Refuse(fault),
        Ok(key) => match state.by_key(&key) {
            Some((moref, _)) if !state.is_missing(moref) => Target::Machine(key, moref.clone()),
            _ => Target::Unseen(key),
        },
    }
}

/// Sorts what is in the drives by whether it is the driver's, as far as somebody can tell.
pub fn sort(isos: impl IntoIterator<Item = (String, Result<bool, Fault>)>) -> Inside {
    let mut inside = Inside::default();
    for (iso, is_ours) in isos {
        match is_ours {
            Ok(true) => inside.taken.push(iso),
            // It may be ours all the same, and is asked about again.
            Err(fault) => inside.stays = Some(fault),
            Ok(false) => inside.stays = inside.stays.or_else(|| Some(not_ours(&iso))),
        }
    }
    inside
}

/// What may be in drives that cannot be read.
pub fn unreadable() -> Inside {
    let what = "what is in its drives cannot be read";
    Inside {
        taken: Vec::new(),
        stays: Some(Fault::new(Reason::VmInaccessible, what)),
    }
}

fn not_ours(iso: &str) -> Fault {
    let what = format!("`{iso}` in the drive was not brought there by this driver");
    Fault::new(Reason::IsoNotOurs, what).with("path", iso)
}

/// Decides for a machine of ours with this in its drives.
pub fn eject(state: &State, key: &MachineKey, inside: &Inside) -> Eject {
    let Inside { taken, stays } = inside;
    match (decide::is_free(state, key, Verb::EjectIso), stays) {
        (Ok(false), _) => Eject::Join,
        (_, Some(fault)) if taken.is_empty() => Eject::Refuse(Box::new(fault.clone())),
        (_, None) if taken.is_empty() => Eject::Keep,
        (Err(fault), _) => Eject::Refuse(fault),
        // Taking it out would wait behind a question that only a person can answer.
        (Ok(true), _) => match state.by_key(key).and_then(|(_, vm)| decide::asking(vm)) {
            Some(fault) => Eject::Refuse(Box::new(fault)),
            None => Eject::TakeOut,
        },
    }
}

/// What it changes.
pub fn changes(taken: &[String]) -> Vec<PropertyChange> {
    let change = |iso: &String| PropertyChange {
        property: MOUNTED_ISO.to_owned(),
        before: iso.clone(),
        after: String::new(),
    };
    taken.iter().map(change).collect()
}

// === impl Which ===

impl Which {
    /// Whether an ISO is one of them.
    pub fn has(&self, iso: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.iter().any(|one| one == iso),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::{
        vm::{
            Vm,
            fixtures::{key, ours},
        },
        work::fixtures::queued,
        work_request::Name,
    };
    use contract::v1::Absence;

    const ISO: &str = "[ds] hcp-iso/a.iso";

    fn moref() -> MoRef {
        MoRef::new("VirtualMachine", "vm-1")
    }

    fn state(vm: Vm) -> State {
        let mut state = State::default();
        state.change_vm(&moref(), |new| *new = vm);
        state
    }

    fn reason(eject: &Eject) -> Option<Reason> {
        match eject {
            Eject::Refuse(fault) => Some(fault.reason()),
            Eject::TakeOut | Eject::Join | Eject::Keep => None,
        }
    }

    /// A drive with an ISO that is to be taken out.
    fn full() -> Inside {
        sort([(ISO.to_owned(), Ok(true))])
    }

    #[test]
    fn an_iso_is_taken_out_and_an_empty_drive_is_done() {
        let state = state(ours(1, "h"));
        assert_eq!(eject(&state, &key(1), &full()), Eject::TakeOut);
        assert_eq!(eject(&state, &key(1), &Inside::default()), Eject::Keep);
    }

    #[test]
    fn a_drive_that_cannot_be_read_is_not_taken_for_an_empty_one() {
        let state = state(ours(1, "h"));
        let decided = eject(&state, &key(1), &unreadable());
        assert_eq!(reason(&decided), Some(Reason::VmInaccessible));
    }

    #[test]
    fn an_iso_of_others_and_one_that_nobody_knows_stay_and_those_beside_them_go() {
        let state = state(ours(1, "h"));
        let named = |iso: &str| iso.to_owned();
        let unknown = || Fault::new(Reason::DatastoreUnavailable, "away");
        for (why, inside, expected) in [
            ("others'", vec![Ok(false)], Some(Reason::IsoNotOurs)),
            (
                "not known",
                vec![Err(unknown())],
                Some(Reason::DatastoreUnavailable),
            ),
            (
                "what may pass is told",
                vec![Ok(false), Err(unknown()), Ok(false)],
                Some(Reason::DatastoreUnavailable),
            ),
            ("ours beside others'", vec![Ok(false), Ok(true)], None),
        ] {
            let inside = sort(inside.into_iter().map(|is_ours| (named(ISO), is_ours)));
            let decided = eject(&state, &key(1), &inside);
            assert_eq!(reason(&decided), expected, "{why}");
        }
        let which = Which::These(vec![named(ISO)]);
        assert!(which.has(ISO) && !which.has("[ds] a.iso") && Which::All.has("[ds] a.iso"));
    }

    #[test]
    fn a_machine_that_asks_or_is_worked_on_or_cannot_be_read_is_left_alone() {
        let asking = Vm {
            question: Some(Box::default()),
            ..ours(1, "h")
        };
        let lost = Vm {
            connection: "disconnected".into(),
            ..ours(1, "h")
        };
        let mut busy = state(ours(1, "h"));
        busy.begin(&key(1), queued(Verb::PowerOff));
        let mut leaving = state(ours(1, "h"));
        leaving.begin_handover(&moref(), queued(Verb::Release), None);
        for (state, expected) in [
            (state(asking), Reason::QuestionPending),
            (state(lost), Reason::VmInaccessible),
            (busy, Reason::Busy),
            (leaving, Reason::Busy),
        ] {
            assert_eq!(reason(&eject(&state, &key(1), &full())), Some(expected));
        }
    }

    #[test]
    fn taking_it_out_twice_at_once_is_done_once() {
        let mut state = state(ours(1, "h"));
        state.begin_handover(&moref(), queued(Verb::EjectIso), None);
        assert_eq!(eject(&state, &key(1), &full()), Eject::Join);
        assert_eq!(eject(&state, &key(1), &Inside::default()), Eject::Join);
    }

    #[test]
    fn only_machines_of_the_callers_hub_are_meant() {
        let by = |name| Reference {
            name,
            moref_hint: String::new(),
            folder_hint: String::new(),
        };
        let mut state = state(ours(1, "h"));
        let mine = target(&state, &by(Name::Name("pool-n01".into())), "hub");
        assert_eq!(mine, Target::Machine(key(1), moref()));
        let other = target(&state, &by(Name::Moref("vm-1".into())), "other");
        assert!(matches!(other, Target::Refuse(fault) if fault.reason() == Reason::NotOurs));
        state.remove_vm(&moref(), Absence::default());
        let gone = target(&state, &by(Name::Key(key(1))), "hub");
        assert_eq!(gone, Target::Unseen(key(1)));
    }
}
