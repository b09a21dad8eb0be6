//! Which machines need their ISO no more. Pure.

use super::{super::attempts::Work, Plan, Seen, is_on, later::Later};
use crate::{
    agents::phase::JOINED,
    crd::VmStatus,
    driver::{Fault, Machine, Ownership, Retry},
    iso::IsoWish,
    reconcile::record::DELETING,
};

/// Digits of its content in the name of a file that was fetched: more where others took the shorter name.
const DIGITS: [usize; 3] = [16, 32, 64];

// === impl Plan ===

impl Plan {
    /// Says of which machines the ISO is to be taken out. Nothing waits for it.
    pub(super) fn eject(&mut self, seen: &Seen<'_>) {
        let mut later = Later(self.wake);
        for (slot, entry) in &self.record.entries {
            let machine = seen.sight.owner.machine(*slot);
            let installed = self.hosts.phase(*slot, entry) == Some(JOINED);
            let Some(machine) = machine.filter(|_| installed && stays(entry)) else {
                continue;
            };
            if !may_have_fetched_iso(&seen.wish.iso, machine) {
                continue;
            }
            let told = machine.ejection.clone().map(patiently);
            let due = seen
                .attempts
                .due(Work::Eject(*slot), told.as_ref(), seen.now);
            if later.allows(due) {
                let owner = &seen.wish.owner.uid;
                let machine = self.record.machine_ref(*slot, seen.hub_id, owner);
                self.eject.push(machine);
            }
        }
        self.wake = later.0;
    }
}

fn stays(entry: &VmStatus) -> bool {
    entry.leaving.is_empty() && entry.phase != DELETING
}

/// Whether a machine that is on has an ISO in its drive that may have been fetched for the template. Whether it was,
/// the driver knows, which takes out no other: what a person put there, or what came with a machine that was adopted,
/// is theirs.
fn may_have_fetched_iso(wish: &IsoWish, machine: &Machine) -> bool {
    let ours = machine.ownership == Ownership::Ours && is_on(machine);
    ours && wish.is_fetched() && is_named_by_content(&machine.mounted_iso)
}

/// Whether a path is `[datastore] folder/label-digits.iso`. Label and datastore say nothing: a file is shared by all
/// who want its content, under the label of the first, and the template may have had others when the machine was made.
fn is_named_by_content(path: &str) -> bool {
    let file = path.rsplit('/').next();
    let stem = file.and_then(|file| file.strip_suffix(".iso"));
    let parts = stem.and_then(|stem| stem.rsplit_once('-'));
    parts.is_some_and(|(_, digits)| {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        DIGITS.contains(&digits.len()) && digits.bytes().all(is_digit)
    })
}

/// A guest that holds its drive may do so for long, and nobody is in a hurry.
pub(in super::super) fn patiently(fault: Fault) -> Fault {
    let retry = match fault.retry {
        Retry::Backoff | Retry::Soon => Retry::Slow,
        Retry::Never | Retry::Slow | Retry::Recover => fault.retry,
    };
    Fault { retry, ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        driver::{MachineRef, Power, State},
        fixtures::{fault, world::World},
        hub::Sought,
        iso::Origin,
        reconcile::plan::plan,
    };
    use jiff::{SignedDuration, Timestamp};
    use std::sync::Arc;

    const ISO: &str = "[ds] hcp-iso/agent-0123456789abcdef.iso";

    impl World {
        /// A machine that was installed from an ISO by URL, with this in its drive.
        fn installed(state: &str, iso: &str) -> Self {
            let mut world = Self::new(1, &[(1, State::Running)]).of_node_pool(1);
            world.wish.iso.origin = Origin::Url(crate::hidden::Hidden("https://images/a".into()));
            let agent = world.agent(1, state);
            world.pool.agents = Sought::Found(vec![Arc::new(agent)]);
            world.seen_with(|machine| iso.clone_into(&mut machine.mounted_iso));
            world
        }

        fn seen_with(&mut self, change: impl FnOnce(&mut Machine)) {
            let machine = self.sight.owner.machines.get_mut(&1).unwrap();
            change(Arc::make_mut(machine));
        }

        fn ejected(&self) -> Vec<i32> {
            let slot = |machine: &MachineRef| machine.key.slot;
            plan(&self.seen()).eject.iter().map(slot).collect()
        }
    }

    fn with(change: impl FnOnce(&mut World)) -> World {
        let mut world = World::installed("installed", ISO);
        change(&mut world);
        world
    }

    #[test]
    fn only_an_iso_that_was_fetched_is_taken_out_and_only_of_an_installed_machine() {
        for (why, state, iso, slots) in [
            ("installed", "installed", ISO, &[1][..]),
            ("added later", "added-to-existing-cluster", ISO, &[1]),
            ("it still boots it", "installing-in-progress", ISO, &[]),
            ("it may be installed yet", "known", ISO, &[]),
            ("empty, or not read yet", "installed", "", &[]),
            ("a person's", "installed", "[ds] isos/agent.iso", &[]),
            (
                "a part",
                "installed",
                "[ds] hcp-iso/a.part-0123456789ab.iso",
                &[],
            ),
            (
                "another template's label: it wanted the same content first",
                "installed",
                "[ds] hcp-iso/other-0123456789abcdef.iso",
                &[1],
            ),
            (
                "the datastore that the template named before",
                "installed",
                "[old] hcp-iso/agent-0123456789abcdef.iso",
                &[1],
            ),
        ] {
            assert_eq!(World::installed(state, iso).ejected(), slots, "{why}");
        }
    }

    #[test]
    fn a_machine_keeps_its_iso_while_anything_else_is_to_be_done_with_it() {
        for (why, world) in [
            (
                "the template names a file itself",
                with(|it| it.wish.iso.origin = Origin::Path(ISO.into())),
            ),
            ("paused", with(|it| it.wish.paused = true)),
            (
                "off",
                with(|it| it.seen_with(|machine| machine.power = Some(Power::Off))),
            ),
            (
                "a copy",
                with(|it| it.seen_with(|machine| machine.ownership = Ownership::Copy)),
            ),
            (
                "leaving",
                with(|it| it.entry(1).phase = DELETING.to_owned()),
            ),
        ] {
            assert_eq!(world.ejected(), [0; 0], "{why}");
        }
    }

    #[test]
    fn a_guest_that_holds_its_drive_is_asked_again_slowly() {
        let mut world = with(|it| {
            it.seen_with(|machine| machine.ejection = Some(fault(Retry::Backoff)));
        });
        assert_eq!(world.ejected(), [1]);
        world.attempts.note(Work::Eject(1), None, world.now);
        world.now = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(4);
        assert_eq!(world.ejected(), [0; 0]);
        world.now = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(7);
        assert_eq!(world.ejected(), [1]);
    }
}
