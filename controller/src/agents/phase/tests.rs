//! Phases of hosts, as tables.

use super::*;
use crate::agents::fixtures::{bound, in_state, with_condition};

fn phase_of(agent: &Agent) -> &'static str {
    stage(agent, agent.is_bound()).phase
}

#[test]
fn each_state_of_the_service_has_its_phase() {
    for (state, free, taken) in [
        ("discovering-unbound", DISCOVERED, BINDING),
        ("known-unbound", KNOWN, BINDING),
        ("insufficient-unbound", INSUFFICIENT, INSUFFICIENT),
        ("disconnected-unbound", INSUFFICIENT, INSUFFICIENT),
        ("disabled-unbound", INSUFFICIENT, INSUFFICIENT),
        ("pending-for-input", INSUFFICIENT, INSUFFICIENT),
        ("binding", BINDING, BINDING),
        ("known", KNOWN, BINDING),
        ("insufficient", INSUFFICIENT, INSUFFICIENT),
        ("preparing-for-installation", INSTALLING, INSTALLING),
        ("preparing-failed", INSTALLING, INSTALLING),
        ("installing", INSTALLING, INSTALLING),
        ("installing-in-progress", INSTALLING, INSTALLING),
        ("installing-pending-user-action", INSTALLING, INSTALLING),
        ("installed", JOINED, JOINED),
        ("added-to-existing-cluster", JOINED, JOINED),
        ("unbinding", UNBINDING, UNBINDING),
        ("unbinding-pending-user-action", UNBINDING, UNBINDING),
        ("reclaiming", UNBINDING, UNBINDING),
        ("reclaiming-rebooting", UNBINDING, UNBINDING),
        ("error", FAILED, FAILED),
        ("cancelled", FAILED, FAILED),
        ("resetting", FAILED, FAILED),
        ("", DISCOVERED, BINDING),
        ("of-a-later-release", DISCOVERED, BINDING),
    ] {
        assert_eq!(phase_of(&in_state(state)), free, "{state}, free");
        assert_eq!(phase_of(&bound(in_state(state))), taken, "{state}, bound");
    }
}

#[test]
fn without_a_state_the_conditions_speak() {
    for (type_, status, reason, phase) in [
        ("Installed", "True", "InstallationCompleted", JOINED),
        ("Installed", "False", "InstallationFailed", FAILED),
        ("Installed", "False", "InstallationInProgress", INSTALLING),
        ("Bound", "False", "Unbinding", UNBINDING),
        ("Bound", "False", "Binding", BINDING),
        ("Connected", "False", "AgentIsDisconnected", INSUFFICIENT),
        ("Validated", "False", "ValidationsFailing", INSUFFICIENT),
        ("Validated", "True", "ValidationsPassing", KNOWN),
        ("Validated", "Unknown", "ValidationsUnknown", DISCOVERED),
    ] {
        let mut agent = with_condition(in_state(""), type_, "");
        let condition = &mut agent.status.conditions[0];
        condition.status = status.into();
        condition.reason = reason.into();
        assert_eq!(phase_of(&agent), phase, "{type_} {status} {reason}");
    }
}

#[test]
fn the_progress_is_the_step_of_the_installation() {
    let at = |step: &str| {
        let mut agent = bound(in_state("installing-in-progress"));
        agent.status.progress.current_stage = step.into();
        let stage = stage(&agent, true);
        (stage.phase, stage.progress)
    };
    assert_eq!(at("Rebooting"), (INSTALLING, "Rebooting".into()));
    assert_eq!(at("Joined"), (JOINED, String::new()));
}

#[test]
fn a_host_that_was_given_back_is_not_free_whatever_it_says() {
    for state in [
        "known-unbound",
        "discovering-unbound",
        "disconnected-unbound",
    ] {
        let stage = stage(&in_state(state), true);
        assert_eq!(stage.phase, UNBINDING, "{state}");
        assert!(stage.message.contains("given it back"), "{state}");
    }
}

#[test]
fn what_does_not_go_on_says_why_and_what_to_do() {
    let validated = "The agent's validations are failing: Require at least 8.00 GiB RAM";
    for (agent, expected) in [
        (
            with_condition(in_state("insufficient-unbound"), "Validated", validated),
            "ValidationFailed: The agent's validations are failing: Require at least 8.00 GiB RAM. \
             Correct what is named, in vmTemplate or in the network.",
        ),
        (
            with_condition(bound(in_state("error")), "Installed", "it broke."),
            "InstallationFailed: it broke. Look into the Agent's events and logs.",
        ),
        (
            bound(in_state("error")),
            "InstallationFailed: Look into the Agent's events and logs.",
        ),
    ] {
        assert_eq!(stage(&agent, false).message, expected);
    }
    for (state, word) in [
        ("disconnected", "AgentDisconnected: "),
        ("disabled-unbound", "AgentDisabled: "),
        (
            "installing-pending-user-action",
            "InstallationPendingUserAction: ",
        ),
        (
            "unbinding-pending-user-action",
            "UnbindingPendingUserAction: ",
        ),
    ] {
        let message = stage(&in_state(state), false).message;
        assert!(message.starts_with(word), "{state}: {message}");
    }
    for state in [
        "discovering-unbound",
        "known-unbound",
        "installing",
        "installed",
    ] {
        assert_eq!(stage(&in_state(state), false).message, "", "{state}");
    }
}

#[test]
fn a_doubtful_agent_is_told_with_what_does_not_agree() {
    let told = |contradicted: &[Trait]| {
        doubt(&Doubt {
            agent: "a".into(),
            contradicted: contradicted.to_vec(),
        })
    };
    assert!(
        told(&[Trait::Serial, Trait::Mac]).contains("serial number and its MAC addresses is not")
    );
    assert!(told(&[]).starts_with("Contradicted: Agent a is one of several"));
}
