//! How far the host in a machine is on its way into the cluster, from what its Agent says. Pure.

use super::{
    approval::is_released,
    identity::{Doubt, Trait},
};
use crate::kinds::agent::Agent;

/// On, and no Agent has registered.
pub(crate) const WAITING: &str = "WaitingForAgent";
/// Its Agent has registered.
pub(crate) const DISCOVERED: &str = "Discovered";
/// Its Agent cannot be installed as it is.
pub(crate) const INSUFFICIENT: &str = "Insufficient";
/// Its Agent can be installed, and belongs to no cluster.
pub(crate) const KNOWN: &str = "Known";
/// It is reserved for a cluster.
pub(crate) const BINDING: &str = "Binding";
/// The installation runs.
pub(crate) const INSTALLING: &str = "Installing";
/// It is a node.
pub(crate) const JOINED: &str = "Joined";
/// It leaves its cluster, or has left it.
pub(crate) const UNBINDING: &str = "Unbinding";
/// It will not become a node.
pub(crate) const FAILED: &str = "Failed";

/// How far a host is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stage {
    /// The word in the status.
    pub(crate) phase: &'static str,
    /// The step of the installation, in the installer's words; empty outside it.
    pub(crate) progress: String,
    /// Why it does not go on, and what to do; empty where it goes on by itself.
    pub(crate) message: String,
}

/// How far the host of `agent` is.
pub(crate) fn stage(agent: &Agent, was_bound: bool) -> Stage {
    let phase = phase(agent, was_bound);
    let progress = match phase {
        INSTALLING | FAILED => current_stage(agent).into(),
        _ => String::new(),
    };
    Stage {
        phase,
        progress,
        message: message(agent, phase, was_bound),
    }
}

/// That of a machine that is on, and whose host has not been heard of.
pub(crate) fn waiting() -> Stage {
    Stage {
        phase: WAITING,
        message: "It is on, and its Agent has not registered. Wait; if that takes minutes, look at its \
                  console in vCenter: it must have booted the ISO, and reach the installer's service."
            .into(),
        ..Stage::default()
    }
}

/// That of a machine whose Agent was there and is not any more.
pub(crate) fn lost(agent: &str) -> Stage {
    Stage {
        phase: WAITING,
        message: format!(
            "AgentGone: its Agent {agent} was deleted. While its host runs the ISO it registers anew; a \
             node without an Agent is not taken back by itself."
        ),
        ..Stage::default()
    }
}

/// Why an Agent will not be taken although all was set that may be, if so.
pub(crate) fn unfit(problems: &[String]) -> Option<String> {
    let problems = problems.join("; ");
    (!problems.is_empty()).then(|| {
        format!("AgentUnfit: {problems}. Change that on the Agent, or what the template or the NodePool asks for.")
    })
}

/// The same word, of those that stand for a host.
pub(crate) fn known_word(phase: &str) -> Option<&'static str> {
    let words = [
        WAITING,
        DISCOVERED,
        INSUFFICIENT,
        KNOWN,
        BINDING,
        INSTALLING,
        JOINED,
        UNBINDING,
        FAILED,
    ];
    words.into_iter().find(|word| *word == phase)
}

/// Why an Agent that points to a machine is not taken for its host.
pub(crate) fn doubt(doubt: &Doubt) -> String {
    let Doubt {
        agent,
        contradicted,
    } = doubt;
    if contradicted.is_empty() {
        return format!(
            "Contradicted: Agent {agent} is one of several that claim to be this machine. None is \
             approved. Delete those that are left over."
        );
    }
    let what: Vec<_> = contradicted.iter().copied().map(Trait::noun).collect();
    format!(
        "Contradicted: Agent {agent} claims to be this machine, but its {} is not this machine's. It is \
         not approved. Find out what host it is, and delete the Agent.",
        what.join(" and its ")
    )
}

/// Whether the installation has begun, so that nothing can be chosen any more.
pub(crate) fn is_installing_or_installed(agent: &Agent) -> bool {
    agent.is_bound() && matches!(by_state(agent), INSTALLING | JOINED | FAILED)
}

/// Whether somebody switched it off in the installer's service.
pub(crate) fn is_disabled(agent: &Agent) -> bool {
    let state = agent.status.debug_info.state.as_str();
    matches!(state, "disabled" | "disabled-unbound")
}

/// How far the host of `agent` is, in a word.
pub(crate) fn phase(agent: &Agent, was_bound: bool) -> &'static str {
    // Whatever it says by then: it was given back, and waits for its end.
    if is_released(agent, was_bound) {
        return UNBINDING;
    }
    match by_state(agent) {
        // Reserved before the installer's service has noticed.
        KNOWN | DISCOVERED if agent.is_bound() => BINDING,
        phase => phase,
    }
}

