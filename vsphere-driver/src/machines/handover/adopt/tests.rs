use super::*;
use crate::machines::{
    vm::fixtures::{key, ours},
    work::fixtures::queued,
};
use contract::v1::Owner;
use prost_types::Timestamp;

const TEMPLATE: &str = "ns/pool";

fn moref() -> MoRef {
    MoRef::new("VirtualMachine", "vm-1")
}

fn state(vm: &Vm) -> State {
    let mut state = State::default();
    state.change_vm(&moref(), |new| new.clone_from(vm));
    state
}

fn of_companion() -> Vm {
    Vm {
        companion: TEMPLATE.into(),
        mark: None,
        instance_uuid: None,
        parent: None,
        ..ours(1, "h")
    }
}

/// What the caller takes [`of_companion`] for.
fn adoption() -> Adoption {
    Adoption {
        moref: "vm-1".into(),
        name: "pool-n01".into(),
        folder: String::new(),
        previous: Previous::Companion(TEMPLATE.into()),
        key: key(7),
    }
}

fn mark() -> Mark {
    Mark::new(key(7), Owner::default(), "h".into())
}

fn reason(decision: Adopt) -> Option<Reason> {
    match decision {
        Adopt::Refuse(fault, _) => Some(fault.reason()),
        Adopt::Take(_) | Adopt::Keep | Adopt::Look => None,
    }
}

#[test]
fn a_machine_that_is_what_it_is_taken_for_gets_mark_and_uuid() {
    let decision = adopt(&state(&of_companion()), &adoption(), &mark());
    let Adopt::Take(bearing) = decision else {
        panic!("{decision:?}");
    };
    assert_eq!(bearing.instance_uuid, Some(key(7).instance_uuid()));
    assert_eq!(bearing.marks, mark().extra_config());
}

#[test]
fn whatever_differs_is_named_and_the_machine_left_alone() {
    let (right, vm) = (adoption(), of_companion());
    let copy = Vm {
        mark: ours(1, "h").mark,
        ..vm.clone()
    };
    let foreign = Vm {
        companion: String::new(),
        ..vm.clone()
    };
    let other_name = Adoption {
        name: "pool-n02".into(),
        ..right.clone()
    };
    let other_folder = Adoption {
        folder: "/DC0/vm/other".into(),
        ..right.clone()
    };
    let other_template = Adoption {
        previous: Previous::Companion("ns/other".into()),
        ..right.clone()
    };
    let keyed = Adoption {
        previous: Previous::Key(key(1)),
        ..right.clone()
    };
    let other_key = Adoption {
        previous: Previous::Key(key(2)),
        ..right.clone()
    };
    let at_home = Vm {
        parent: None,
        ..ours(1, "h")
    };
    for (vm, adoption, property) in [
        (&vm, &other_name, "name"),
        (&vm, &other_folder, "folder"),
        (&vm, &other_template, "companion_template"),
        (&vm, &keyed, "key"),
        (&foreign, &right, "companion_template"),
        (&copy, &right, "companion_template"),
        (&copy, &keyed, "key"),
        (&at_home, &right, "companion_template"),
        (&at_home, &other_key, "key"),
    ] {
        let Adopt::Refuse(fault, _) = adopt(&state(vm), adoption, &mark()) else {
            panic!("{property} is not refused");
        };
        assert_eq!(fault.reason(), Reason::AdoptionMismatch);
        assert_eq!(fault.metadata["property"], property, "{}", fault.message);
    }
}

#[test]
fn a_machine_of_an_owner_that_is_no_more_is_taken_by_its_key() {
    let vm = Vm {
        parent: None,
        ..ours(1, "h")
    };
    let adoption = Adoption {
        previous: Previous::Key(key(1)),
        ..adoption()
    };
    let decision = adopt(&state(&vm), &adoption, &mark());
    assert!(matches!(decision, Adopt::Take(_)), "{decision:?}");
}

#[test]
fn one_that_has_the_key_already_is_done() {
    let vm = Vm {
        companion: TEMPLATE.into(),
        ..ours(7, "h")
    };
    assert_eq!(adopt(&state(&vm), &adoption(), &mark()), Adopt::Keep);
}

#[test]
fn a_key_that_another_machine_has_is_not_given_out_twice() {
    let mut state = state(&of_companion());
    let holder = MoRef::new("VirtualMachine", "vm-7");
    state.change_vm(&holder, |vm| *vm = ours(7, "h"));
    let Adopt::Refuse(fault, obstacle) = adopt(&state, &adoption(), &mark()) else {
        panic!("not refused");
    };
    assert_eq!(fault.reason(), Reason::ConflictOtherOwner);
    assert_eq!(obstacle, Some(holder));
}

#[test]
fn a_machine_is_not_adopted_under_a_key_that_is_being_made() {
    let mut state = state(&of_companion());
    state.begin(&key(7), queued(Verb::Create));
    let decision = adopt(&state, &adoption(), &mark());
    assert_eq!(reason(decision), Some(Reason::Busy));
}

#[test]
fn two_machines_are_not_adopted_under_one_key() {
    let mut state = state(&of_companion());
    let other = MoRef::new("VirtualMachine", "vm-2");
    state.change_vm(&other, |vm| *vm = of_companion());
    state.begin_handover(&other, queued(Verb::Adopt), Some(key(7)));
    let decision = adopt(&state, &adoption(), &mark());
    assert_eq!(reason(decision), Some(Reason::Busy));
    state.finish_handover(&other, |work| {
        work.fail(Fault::default(), Timestamp::default());
    });
    assert!(matches!(
        adopt(&state, &adoption(), &mark()),
        Adopt::Take(_)
    ));
}

#[test]
fn a_machine_that_is_worked_on_is_not_taken_away_meanwhile() {
    let vm = Vm {
        parent: None,
        ..ours(1, "h")
    };
    let mut state = state(&vm);
    state.begin(&key(1), queued(Verb::PowerOn));
    let adoption = Adoption {
        previous: Previous::Key(key(1)),
        ..adoption()
    };
    assert_eq!(
        reason(adopt(&state, &adoption, &mark())),
        Some(Reason::Busy)
    );
}

#[test]
fn an_adoption_under_way_is_joined_and_a_release_is_not() {
    for (verb, expected) in [(Verb::Adopt, None), (Verb::Release, Some(Reason::Busy))] {
        let mut state = state(&of_companion());
        state.begin_handover(&moref(), queued(verb), None);
        let decision = adopt(&state, &adoption(), &mark());
        assert_eq!(reason(decision), expected, "{verb:?}");
    }
}

#[test]
fn what_vcenter_cannot_read_is_not_adopted() {
    let vm = Vm {
        connection: "disconnected".into(),
        ..of_companion()
    };
    let decision = adopt(&state(&vm), &adoption(), &mark());
    assert_eq!(reason(decision), Some(Reason::VmInaccessible));
}

#[test]
fn one_out_of_sight_is_looked_for() {
    let decision = adopt(&State::default(), &adoption(), &mark());
    assert_eq!(decision, Adopt::Look);
    let mut state = state(&of_companion());
    state.lose_vm(&moref());
    assert_eq!(adopt(&state, &adoption(), &mark()), Adopt::Look);
}
