//! Which machines do not get on, and what is done about each. Pure.

pub(crate) mod circuit;
mod stage;

use crate::{
    crd::{Awaited, SelfHealing},
    leaving::release::Standing,
    validation::go_duration,
};
use jiff::{SignedDuration, Timestamp};
pub(crate) use stage::{Position, Stage};

/// How long what was asked for may be under way: it is vCenter's to end, or waits its turn behind others,
/// and only one that never ends is late.
const UNDER_WAY: SignedDuration = SignedDuration::from_hours(1);
/// Replaced at the same time, where nothing else is said.
const AT_ONCE: i32 = 1;
/// Replaced in a row, where nothing else is said.
const FAILURE_LIMIT: i32 = 5;

/// What becomes of machines that do not get on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Healing {
    pub(crate) deadlines: Deadlines,
    /// So many are being replaced at the same time.
    pub(crate) at_once: usize,
    /// So many may be replaced in a row.
    pub(crate) failure_limit: i32,
}

/// How long each stage may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadlines {
    power_on: SignedDuration,
    registration: SignedDuration,
    validation: SignedDuration,
    installation: SignedDuration,
}

/// One machine in a stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    /// What it is about to reach.
    pub(crate) stage: Stage,
    /// What is recorded of that.
    pub(crate) awaited: &'a Awaited,
    /// Who uses it.
    pub(crate) standing: Standing,
    /// What it waits for was asked for, and is under way.
    pub(crate) under_way: bool,
}

/// What is done about a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: nobody can tell, or it leaves anyway.
    Healthy,
    /// Nothing before then.
    Wait(Timestamp),
    /// What it waits for is asked for once more.
    Retry,
    /// It goes, and another is made.
    Replace,
    /// It is late, and a cluster has it: only said.
    Overdue,
}

/// What is done about a machine at `now`.
pub(crate) fn judge(case: &Case<'_>, deadlines: &Deadlines, now: Timestamp) -> Verdict {
    let Case {
        stage,
        awaited,
        standing,
        under_way,
    } = *case;
    if matches!(standing, Standing::Unknown | Standing::Released) {
        return Verdict::Healthy;
    }
    let patience = if under_way {
        UNDER_WAY
    } else {
        deadlines.patience(stage)
    };
    let since = awaited.since.as_ref().map_or(now, |since| since.0);
    let due = since + patience;
    let retry = stage.is_retried() && !awaited.retried && !under_way;
    match standing {
        _ if now < due => Verdict::Wait(due),
        Standing::Used => Verdict::Overdue,
        _ if retry => Verdict::Retry,
        _ => Verdict::Replace,
    }
}

// === impl Healing ===

impl Healing {
    /// What `spec` says; `None`: nothing is healed.
    pub(crate) fn of(spec: Option<&SelfHealing>, test_mode: bool) -> Option<Self> {
        let spec = spec.cloned().unwrap_or_default();
        // A spec with a limit that is none is among the problems, and nothing is done by it.
        let at_once = spec.max_replacements.unwrap_or(AT_ONCE);
        let healing = Self {
            deadlines: Deadlines::of(&spec),
            at_once: usize::try_from(at_once).unwrap_or_default(),
            failure_limit: spec.failure_limit.unwrap_or(FAILURE_LIMIT),
        };
        spec.enabled.unwrap_or(!test_mode).then_some(healing)
    }
}

// === impl Deadlines ===

impl Deadlines {
    fn of(spec: &SelfHealing) -> Self {
        let deadline = |text: Option<&String>, minutes: i64| {
            let given = text.and_then(|text| go_duration(text));
            let given = given.and_then(|it| SignedDuration::try_from_secs_f64(it).ok());
            given.unwrap_or(SignedDuration::from_mins(minutes))
        };
        Self {
            power_on: deadline(spec.power_on_deadline.as_ref(), 3),
            registration: deadline(spec.registration_deadline.as_ref(), 6),
            validation: deadline(spec.validation_deadline.as_ref(), 3),
            installation: deadline(spec.installation_deadline.as_ref(), 7),
        }
    }

    /// How long this may take before something is done: each of two attempts has half of the deadline, so
    /// that all deadlines together hold whatever is tried.
    fn patience(&self, stage: Stage) -> SignedDuration {
        let deadline = match stage {
            Stage::PowerOn => self.power_on,
            Stage::Registration => self.registration,
            Stage::Validation => self.validation,
            Stage::Installation => self.installation,
        };
        if stage.is_retried() {
            deadline / 2
        } else {
            deadline
        }
    }
}

#[cfg(test)]
mod tests;
