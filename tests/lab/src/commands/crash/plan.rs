//! Who is killed at which call: all of it follows from the seed.

use lab::proxy::{Moment, Trap, Which};
use serde::Serialize;

use crate::commands::isos::SIZE;
use crate::commands::numbers::Numbers;

/// How many calls that change something each transfer of an image needs: the file, its record, and the
/// move into its place.
const TRANSFER: u64 = 3;

/// All rounds of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) rounds: Vec<Round>,
}

/// A change of the template, and who is killed while it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) change: Change,
    pub(super) kills: Vec<Kill>,
}

/// What is asked for in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Change {
    /// All machines, of which those that are made boot an image that was made anew; the template is made
    /// where there is none.
    Up,
    /// A few machines.
    Down,
    /// No template.
    Delete,
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Victim {
    Driver,
    Controller,
    Both,
}

/// Which calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Wire {
    /// Those of the driver to vCenter.
    Soap,
    /// Those of the controller to the driver.
    Rpc,
}

/// Somebody is killed at a certain point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kill {
    pub(super) victim: Victim,
    pub(super) at: Point,
}

/// Where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// A call.
    Call { wire: Wire, trap: Trap },
    /// So many bytes of the image that is fetched: no more come.
    Byte(u64),
}

// === impl Plan ===

impl Plan {
    /// The rounds of this seed, with so many machines when there are most.
    pub(super) fn of(seed: u64, rounds: usize, vms: u32) -> Self {
        let mut numbers = Numbers::of(seed);
        let mut before = Change::Delete;
        let each = std::iter::repeat_with(|| {
            let change = before.next(&mut numbers);
            let kills = kills(change, machines_moved(before, change, vms), &mut numbers);
            before = change;
            Round { change, kills }
        });
        Self {
            rounds: each.take(rounds).collect(),
        }
    }
}

// === impl Change ===

impl Change {
    /// How many machines there are after it.
    pub(super) fn machines(self, vms: u32) -> u32 {
        match self {
            Self::Up => vms,
            Self::Down => vms / 5,
            Self::Delete => 0,
        }
    }

    fn next(self, numbers: &mut Numbers) -> Self {
        match (self, numbers.below(2)) {
            (Self::Delete, _) | (Self::Down, 0) => Self::Up,
            (Self::Up, 0) => Self::Down,
            (Self::Up | Self::Down, _) => Self::Delete,
        }
    }
}

fn machines_moved(before: Change, after: Change, vms: u32) -> u64 {
    let (before, after) = (before.machines(vms), after.machines(vms));
    before.abs_diff(after).into()
}

/// One kill, and in a third of the rounds another while the first is recovered from.
fn kills(change: Change, moved: u64, numbers: &mut Numbers) -> Vec<Kill> {
    let first = first(change, moved, numbers);
    let second = numbers.below(3) == 0;
    let second = second.then(|| second_after(first.victim, numbers));
    std::iter::once(first).chain(second).collect()
}

/// Only calls that the change needs for certain are counted to, so that each kill happens.
fn first(change: Change, moved: u64, numbers: &mut Numbers) -> Kill {
    let victim = victim(numbers);
    let moment = moment(numbers);
    let (wire, which, calls) = match (numbers.below(6), change) {
        // The one rpc that asks for the change: what follows depends on how fast it is done.
        (0, _) => (Wire::Rpc, Which::Changing, 1),
        (1 | 2, Change::Up) => {
            let at = Point::Byte(numbers.below(SIZE));
            return Kill { victim, at };
        }
        (3, Change::Up) => (Wire::Soap, Which::Changing, TRANSFER),
        (_, change) => match (numbers.below(2), change) {
            (0, _) => (Wire::Soap, Which::Any, moved),
            (_, Change::Up) => (Wire::Soap, Which::Changing, TRANSFER + moved),
            // A power-off and a destroy for each.
            (_, Change::Down | Change::Delete) => (Wire::Soap, Which::Changing, 2 * moved),
        },
    };
    let nth = 1 + numbers.below(calls);
    let trap = Trap { which, nth, moment };
    let at = Point::Call { wire, trap };
    Kill { victim, at }
}

