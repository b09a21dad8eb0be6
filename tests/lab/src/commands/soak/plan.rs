//! What is asked for and what strikes meanwhile: all of it follows from the seed.

use std::time::Duration;

use serde::Serialize;

use crate::commands::isos::SIZE;
use crate::commands::numbers::Numbers;

/// The longest time between a change and the blow that follows it.
const SOONEST: u64 = 3000;

/// A change, and what strikes while it is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Round {
    pub(super) change: Change,
    pub(super) blows: Vec<Blow>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Change {
    /// So many nodes, more or fewer than before.
    Scale(u32),
    /// One Machine is deleted, as a health check does; another takes its place.
    Replace,
    /// One node less and at once one more: what is let go may be wanted again.
    Waver,
    /// The image is made anew.
    Rotate(Rotation),
    /// A template in test mode that boots the same image is made, or deleted where there is one.
    Twin,
}

/// How an image is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Rotation {
    /// Whether it is behind the URL that the one before had.
    pub(super) same_url: bool,
    pub(super) hitch: Hitch,
}

/// What goes wrong while it is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Hitch {
    Nothing,
    /// The token is good no more; another image follows once that was noticed.
    Expired,
    /// The connection breaks after so many bytes.
    Broken(u64),
    /// The driver is killed after so many bytes.
    Killed(u64),
    /// After so many bytes another image takes its place, under the same URL, and the rest of these still
    /// comes.
    Overtaken(u64),
}

/// What strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Blow {
    /// So long after the change or the blow before.
    pub(super) after: Duration,
    pub(super) kind: BlowKind,
}

/// How it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BlowKind {
    /// SIGKILL to the driver.
    KillDriver,
    /// SIGKILL to the controller.
    KillController,
    /// vCenter refuses connections for so long.
    Refused(Duration),
    /// vCenter says nothing for so long.
    Silent(Duration),
}

/// The rounds of a seed, without end.
#[derive(Debug)]
pub(super) struct Plan {
    numbers: Numbers,
    most: u32,
    nodes: u32,
}

// === impl Plan ===

impl Plan {
    /// With so many nodes when there are most; it begins with none.
    pub(super) fn of(seed: u64, most: u32) -> Self {
        Self {
            numbers: Numbers::of(seed),
            most,
            nodes: 0,
        }
    }

    fn change(&mut self) -> Change {
        match self.numbers.below(8) {
            3 if self.nodes > 0 => Change::Replace,
            4 if self.nodes > 0 => Change::Waver,
            5 | 6 => Change::Rotate(self.rotation()),
            7 => Change::Twin,
            _ => {
                // Any number but the one that there is.
                let step = 1 + self.numbers.below(u64::from(self.most));
                let step = u32::try_from(step).unwrap_or(1);
                self.nodes = (self.nodes + step) % (self.most + 1);
                Change::Scale(self.nodes)
            }
        }
    }

    fn rotation(&mut self) -> Rotation {
        let same_url = self.numbers.below(2) == 0;
        let byte = self.numbers.below(SIZE);
        let hitch = match self.numbers.below(6) {
            0 => Hitch::Nothing,
            1 => Hitch::Expired,
            2 => Hitch::Broken(byte),
            3 => Hitch::Overtaken(byte),
            _ => Hitch::Killed(byte),
        };
        Rotation { same_url, hitch }
    }

    fn blow(&mut self) -> Blow {
        let after = Duration::from_millis(self.numbers.below(SOONEST));
        let length = Duration::from_millis(500 + self.numbers.below(4000));
        let kind = match self.numbers.below(6) {
            0 | 1 => BlowKind::KillDriver,
            2 | 3 => BlowKind::KillController,
            4 => BlowKind::Refused(length),
            _ => BlowKind::Silent(length),
        };
        Blow { after, kind }
    }
}

impl Iterator for Plan {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        let change = self.change();
        let blows = self.numbers.below(3);
        let blows = (0..blows).map(|_| self.blow()).collect();
        Some(Round { change, blows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(seed: u64) -> Vec<Round> {
        Plan::of(seed, 8).take(300).collect()
    }

    #[test]
    fn one_seed_has_one_plan() {
        assert_eq!(rounds(1), rounds(1));
        assert_ne!(rounds(1), rounds(2));
    }

    #[test]
    fn each_scaling_changes_the_number_within_its_bounds() {
        let mut before = 0;
        for round in rounds(7) {
            match round.change {
                Change::Scale(nodes) => {
                    assert!(nodes <= 8 && nodes != before);
                    before = nodes;
                }
                Change::Replace | Change::Waver => assert!(before > 0),
                Change::Rotate(_) | Change::Twin => {}
            }
        }
    }

    #[test]
    fn everything_strikes_sometime_and_sometimes_nothing_does() {
        let rounds = rounds(1);
        let struck = |is: fn(BlowKind) -> bool| {
            let mut blows = rounds.iter().flat_map(|round| &round.blows);
            blows.any(|blow| is(blow.kind))
        };
        assert!(struck(|it| it == BlowKind::KillDriver));
        assert!(struck(|it| it == BlowKind::KillController));
        assert!(struck(|it| matches!(it, BlowKind::Refused(_))));
        assert!(struck(|it| matches!(it, BlowKind::Silent(_))));
        assert!(rounds.iter().any(|round| round.blows.is_empty()));
        let changed = |is: fn(Change) -> bool| rounds.iter().any(|round| is(round.change));
        let hitch = |change| match change {
            Change::Rotate(rotation) => Some(rotation.hitch),
            Change::Scale(_) | Change::Replace | Change::Waver | Change::Twin => None,
        };
        let hitches: Vec<_> = rounds.iter().filter_map(|it| hitch(it.change)).collect();
        assert!(changed(|it| it == Change::Twin));
        assert!(hitches.contains(&Hitch::Nothing) && hitches.contains(&Hitch::Expired));
        let broken = |it: &Hitch| matches!(it, Hitch::Broken(at) if *at < SIZE);
        let killed = |it: &Hitch| matches!(it, Hitch::Killed(at) if *at < SIZE);
        let overtaken = |it: &Hitch| matches!(it, Hitch::Overtaken(at) if *at < SIZE);
        assert!(hitches.iter().any(broken) && hitches.iter().any(killed));
        assert!(hitches.iter().any(overtaken));
    }
}
