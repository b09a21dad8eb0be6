//! What was asked of machines that change hands, and when it may be asked again. Pure.

use super::plan::Plan;
use crate::{
    crd::AdoptionStatus,
    driver::{Adopted, Adoption, Fault, MachineRef},
    wish::Adopt,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Before the same is asked again.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// What is to be asked of the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Machines to adopt, or to plan that for.
    Adopt(Adopt, Vec<Adoption>),
    /// Machines to give up.
    Release(Vec<MachineRef>),
}

/// What this process remembers of it. Losing it costs a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Handover {
    asked: Option<(Question, Timestamp)>,
    /// What the last call said of each machine, by managed object id.
    told: BTreeMap<String, (Vec<String>, Option<Fault>)>,
    /// Why the last call failed as a whole.
    failed: Option<Fault>,
}

/// What to ask, if anything is to be asked.
pub(super) fn question(plan: &Plan, adopt: Option<Adopt>) -> Option<Question> {
    if !plan.release.is_empty() {
        return Some(Question::Release(plan.release.clone()));
    }
    let agreed = plan.adopt.iter().filter(|it| it.refusal.is_empty());
    let agreed: Vec<_> = agreed.map(|it| it.adoption.clone()).collect();
    (!agreed.is_empty()).then_some(Question::Adopt(adopt?, agreed))
}

/// What the status says of an adoption.
pub(super) fn told(plan: &Plan, handover: &Handover) -> Option<AdoptionStatus> {
    let one = |candidate: &crate::adoption::Candidate| {
        let told = handover.told.get(&candidate.adoption.moref);
        let changes = told.map(|(changes, _)| changes.as_slice());
        let fault = told.and_then(|(_, fault)| fault.as_ref());
        let problem = fault.or(handover.failed.as_ref()).map(ToString::to_string);
        candidate.told(changes.unwrap_or_default(), &problem.unwrap_or_default())
    };
    let awaited = plan.awaited.iter().cloned();
    let plan: Vec<_> = plan.adopt.iter().map(one).chain(awaited).collect();
    (!plan.is_empty()).then_some(AdoptionStatus { plan })
}

// === impl Handover ===

impl Handover {
    /// Whether this is to be asked now.
    pub(super) fn is_due(&self, question: &Question, now: Timestamp) -> bool {
        match &self.asked {
            Some((asked, at)) if asked == question => {
                let settled = matches!(question, Question::Adopt(Adopt::Plan, _));
                !(settled && self.failed.is_none()) && *at + AGAIN <= now
            }
            _ => true,
        }
    }

    /// When to look again, if something is still to come of this question.
    pub(super) fn wake(&self, question: &Question, now: Timestamp) -> Option<Timestamp> {
        let planned = matches!(question, Question::Adopt(Adopt::Plan, _));
        let settled = planned && self.failed.is_none() && !self.is_due(question, now);
        (!settled).then(|| now + AGAIN)
    }

    /// Notes an answer.
    pub(super) fn note(
        &mut self,
        question: Question,
        answer: Result<Vec<Adopted>, Fault>,
        now: Timestamp,
    ) {
        self.told.clear();
        self.failed = None;
        match answer {
            Ok(adopted) => {
                let adopted = adopted.into_iter();
                let morefs = question.morefs();
                let told = adopted.map(|it| (it.changes, it.answer.fault));
                self.told = morefs.into_iter().zip(told).collect();
            }
            Err(fault) => self.failed = Some(fault),
        }
        self.asked = Some((question, now));
    }

    /// The first thing that went wrong with the last call.
    pub(super) fn problem(&self) -> Option<&Fault> {
        let faults = self.told.values().filter_map(|(_, fault)| fault.as_ref());
        self.failed.iter().chain(faults).next()
    }
}

// === impl Question ===

impl Question {
    fn morefs(&self) -> Vec<String> {
        match self {
            Self::Adopt(_, all) => all.iter().map(|it| it.moref.clone()).collect(),
            Self::Release(all) => all.iter().map(|it| it.moref.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        driver::{Answer, Previous, Retry, State},
        fixtures::{fault, machine},
    };

    const T0: Timestamp = Timestamp::UNIX_EPOCH;

    fn asking(adopt: Adopt) -> Question {
        let adoption = Adoption {
            moref: "vm-1".into(),
            name: "pool-n01".into(),
            folder: "/DC0/vm".into(),
            previous: Previous::Companion("clusters/pool".into()),
            slot: 1,
        };
        Question::Adopt(adopt, vec![adoption])
    }

    fn answered() -> Vec<Adopted> {
        let answer = Answer {
            machine: machine(1, State::Running),
            fault: None,
        };
        vec![Adopted {
            answer,
            changes: vec![],
        }]
    }

    #[test]
    fn a_plan_is_asked_for_once_and_an_adoption_until_it_is_done() {
        for (adopt, later) in [(Adopt::Plan, false), (Adopt::Do, true)] {
            let mut handover = Handover::default();
            assert!(handover.is_due(&asking(adopt), T0));
            handover.note(asking(adopt), Ok(answered()), T0);
            assert!(!handover.is_due(&asking(adopt), T0));
            assert_eq!(handover.is_due(&asking(adopt), T0 + AGAIN), later);
            assert_eq!(handover.wake(&asking(adopt), T0).is_some(), later);
        }
    }

    #[test]
    fn what_failed_as_a_whole_is_asked_again_later() {
        let mut handover = Handover::default();
        handover.note(asking(Adopt::Plan), Err(fault(Retry::Slow)), T0);
        assert!(!handover.is_due(&asking(Adopt::Plan), T0));
        assert!(handover.is_due(&asking(Adopt::Plan), T0 + AGAIN));
        assert_eq!(handover.problem(), Some(&fault(Retry::Slow)));
    }

    #[test]
    fn another_question_is_asked_at_once() {
        let mut handover = Handover::default();
        handover.note(asking(Adopt::Plan), Ok(answered()), T0);
        assert!(handover.is_due(&asking(Adopt::Do), T0));
    }
}
