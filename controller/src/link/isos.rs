//! What a watch has told of the ISOs that are wanted on one vCenter. Pure.

use super::view::Concerned;
use crate::driver::{Iso, IsoEvent};
use std::collections::{HashMap, HashSet};

/// The ISOs of this hub on one vCenter, by their owners.
#[derive(Debug, Default)]
pub(super) struct Isos {
    /// The run of the driver that the revisions belong to.
    run_id: String,
    live: bool,
    wanted: HashMap<String, Iso>,
    /// What the snapshot under way has told.
    told: Option<HashSet<String>>,
}

/// What is told of the ISO of one owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsoTold {
    /// Each change of it is told: where none is, the driver knows of no wish.
    pub live: bool,
    /// The ISO, as it was told last.
    pub iso: Option<Iso>,
}

// === impl Isos ===

impl Isos {
    /// What is told of the ISO of this owner.
    pub(super) fn of_owner(&self, uid: &str) -> IsoTold {
        IsoTold {
            live: self.live,
            iso: self.wanted.get(uid).cloned(),
        }
    }

    /// The stream was lost: what was told may be old.
    pub(super) fn doubt(&mut self) {
        self.live = false;
        self.told = None;
    }

    /// Takes in one message, and says who is concerned.
    pub(super) fn take(&mut self, event: IsoEvent) -> HashSet<Concerned> {
        match event {
            IsoEvent::SnapshotBegin { run_id } => {
                if self.run_id != run_id {
                    // Revisions of another run say nothing about those to come.
                    self.wanted.clear();
                }
                self.run_id = run_id;
                self.live = false;
                self.told = Some(HashSet::new());
                HashSet::new()
            }
            IsoEvent::Changes { changed, removed } => {
                let changed = changed
                    .into_iter()
                    .filter_map(|(uid, iso)| self.put(&uid, iso));
                let mut concerned: HashSet<_> = changed.collect();
                for (uid, revision) in removed {
                    let known = self.wanted.get(&uid);
                    if known.is_some_and(|iso| iso.revision <= revision) {
                        self.wanted.remove(&uid);
                        concerned.insert(Concerned::Owner(uid));
                    }
                }
                concerned
            }
            IsoEvent::SnapshotEnd => {
                if let Some(told) = self.told.take() {
                    self.wanted.retain(|uid, _| told.contains(uid));
                }
                self.live = true;
                HashSet::from([Concerned::Everybody])
            }
            IsoEvent::Unknown => HashSet::new(),
        }
    }

    /// Takes in what was told or answered of an ISO, unless something newer is known.
    pub(super) fn put(&mut self, uid: &str, iso: Iso) -> Option<Concerned> {
        if let Some(told) = &mut self.told {
            told.insert(uid.to_owned());
        }
        let known = self.wanted.get(uid);
        if known.is_some_and(|known| known.revision > iso.revision) {
            return None;
        }
        self.wanted.insert(uid.to_owned(), iso);
        Some(Concerned::Owner(uid.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::IsoStand;

    fn iso(revision: i64) -> Iso {
        Iso {
            source: String::new(),
            stand: IsoStand::Ready("[ds] a.iso".into()),
            source_revision: String::new(),
            revision,
        }
    }

    fn begin(run: &str) -> IsoEvent {
        IsoEvent::SnapshotBegin { run_id: run.into() }
    }

    fn changed(uid: &str, revision: i64) -> IsoEvent {
        IsoEvent::Changes {
            changed: vec![(uid.into(), iso(revision))],
            removed: vec![],
        }
    }

    fn removed(uid: &str, revision: i64) -> IsoEvent {
        IsoEvent::Changes {
            changed: vec![],
            removed: vec![(uid.into(), revision)],
        }
    }

    /// Whether changes are told, and the revision of what is known of `a`, after these messages.
    fn after(events: Vec<IsoEvent>) -> (bool, Option<i64>) {
        let mut isos = Isos::default();
        for event in events {
            isos.take(event);
        }
        let told = isos.of_owner("a");
        (told.live, told.iso.map(|iso| iso.revision))
    }

    #[test]
    fn the_newest_that_was_told_is_known() {
        use IsoEvent::SnapshotEnd as End;
        for (why, events, expected) in [
            ("nothing was told", vec![], (false, None)),
            (
                "half a snapshot",
                vec![begin("1"), changed("a", 1)],
                (false, Some(1)),
            ),
            (
                "a snapshot",
                vec![begin("1"), changed("a", 1), End],
                (true, Some(1)),
            ),
            (
                "an older message",
                vec![begin("1"), changed("a", 2), End, changed("a", 1)],
                (true, Some(2)),
            ),
            (
                "it was withdrawn",
                vec![begin("1"), changed("a", 2), End, removed("a", 3)],
                (true, None),
            ),
            (
                "it was withdrawn and is wanted again",
                vec![begin("1"), changed("a", 4), End, removed("a", 3)],
                (true, Some(4)),
            ),
            (
                "it is not in the next snapshot",
                vec![
                    begin("1"),
                    changed("a", 2),
                    End,
                    begin("1"),
                    changed("b", 3),
                    End,
                ],
                (true, None),
            ),
            (
                "another run counts anew",
                vec![
                    begin("1"),
                    changed("a", 9),
                    End,
                    begin("2"),
                    changed("a", 1),
                    End,
                ],
                (true, Some(1)),
            ),
        ] {
            assert_eq!(after(events), expected, "{why}");
        }
    }

    #[test]
    fn an_answer_within_a_snapshot_outlives_it() {
        let mut isos = Isos::default();
        isos.take(begin("1"));
        isos.put("a", iso(1));
        isos.take(IsoEvent::SnapshotEnd);
        assert_eq!(isos.of_owner("a").iso, Some(iso(1)));
    }

    #[test]
    fn who_is_concerned_is_told_and_nobody_else() {
        let mut isos = Isos::default();
        let owner = || HashSet::from([Concerned::Owner("a".into())]);
        isos.take(begin("1"));
        assert_eq!(isos.take(changed("a", 2)), owner());
        assert_eq!(isos.take(changed("a", 1)), HashSet::new());
        assert_eq!(
            isos.take(IsoEvent::SnapshotEnd),
            HashSet::from([Concerned::Everybody])
        );
        assert_eq!(isos.take(removed("a", 2)), owner());
        assert_eq!(isos.take(removed("a", 3)), HashSet::new());
    }
}
