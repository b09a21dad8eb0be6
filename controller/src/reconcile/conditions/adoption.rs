//! The condition of machines that are not the template's yet, or not any more. Pure.

use super::{Holds, Verdict, some, verdict};
use crate::{
    crd::{ADOPT, RELEASE},
    driver::{Machine, Ownership},
    link::Connection,
    reason::Reason,
    reconcile::plan::{Plan, Seen},
    wish::Adopt,
};
use std::collections::BTreeSet;

pub(super) fn adoption_required(seen: &Seen<'_>, plan: &Plan) -> Verdict {
    let type_ = "AdoptionRequired";
    let owner = &seen.sight.owner;
    let mut names: Vec<_> = owner.companions.iter().map(String::as_str).collect();
    let formers = owner.adoptable.values().filter(|it| is_former(it));
    let formers: Vec<_> = formers.map(|it| it.name.as_str()).collect();
    let reason = if formers.is_empty() {
        Reason::CompanionVMs
    } else {
        Reason::Conflict
    };
    names.extend(&formers);
    names.extend(plan.awaited.iter().map(|it| it.name.as_str()));
    match (names.is_empty(), &seen.sight.connection) {
        _ if seen.wish.release => {
            let message = format!(
                "The machines are the companion's, and nothing is done for this template. Take the \
                 annotation {RELEASE} off, and adopt them, to have them back."
            );
            verdict(type_, Holds::True, Reason::Released, message)
        }
        (false, _) => {
            let whose = if formers.is_empty() {
                "were made by the companion for this template"
            } else {
                "bear the mark of a template of this name that is no more, or the companion's"
            };
            let next = next(seen, plan);
            let message = format!(
                "{} {whose}. Nothing is made or removed until they are adopted. {next}",
                some(&names)
            );
            verdict(type_, Holds::True, reason, message)
        }
        (true, Connection::Live) => {
            let message = doubtful(&owner.doubtful);
            verdict(type_, Holds::False, Reason::NoCompanionVMs, message)
        }
        (true, _) => verdict(
            type_,
            Holds::Unknown,
            Reason::NotSeen,
            "vCenter cannot be looked at. See VSphereConnected.",
        ),
    }
}

/// What is said of machines that are passed over.
fn doubtful(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    format!(
        "{} bear the companion's tag for this template, which a guest can write, and neither name nor status \
         says so: they are left alone.",
        some(&names)
    )
}

fn is_former(machine: &Machine) -> bool {
    machine.ownership == Ownership::Ours
}

/// What a user does next.
fn next(seen: &Seen<'_>, plan: &Plan) -> String {
    let problem = seen.handover.problem();
    let mut refused = plan.adopt.iter().filter(|it| !it.refusal.is_empty());
    let first = refused.next();
    match (seen.wish.adopt, first, problem) {
        (None, ..) => format!(
            "Set the annotation {ADOPT} to `plan`, look at status.adoption, then set it to `true`."
        ),
        (Some(_), Some(first), _) => {
            let (name, why) = (&first.adoption.name, &first.refusal);
            let count = 1 + refused.count();
            format!("{count} are left alone; {name}: {why}. See status.adoption.")
        }
        (Some(_), None, Some(fault)) => format!("{fault}. See status.adoption."),
        (Some(Adopt::Plan), None, None) => {
            format!("What would change stands in status.adoption. Set {ADOPT} to `true` to do it.")
        }
        (Some(Adopt::Do), None, None) if plan.awaited.is_empty() => {
            "They are being adopted. Wait.".into()
        }
        (Some(Adopt::Do), None, None) => format!(
            "They are being adopted, and some are out of sight. Wait; if they are gone, take the \
             annotation {ADOPT} off."
        ),
    }
}
