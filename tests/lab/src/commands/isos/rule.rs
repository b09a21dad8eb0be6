//! What must hold of files whenever one looks at them.

use std::collections::{BTreeMap, BTreeSet};

use lab::vcenter::Stored;
use serde::Serialize;

use super::is_whole;

/// By machine, the path of the file in its drive.
pub(super) type Mounts = BTreeMap<String, String>;

/// What there was at one moment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// All files of the folder, by path.
    pub(super) files: BTreeMap<String, Stored>,
    /// Who mounts which of them.
    pub(super) mounts: Mounts,
}

/// How much was seen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(in crate::commands) struct Figures {
    looks: usize,
    /// ISOs that appeared.
    appeared: usize,
    /// Those of them that went.
    removed: usize,
    /// ISOs that some machine mounted.
    mounted: usize,
    /// Looks at which something else had come or gone beside what a machine had mounted all the time.
    worked_beside: usize,
}

/// Judges looks, one after the other.
#[derive(Debug, Default)]
pub(super) struct Rule {
    /// All contents that were ever served, by their SHA-256, with their sizes.
    contents: BTreeMap<String, u64>,
    /// How each file was when this machine was first seen with it.
    mounted: BTreeMap<(String, String), Stored>,
    last: Look,
    isos: BTreeSet<String>,
    ever_mounted: BTreeSet<String>,
    figures: Figures,
}

// === impl Look ===

impl Look {
    /// Who had the same in its drive before and after the files were looked at had it meanwhile.
    pub(super) fn of(files: BTreeMap<String, Stored>, before: &Mounts, after: &Mounts) -> Self {
        let same = before
            .iter()
            .filter(|(machine, path)| after.get(*machine) == Some(*path));
        Self {
            files,
            mounts: same
                .map(|(machine, path)| (machine.clone(), path.clone()))
                .collect(),
        }
    }
}

// === impl Figures ===

impl Figures {
    /// Whether anything was done that could have broken the rule.
    pub(in crate::commands) fn is_exercised(&self) -> bool {
        self.worked_beside > 0
    }
}

// === impl Rule ===

impl Rule {
    /// From now on files may have this content.
    pub(super) fn know(&mut self, sha256: String, size: u64) {
        self.contents.insert(sha256, size);
    }

    pub(super) fn figures(&self) -> Figures {
        self.figures
    }

    /// What does not hold.
    pub(super) fn judge(&mut self, look: Look) -> Vec<String> {
        let mut faults = self.not_as_mounted(&look);
        faults.extend(self.not_whole(&look));
        self.count(&look);
        self.last = look;
        faults
    }

    /// Files that were changed or are gone while a machine has them in its drive.
    fn not_as_mounted(&mut self, look: &Look) -> Vec<String> {
        let mut faults = Vec::new();
        let mut mounted = BTreeMap::new();
        for (machine, path) in &look.mounts {
            let key = (machine.clone(), path.clone());
            let Some(now) = look.files.get(path) else {
                faults.push(format!("{path} is gone, and {machine} has it mounted"));
                continue;
            };
            let first = self.mounted.remove(&key).unwrap_or_else(|| now.clone());
            if first != *now {
                let changed = format!("{path} was changed while {machine} had it mounted");
                faults.push(format!("{changed}: {first:?}, now {now:?}"));
            }
            mounted.insert(key, first);
        }
        self.mounted = mounted;
        faults
    }

    /// Files with the name of a whole ISO that do not hold all of a content, or another one.
    fn not_whole(&self, look: &Look) -> Vec<String> {
        let isos = look.files.iter().filter(|(path, _)| is_whole(path));
        let broken = isos.filter(|(path, file)| {
            let size = self.contents.get(&file.sha256);
            size != Some(&file.size) || !path.contains(&file.sha256[..16])
        });
        broken
            .map(|(path, file)| format!("{path} is not whole: {file:?}"))
            .collect()
    }