/// The state in the words of the installer's service, in ours.
fn by_state(agent: &Agent) -> &'static str {
    match agent.status.debug_info.state.as_str() {
        "discovering" | "discovering-unbound" => DISCOVERED,
        // Silent, switched off in the service, or short of something: it cannot be installed as it is.
        "insufficient"
        | "insufficient-unbound"
        | "disconnected"
        | "disconnected-unbound"
        | "disabled"
        | "disabled-unbound"
        | "pending-for-input" => INSUFFICIENT,
        "known" | "known-unbound" => KNOWN,
        "binding" => BINDING,
        "preparing-for-installation"
        | "preparing-successful"
        | "preparing-failed"
        | "installing"
        | "installing-in-progress"
        | "installing-pending-user-action" => match current_stage(agent) {
            "Joined" | "Done" => JOINED,
            _ => INSTALLING,
        },
        "installed" | "added-to-existing-cluster" => JOINED,
        "unbinding" | "unbinding-pending-user-action" | "reclaiming" | "reclaiming-rebooting" => {
            UNBINDING
        }
        "error" | "cancelled" | "resetting" | "resetting-pending-user-action" => FAILED,
        // Before the first word, or a word of a later release: the conditions say the rest.
        _ => by_conditions(agent),
    }
}

fn by_conditions(agent: &Agent) -> &'static str {
    let is = |type_: &str, wanted: &str| {
        let condition = agent.condition(type_);
        condition.is_some_and(|condition| condition.status == wanted)
    };
    let reason = |type_: &str| {
        let condition = agent.condition(type_);
        condition.map_or("", |condition| condition.reason.as_str())
    };
    match (reason("Installed"), reason("Bound")) {
        ("InstallationFailed", _) => FAILED,
        (_, "Unbinding" | "UnbindingPendingUserAction") => UNBINDING,
        _ if is("Installed", "True") => JOINED,
        ("InstallationInProgress", _) => INSTALLING,
        (_, "Binding") => BINDING,
        _ if is("Connected", "False") || is("Validated", "False") => INSUFFICIENT,
        _ if is("Validated", "True") => KNOWN,
        _ => DISCOVERED,
    }
}

fn current_stage(agent: &Agent) -> &str {
    &agent.status.progress.current_stage
}

fn message(agent: &Agent, phase: &str, was_bound: bool) -> String {
    match agent.status.debug_info.state.as_str() {
        _ if is_released(agent, was_bound) => {
            "Cluster API has given it back. It is not used again, and is going to be removed.".into()
        }
        "disconnected" | "disconnected-unbound" => {
            "AgentDisconnected: its Agent has been silent for minutes. Look at its console in vCenter, and \
             at its network."
                .into()
        }
        "disabled" | "disabled-unbound" => {
            "AgentDisabled: somebody switched it off in the installer's service. Enable it there, or delete \
             the Agent."
                .into()
        }
        "installing-pending-user-action" => said(
            agent,
            "InstallationPendingUserAction",
            "It did not boot what was installed: check the boot order in vCenter, and restart it.",
        ),
        "unbinding-pending-user-action" => said(
            agent,
            "UnbindingPendingUserAction",
            "It could not be restarted into the ISO; it is going to be removed.",
        ),
        "reclaiming" | "reclaiming-rebooting" | "unbinding" => {
            "It leaves its cluster. Wait.".into()
        }
        _ => match phase {
            INSUFFICIENT => {
                let advice = "Correct what is named, in vmTemplate or in the network.";
                explained(agent, "ValidationFailed", "Validated", advice)
            }
            FAILED => {
                let advice = "Look into the Agent's events and logs.";
                explained(agent, "InstallationFailed", "Installed", advice)
            }
            _ => not_synced(agent),
        },
    }
}

/// What the installer's service could not take over, if there is something.
fn not_synced(agent: &Agent) -> String {
    let condition = agent.condition("SpecSynced");
    let refused = condition.filter(|condition| condition.reason == "InputError");
    refused.map_or(String::new(), |condition| {
        sentence(
            "SpecNotSynced",
            &condition.message,
            "Correct the Agent's spec.",
        )
    })
}

/// What a condition says, or else the state.
fn explained(agent: &Agent, word: &str, condition: &str, advice: &str) -> String {
    let condition = agent.condition(condition);
    match condition.filter(|condition| !condition.message.is_empty()) {
        Some(condition) => sentence(word, &condition.message, advice),
        None => said(agent, word, advice),
    }
}

/// What the state says of itself.
fn said(agent: &Agent, word: &str, advice: &str) -> String {
    sentence(word, &agent.status.debug_info.state_info, advice)
}

fn sentence(word: &str, what: &str, advice: &str) -> String {
    match what.trim().trim_end_matches('.') {
        "" => format!("{word}: {advice}"),
        what => format!("{word}: {what}. {advice}"),
    }
}

#[cfg(test)]
mod tests;
