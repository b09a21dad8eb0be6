//! What is to be done about each slot now. Pure.

use super::{
    super::attempts::{Due, Work},
    Plan, Seen,
    course::Course,
    creation,
    later::Later,
};
use crate::{
    driver::{Fault, Machine},
    leaving::release::Standing,
};

// === impl Plan ===

impl Plan {
    /// Says what is to be done about each slot now, and when later.
    pub(super) fn assign(&mut self, seen: &Seen<'_>) {
        let mut later = Later::default();
        self.fence(seen, &mut later);
        let may_make = creation(seen).is_some();
        let may_remove = later.allows(seen.attempts.due(Work::Delete, None, seen.now));
        if let Some(checks) = seen.checks {
            later.note(Due::At(checks.due()));
        }
        later.note(seen.attempts.due(Work::Ensure, None, seen.now));
        for (slot, entry) in &self.record.entries {
            let machine = seen.sight.owner.machine(*slot);
            let due = |work| seen.attempts.due(work, told(machine, work), seen.now);
            let course = seen.course(*slot, entry, machine);
            match unless_used(course, machine, self.ties.standing(*slot, entry)) {
                Course::Keep | Course::Going => {}
                // What leaves is not begun with any more.
                Course::Make if !entry.leaving.is_empty() => {}
                Course::Make => {
                    if may_make && later.allows(due(Work::Make(*slot))) {
                        self.ensure.push((*slot, entry.name.clone()));
                    }
                }
                course @ (Course::Prove | Course::Remove) => {
                    // One whose Agent could not be looked for waits for that.
                    let due = [Work::Remove(*slot), Work::Fence(*slot)].map(due);
                    if may_remove && due.into_iter().all(|due| later.allows(due)) {
                        let owner = &seen.wish.owner.uid;
                        let machine = self.record.machine_ref(*slot, seen.hub_id, owner);
                        match course {
                            Course::Prove => self.prove.push(machine),
                            _ => self.delete.push(machine),
                        }
                    }
                }
            }
        }
        self.wake = later.0;
    }
}

/// A machine that somebody uses, or may use, is not destroyed, whatever was decided before. One that is out of
/// sight is only looked for.
fn unless_used(course: Course, machine: Option<&Machine>, standing: Standing) -> Course {
    let free = matches!(standing, Standing::Free | Standing::Released);
    match (course, machine) {
        (Course::Remove, Some(machine)) if !free && machine.exists() => Course::Keep,
        (Course::Remove, None) if !free => Course::Prove,
        _ => course,
    }
}

/// What is told of a machine about this work. Why it could not be made says nothing of its removal.
fn told(machine: Option<&Machine>, work: Work) -> Option<&Fault> {
    let machine = machine.filter(|machine| match work {
        Work::Remove(_) => machine.exists(),
        Work::Agent(_) | Work::Eject(_) => false,
        Work::Ensure
        | Work::Delete
        | Work::Make(_)
        | Work::Fence(_)
        | Work::Bury(_)
        | Work::Select
        | Work::Check
        | Work::Iso
        | Work::Withdraw
        | Work::Keep
        | Work::LetGo
        | Work::Part => true,
    });
    machine?.fault.as_ref()
}