    fn count(&mut self, look: &Look) {
        let names = |look: &Look| look.files.keys().cloned().collect::<BTreeSet<_>>();
        let (before, now) = (names(&self.last), names(look));
        let gone = before.difference(&now).filter(|path| is_whole(path));
        self.isos
            .extend(now.iter().filter(|path| is_whole(path)).cloned());
        self.ever_mounted.extend(look.mounts.values().cloned());
        let mut all_the_time = look.mounts.iter();
        let stayed =
            all_the_time.any(|(machine, path)| self.last.mounts.get(machine) == Some(path));
        self.figures = Figures {
            looks: self.figures.looks + 1,
            appeared: self.isos.len(),
            removed: self.figures.removed + gone.count(),
            mounted: self.ever_mounted.len(),
            worked_beside: self.figures.worked_beside + usize::from(stayed && before != now),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    const PATH: &str = "[ds] hcp-iso/agent-aaaaaaaaaaaaaaaa.iso";
    const OTHER: &str = "[ds] hcp-iso/agent-bbbbbbbbbbbbbbbb.iso";

    fn digest(letter: char) -> String {
        letter.to_string().repeat(64)
    }

    fn stored(letter: char) -> Stored {
        Stored {
            inode: 1,
            size: 100,
            modified: (1, 0),
            sha256: digest(letter),
        }
    }

    fn look(files: &[(&str, Stored)], mounts: &[(&str, &str)]) -> Look {
        let files = files.iter();
        let mounts = mounts.iter();
        Look {
            files: files
                .map(|(path, it)| ((*path).to_owned(), it.clone()))
                .collect(),
            mounts: mounts
                .map(|(machine, path)| ((*machine).to_owned(), (*path).to_owned()))
                .collect(),
        }
    }

    fn rule() -> Rule {
        let mut rule = Rule::default();
        rule.know(digest('a'), 100);
        rule.know(digest('b'), 100);
        rule
    }

    #[test]
    fn what_is_mounted_may_not_be_changed_or_go_as_long_as_it_is() {
        let is = stored('a');
        let file = |is: &Stored| [(PATH, is.clone())];
        let mounted = [("vm-1", PATH)];
        for (why, now, fault) in [
            ("nothing changed", look(&file(&is), &mounted), None),
            ("it is gone", look(&[], &mounted), Some("is gone")),
            (
                "written anew with the same",
                look(
                    &file(&Stored {
                        modified: (2, 0),
                        ..is.clone()
                    }),
                    &mounted,
                ),
                Some("was changed"),
            ),
            (
                "another file in its place",
                look(
                    &file(&Stored {
                        inode: 2,
                        ..is.clone()
                    }),
                    &mounted,
                ),
                Some("was changed"),
            ),
            ("it is in no drive any more", look(&[], &[]), None),
            (
                "a new machine has it, which was never seen with the old one",
                look(
                    &file(&Stored {
                        inode: 2,
                        ..is.clone()
                    }),
                    &[("vm-2", PATH)],
                ),
                None,
            ),
        ] {
            let mut rule = rule();
            assert_eq!(rule.judge(look(&file(&is), &mounted)), [""; 0], "{why}");
            let faults = rule.judge(now);
            let expected = usize::from(fault.is_some());
            assert_eq!(faults.len(), expected, "{why}: {faults:?}");
            assert!(
                faults
                    .iter()
                    .all(|it| it.contains(fault.unwrap_or_default())),
                "{why}: {faults:?}"
            );
        }
    }

    #[test]
    fn a_change_is_told_for_as_long_as_the_machine_has_the_file() {
        let (is, other) = (
            stored('a'),
            Stored {
                inode: 2,
                ..stored('a')
            },
        );
        let mut rule = rule();
        rule.judge(look(&[(PATH, is)], &[("vm-1", PATH)]));
        for _ in 0..2 {
            let faults = rule.judge(look(&[(PATH, other.clone())], &[("vm-1", PATH)]));
            assert_eq!(faults.len(), 1);
        }
    }

    #[test]
    fn a_visible_iso_is_whole() {
        let short = Stored {
            size: 99,
            ..stored('a')
        };
        for (why, path, file, whole) in [
            ("it is", PATH, stored('a'), true),
            ("it is shorter", PATH, short.clone(), false),
            ("it holds something else", PATH, stored('c'), false),
            ("it holds what another name says", PATH, stored('b'), false),
            (
                "a part need not be",
                "[ds] hcp-iso/agent.part-012345.iso",
                short.clone(),
                true,
            ),
            (
                "nor a record",
                "[ds] hcp-iso/agent-aaaaaaaaaaaaaaaa.iso.json",
                short,
                true,
            ),
        ] {
            let faults = rule().judge(look(&[(path, file)], &[]));
            assert_eq!(faults.is_empty(), whole, "{why}: {faults:?}");
        }
    }

    #[test]
    fn only_who_had_the_same_before_and_after_had_it_meanwhile() {
        let mounts = |of: &[(&str, &str)]| look(&[], of).mounts;
        let before = mounts(&[("vm-1", PATH), ("vm-2", PATH), ("vm-3", PATH)]);
        let after = mounts(&[("vm-1", PATH), ("vm-2", OTHER), ("vm-4", PATH)]);
        let look = Look::of(BTreeMap::new(), &before, &after);
        assert_eq!(look.mounts, mounts(&[("vm-1", PATH)]));
    }

    #[test]
    fn it_was_tried_once_something_came_or_went_beside_what_was_mounted() {
        let (one, other) = ((PATH, stored('a')), (OTHER, stored('b')));
        let mounted = [("vm-1", PATH)];
        let mut rule = rule();
        for (why, look, tried) in [
            ("nothing is mounted", look(from_ref(&one), &[]), false),
            ("it is now", look(from_ref(&one), &mounted), false),
            ("and stays", look(from_ref(&one), &mounted), false),
            ("another came", look(&[one.clone(), other], &mounted), true),
            ("and went", look(&[one], &mounted), true),
        ] {
            assert_eq!(rule.judge(look), [""; 0], "{why}");
            assert_eq!(rule.figures().is_exercised(), tried, "{why}");
        }
        let figures = Figures {
            looks: 5,
            appeared: 2,
            removed: 1,
            mounted: 1,
            worked_beside: 2,
        };
        assert_eq!(rule.figures(), figures);
    }
}