/// What was killed begins anew with calls that are known: rpcs to connect and to watch, and SOAP
/// calls to log in and to read the inventory.
fn second_after(first: Victim, numbers: &mut Numbers) -> Kill {
    let victim = victim(numbers);
    let moment = moment(numbers);
    let (wire, calls) = match (first, numbers.below(2)) {
        (Victim::Driver | Victim::Both, 0) => (Wire::Soap, 8),
        _ => (Wire::Rpc, 2),
    };
    let nth = 1 + numbers.below(calls);
    let which = Which::Any;
    let trap = Trap { which, nth, moment };
    let at = Point::Call { wire, trap };
    Kill { victim, at }
}

fn victim(numbers: &mut Numbers) -> Victim {
    match numbers.below(5) {
        0 | 1 => Victim::Driver,
        2 | 3 => Victim::Controller,
        _ => Victim::Both,
    }
}

fn moment(numbers: &mut Numbers) -> Moment {
    match numbers.below(2) {
        0 => Moment::Before,
        _ => Moment::After,
    }
}

// === impl Victim ===

impl Victim {
    pub(super) fn is_driver(self) -> bool {
        matches!(self, Self::Driver | Self::Both)
    }

    pub(super) fn is_controller(self) -> bool {
        matches!(self, Self::Controller | Self::Both)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_has_one_plan() {
        assert_eq!(Plan::of(1, 30, 50), Plan::of(1, 30, 50));
        assert_ne!(Plan::of(1, 30, 50), Plan::of(2, 30, 50));
        let (few, many) = (Plan::of(1, 10, 50), Plan::of(1, 30, 50));
        assert_eq!(many.rounds[..10], few.rounds, "more rounds only follow");
    }

    #[test]
    fn a_round_asks_for_something_else_than_there_is() {
        let plan = Plan::of(7, 200, 50);
        let mut before = Change::Delete;
        for Round { change, .. } in plan.rounds {
            assert_ne!(before.machines(50), change.machines(50));
            before = change;
        }
    }

    #[test]
    fn everybody_is_killed_everywhere_and_nowhere_that_is_never_reached() {
        let plan = Plan::of(1, 200, 50);
        let kills: Vec<_> = plan.rounds.iter().flat_map(|round| &round.kills).collect();
        let is_at = |kill: &Kill, wire, moment| matches!(kill.at, Point::Call { wire: found, trap } if found == wire && trap.moment == moment);
        for victim in [Victim::Driver, Victim::Controller, Victim::Both] {
            let mut by_byte = kills.iter().filter(|kill| kill.victim == victim);
            assert!(
                by_byte.any(|kill| matches!(kill.at, Point::Byte(_))),
                "{victim:?}"
            );
            for wire in [Wire::Soap, Wire::Rpc] {
                for moment in [Moment::Before, Moment::After] {
                    let mut kills = kills.iter().filter(|kill| kill.victim == victim);
                    let found = kills.any(|kill| is_at(kill, wire, moment));
                    assert!(found, "{victim:?} {wire:?} {moment:?}");
                }
            }
        }
        let is_reached = |kill: &&Kill| match kill.at {
            Point::Call { trap, .. } => (1..=100).contains(&trap.nth),
            Point::Byte(byte) => byte < SIZE,
        };
        assert!(kills.iter().all(is_reached));
    }

    #[test]
    fn an_image_is_struck_only_where_one_is_fetched_and_at_each_of_its_calls() {
        let plan = Plan::of(1, 200, 50);
        let first = |round: &Round| round.kills.first().copied();
        let mut calls = std::collections::BTreeSet::new();
        for round in &plan.rounds {
            match (round.change, first(round).map(|kill| kill.at)) {
                (Change::Down | Change::Delete, at) => {
                    assert!(!matches!(at, Some(Point::Byte(_))), "{round:?}");
                }
                (Change::Up, Some(Point::Call { trap, .. })) if trap.which == Which::Changing => {
                    calls.insert(trap.nth);
                }
                (Change::Up, _) => {}
            }
        }
        assert!(
            (1..=TRANSFER).all(|call| calls.contains(&call)),
            "{calls:?}"
        );
    }
}
