//! Conditions of the node pool: who says how many machines there shall be. Pure.

use super::{Holds, Verdict, verdict};
use crate::{
    agents::selector::selection,
    crd::ALLOW_SCALE_DOWN,
    demand::{Basis, HELD, Held, Parts, Source},
    reason::Reason,
    reconcile::{attempts::Work, plan::Seen},
    wish::Mode,
};

pub(super) fn node_pool_found(seen: &Seen<'_>) -> Verdict {
    let type_ = "NodePoolFound";
    let Mode::NodePool {
        name,
        replicas_ignored,
    } = &seen.wish.mode
    else {
        return verdict(type_, Holds::True, Reason::TestMode, "");
    };
    let pool = format!("{}/{name}", seen.wish.owner.namespace);
    let (holds, reason, message) = match &seen.demand.basis {
        // The node pool of a template that goes is not asked.
        Basis::Leaving | Basis::Test => return leaving(seen, type_),
        Basis::Pool(parts) => (
            Holds::True,
            Reason::NodePoolFound,
            told(parts, *replicas_ignored) + &unselected(seen),
        ),
        Basis::PoolDeleting => (
            Holds::False,
            Reason::NodePoolDeleting,
            format!("{pool} is being deleted. Its machines follow as Cluster API lets them go."),
        ),
        Basis::PoolAbsent { .. } if seen.demand.fall.is_some() => (
            Holds::False,
            Reason::NodePoolVanished,
            format!(
                "There is no NodePool {pool} any more, and nobody saw it being deleted: its machines \
                 are kept for now. Create it anew, or see ScaleDownHeld."
            ),
        ),
        Basis::PoolAbsent { before: true, .. } => (
            Holds::False,
            Reason::NodePoolDeleted,
            format!(
                "There is no NodePool {pool}. Machines that no cluster uses are removed; delete \
                 the template, or create the NodePool anew."
            ),
        ),
        Basis::PoolAbsent { before: false, .. } => (
            Holds::False,
            Reason::NodePoolNotFound,
            format!("There is no NodePool {pool}. Create it, or correct spec.nodePoolRef."),
        ),
        Basis::Held(held) => held.told(&pool),
    };
    verdict(type_, holds, reason, message)
}

/// A template that goes no longer asks; what was said before would be stale.
fn leaving(seen: &Seen<'_>, type_: &'static str) -> Verdict {
    let name = &seen.wish.owner.name;
    let message = format!("{name} is being deleted, and asks for no machines. Wait.");
    verdict(type_, Holds::Unknown, Reason::TemplateDeleting, message)
}

/// Whether the number would fall too far at once. Only a node pool's can.
pub(super) fn scale_down_held(seen: &Seen<'_>) -> Option<Verdict> {
    if !matches!(seen.wish.mode, Mode::NodePool { .. }) {
        return None;
    }
    let Some(fall) = seen.demand.fall else {
        return Some(verdict(HELD, Holds::False, Reason::NothingHeld, ""));
    };
    let message = format!(
        "{} machines would become {} at once; those that no cluster has given back are kept until {}. \
         Set the annotation {ALLOW_SCALE_DOWN} to true to have it now, or raise the number again.",
        seen.demand.desired, fall.to, fall.until
    );
    Some(verdict(HELD, Holds::True, Reason::ScaleDownHeld, message))
}

/// Why the node pool still takes any Agent, if that was to be otherwise.
fn unselected(seen: &Seen<'_>) -> String {
    let selection = selection(seen.pool, &seen.wish.agent_labels);
    let fault = seen.attempts.fault(Work::Select);
    let fault = fault.filter(|_| selection.is_some());
    fault.map_or(String::new(), |fault| {
        format!(" It takes any Agent: {fault}")
    })
}

fn told(parts: &Parts, replicas_ignored: bool) -> String {
    let Parts {
        hosts,
        replicas,
        source,
        spares,
        partial,
    } = *parts;
    let says = match source {
        Source::ClusterApi => "Cluster API",
        Source::Replicas => "The node pool",
        Source::Least => "The node pool's automatic scaling",
    };
    let wanted = if hosts > replicas {
        format!(", and {hosts} are still wanted")
    } else {
        String::new()
    };
    let spare = if spares > 0 {
        format!("; {spares} are spare")
    } else {
        String::new()
    };
    let partial = if partial {
        " The hub lacks kinds of Cluster API: the number is not lowered until it has them."
    } else {
        ""
    };
    let ignored = if replicas_ignored {
        " spec.replicas is ignored without spec.testMode."
    } else {
        ""
    };
    format!("{says} asks for {replicas} machines{wanted}{spare}.{partial}{ignored}")
}

// === impl Held ===

impl Held {
    /// What it is to the condition of the node pool.
    fn told(&self, pool: &str) -> (Holds, Reason, String) {
        match self {
            Self::Syncing => (
                Holds::Unknown,
                Reason::NodePoolSyncing,
                "Node pools and their machines are being read. Wait.".into(),
            ),
            Self::KindMissing => (
                Holds::Unknown,
                Reason::NodePoolKindMissing,
                "The hub has no NodePools, or is about to remove them: nothing is scaled. Install \
                 HyperShift, or use spec.testMode."
                    .into(),
            ),
            Self::Unreadable(why) => (
                Holds::Unknown,
                Reason::NodePoolUnreadable,
                format!(
                    "What {pool} asks for cannot be read, and nothing is scaled: {why}. Let the \
                     controller get, list and watch it."
                ),
            ),
            Self::Platform(found) => (
                Holds::False,
                Reason::NodePoolPlatform,
                format!(
                    "{pool} is of the platform {found:?}, and nothing is scaled. Take a NodePool of \
                     the platform Agent."
                ),
            ),
            Self::Paused(until) => {
                let until = until.map(|until| format!(" until {until}"));
                let until = until.unwrap_or_default();
                (
                    Holds::True,
                    Reason::NodePoolPaused,
                    format!(
                        "{pool} is paused{until}, and nothing is scaled. Take its pausedUntil away \
                         to go on."
                    ),
                )
            }
            Self::Conflict(elder) => (
                Holds::False,
                Reason::Conflict,
                format!(
                    "The older template {elder} makes the machines of {pool}, and nothing is \
                     scaled here. Delete one of the two, or name another NodePool."
                ),
            ),
        }
    }
}
