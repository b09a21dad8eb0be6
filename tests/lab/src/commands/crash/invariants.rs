//! What must hold whatever happens, and what was seen not to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(in crate::commands) enum Invariant {
    /// No machine with our mark is without its template.
    I1,
    /// There is one machine at most for an owner and a slot.
    I2,
    /// No machine of others is ever changed.
    I3,
    /// There are never more machines than were or are asked for.
    I4,
    /// No machine whose Agent is bound is removed.
    I5,
    /// Labels and annotations that people set stay.
    I6,
    /// One session for each identity, and none after the end.
    I7,
    /// All is as asked for within 30 s of the last kill.
    I8,
    /// No file that a machine has mounted is changed or removed, and each ISO that can be seen is whole.
    I9,
    /// The status says that all is ready only when it is.
    I10,
    /// No password is in any log.
    I11,
    /// No call for the same object is repeated without pause.
    I12,
}

/// All of them.
const ALL: [Invariant; 12] = [
    Invariant::I1,
    Invariant::I2,
    Invariant::I3,
    Invariant::I4,
    Invariant::I5,
    Invariant::I6,
    Invariant::I7,
    Invariant::I8,
    Invariant::I9,
    Invariant::I10,
    Invariant::I11,
    Invariant::I12,
];

/// How one of them came off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(in crate::commands) struct Verdict {
    pub(in crate::commands) ok: bool,
    /// Nothing was done that could break it; its `ok` is no proof.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::commands) not_exercised: bool,
    pub(in crate::commands) violations: Vec<String>,
}

/// What was seen of each.
#[derive(Debug, Default)]
pub(in crate::commands) struct Judge {
    /// The round that is judged.
    round: usize,
    violations: BTreeMap<Invariant, Vec<String>>,
    /// What nothing was done to break, so far.
    not_exercised: BTreeSet<Invariant>,
}

impl Judge {
    /// A judge of rounds in which nothing is done that could break these, until it is told otherwise.
    pub(in crate::commands) fn without(not_exercised: &[Invariant]) -> Self {
        Self {
            not_exercised: not_exercised.iter().copied().collect(),
            ..Self::default()
        }
    }

    /// Something was done that could have broken it.
    pub(in crate::commands) fn exercised(&mut self, invariant: Invariant) {
        self.not_exercised.remove(&invariant);
    }

    /// From now on this round is judged.
    pub(in crate::commands) fn round(&mut self, round: usize) {
        self.round = round;
    }

    /// Notes that one does not hold.
    pub(in crate::commands) fn violated(&mut self, invariant: Invariant, what: &str) {
        let what = format!("round {}: {what}", self.round);
        self.violations.entry(invariant).or_default().push(what);
    }

    /// Notes that one does not hold, if there is anything to say about it.
    pub(in crate::commands) fn none_of(
        &mut self,
        invariant: Invariant,
        what: &str,
        found: &[String],
    ) {
        if !found.is_empty() {
            self.violated(invariant, &format!("{what}: {}", found.join(", ")));
        }
    }

    /// Notes that one does not hold unless `holds`.
    pub(in crate::commands) fn must(
        &mut self,
        invariant: Invariant,
        holds: bool,
        what: impl FnOnce() -> String,
    ) {
        if !holds {
            self.violated(invariant, &what());
        }
    }

    /// Whether all held so far.
    pub(in crate::commands) fn content(&self) -> bool {
        self.violations.is_empty()
    }

    /// What is to be told of all of them.
    pub(in crate::commands) fn verdicts(&self) -> BTreeMap<Invariant, Verdict> {
        let verdict = |invariant| {
            let violations = self.violations.get(&invariant).cloned().unwrap_or_default();
            let verdict = Verdict {
                ok: violations.is_empty(),
                not_exercised: self.not_exercised.contains(&invariant),
                violations,
            };
            (invariant, verdict)
        };
        ALL.into_iter().map(verdict).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_to_fail_is_ok_and_what_was_not_tried_says_so() {
        let mut judge = Judge::without(&[Invariant::I5, Invariant::I9]);
        judge.exercised(Invariant::I9);
        judge.round(7);
        judge.none_of(Invariant::I1, "orphans", &[]);
        assert!(judge.content());
        judge.none_of(Invariant::I2, "twice", &["a".to_owned(), "b".to_owned()]);
        judge.must(Invariant::I2, false, || "and again".to_owned());
        assert!(!judge.content());
        let verdicts = judge.verdicts();
        assert_eq!(verdicts.len(), 12);
        assert!(verdicts[&Invariant::I1].ok && !verdicts[&Invariant::I1].not_exercised);
        assert_eq!(
            verdicts[&Invariant::I2].violations,
            ["round 7: twice: a, b", "round 7: and again"]
        );
        assert!(verdicts[&Invariant::I5].ok && verdicts[&Invariant::I5].not_exercised);
        assert!(verdicts[&Invariant::I9].ok && !verdicts[&Invariant::I9].not_exercised);
    }
}
