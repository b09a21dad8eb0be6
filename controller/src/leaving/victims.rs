//! Which machines go first where there are too many. Pure.

use super::release::{Health, Sighting};
use std::collections::BTreeSet;

/// What a machine that nobody uses is worth; the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Worth {
    /// It never ran, failed, or is out of sight.
    Broken,
    /// Its Agent is disconnected, or failed.
    Unwell,
    /// Its Agent has not registered.
    Silent,
    /// It could become a node at once.
    Ready,
}

/// What a machine is worth that `runs`, or does not.
pub(crate) fn worth(runs: bool, agent: Sighting<'_>) -> Worth {
    match agent {
        _ if !runs => Worth::Broken,
        Sighting::Blind | Sighting::Absent => Worth::Silent,
        Sighting::There(agent) => match agent.health {
            Health::Disconnected | Health::Failed => Worth::Unwell,
            Health::Good => Worth::Ready,
        },
    }
}

/// The slots that go: those of the least worth, and of them the highest.
pub(crate) fn victims(mut candidates: Vec<(Worth, i32)>, count: usize) -> BTreeSet<i32> {
    candidates.sort_by_key(|(worth, slot)| (*worth, -slot));
    candidates
        .iter()
        .take(count)
        .map(|(_, slot)| *slot)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaving::release::{AgentView, tests::agent};

    #[test]
    fn each_machine_has_its_worth() {
        let of = |health| AgentView { health, ..agent() };
        let (good, lost, failed) = (
            of(Health::Good),
            of(Health::Disconnected),
            of(Health::Failed),
        );
        for (runs, sighting, expected) in [
            (false, Sighting::There(&good), Worth::Broken),
            (true, Sighting::There(&lost), Worth::Unwell),
            (true, Sighting::There(&failed), Worth::Unwell),
            (true, Sighting::Absent, Worth::Silent),
            (true, Sighting::There(&good), Worth::Ready),
        ] {
            assert_eq!(worth(runs, sighting), expected);
        }
    }

    #[test]
    fn the_least_worth_go_first_and_of_equals_the_highest_number() {
        let candidates = vec![
            (Worth::Ready, 1),
            (Worth::Silent, 2),
            (Worth::Broken, 3),
            (Worth::Unwell, 4),
            (Worth::Ready, 5),
        ];
        for (count, expected) in [
            (0, vec![]),
            (1, vec![3]),
            (2, vec![3, 4]),
            (3, vec![2, 3, 4]),
            (4, vec![2, 3, 4, 5]),
            (9, vec![1, 2, 3, 4, 5]),
        ] {
            let chosen = victims(candidates.clone(), count);
            assert_eq!(chosen.into_iter().collect::<Vec<_>>(), expected);
        }
    }
}
