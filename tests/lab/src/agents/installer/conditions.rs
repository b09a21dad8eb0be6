//! The conditions of an Agent, as they follow from where its host is.

use serde_json::{Value, json};

use super::rule::Position;
use super::state::State;
use crate::agents::json::condition;

/// Type, status, reason.
type Said = (&'static str, &'static str, &'static str);

/// All conditions, with the transition times of those in `before` that stay as they were.
pub(super) fn conditions(
    position: Position,
    approved: bool,
    before: &Value,
    now: &str,
) -> Vec<Value> {
    let Position {
        state, connected, ..
    } = position;
    let connected = if connected {
        ("Connected", "True", "AgentIsConnected")
    } else {
        ("Connected", "False", "AgentIsDisconnected")
    };
    let said: [Said; 6] = [
        ("SpecSynced", "True", "SyncOK"),
        connected,
        requirements(state, approved),
        validated(state),
        installed(state),
        bound(state),
    ];
    let condition = |(kind, status, reason): Said| {
        let last = condition(before, kind).filter(|last| last["status"] == status);
        let since = last.map_or(json!(now), |last| last["lastTransitionTime"].clone());
        json!({
            "type": kind, "status": status, "reason": reason, "message": sentence(reason),
            "lastTransitionTime": since,
        })
    };
    said.into_iter().map(condition).collect()
}

fn bound(state: State) -> Said {
    match state {
        state if state.is_unbound() => ("Bound", "False", "Unbound"),
        State::Binding => ("Bound", "False", "Binding"),
        State::Unbinding => ("Bound", "False", "Unbinding"),
        State::UnbindingPendingUserAction => ("Bound", "False", "UnbindingPendingUserAction"),
        _ => ("Bound", "True", "Bound"),
    }
}

fn validated(state: State) -> Said {
    let (status, reason) = match state {
        State::Binding => ("False", "Binding"),
        State::Unbinding | State::UnbindingPendingUserAction => ("False", "Unbinding"),
        State::Discovering | State::DiscoveringUnbound => ("Unknown", "ValidationsUnknown"),
        State::Insufficient | State::InsufficientUnbound => ("False", "ValidationsFailing"),
        _ => ("True", "ValidationsPassing"),
    };
    ("Validated", status, reason)
}

fn requirements(state: State, approved: bool) -> Said {
    let (status, reason) = match state {
        State::Known | State::KnownUnbound if approved => ("True", "AgentIsReady"),
        State::Known | State::KnownUnbound => ("False", "AgentIsNotApproved"),
        State::Binding => ("False", "Binding"),
        State::Unbinding | State::UnbindingPendingUserAction => ("False", "Unbinding"),
        State::Installing | State::InstallingInProgress => ("True", "AgentAlreadyInstalling"),
        State::AddedToExistingCluster
        | State::Error
        | State::Reclaiming
        | State::ReclaimingRebooting => ("True", "AgentInstallationStopped"),
        State::Discovering
        | State::DiscoveringUnbound
        | State::Insufficient
        | State::InsufficientUnbound
        | State::Disconnected
        | State::DisconnectedUnbound => ("False", "AgentNotReady"),
    };
    ("RequirementsMet", status, reason)
}

fn installed(state: State) -> Said {
    let (status, reason) = match state {
        State::AddedToExistingCluster => ("True", "InstallationCompleted"),
        State::Error => ("False", "InstallationFailed"),
        State::Installing | State::InstallingInProgress => ("False", "InstallationInProgress"),
        State::Binding => ("False", "Binding"),
        State::Unbinding | State::UnbindingPendingUserAction => ("False", "Unbinding"),
        _ => ("False", "InstallationNotStarted"),
    };
    ("Installed", status, reason)
}

fn sentence(reason: &str) -> String {
    format!("The agent's condition is {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(state: State, approved: bool) -> Vec<(String, String, String)> {
        let position = Position {
            state,
            stage: None,
            connected: true,
        };
        let all = conditions(position, approved, &Value::Null, "now");
        let word = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
        all.iter()
            .map(|it| (word(it, "type"), word(it, "status"), word(it, "reason")))
            .collect()
    }

    fn one(state: State, approved: bool, kind: &str) -> (String, String) {
        let mut all = said(state, approved).into_iter();
        let (_, status, reason) = all.find(|(it, ..)| it == kind).unwrap();
        (status, reason)
    }

    #[test]
    fn bound_is_what_the_installer_says_it_is() {
        for (state, status, reason) in [
            (State::KnownUnbound, "False", "Unbound"),
            (State::Binding, "False", "Binding"),
            (State::Error, "True", "Bound"),
            (State::Reclaiming, "True", "Bound"),
            (
                State::UnbindingPendingUserAction,
                "False",
                "UnbindingPendingUserAction",
            ),
        ] {
            let expected = (status.to_owned(), reason.to_owned());
            assert_eq!(one(state, true, "Bound"), expected, "{state:?}");
        }
        let waits = one(State::UnbindingPendingUserAction, true, "Validated");
        assert_eq!(waits.1, "Unbinding");
    }

    #[test]
    fn an_agent_is_ready_when_it_is_known_and_approved() {
        for (approved, status, reason) in [
            (true, "True", "AgentIsReady"),
            (false, "False", "AgentIsNotApproved"),
        ] {
            let expected = (status.to_owned(), reason.to_owned());
            let found = one(State::KnownUnbound, approved, "RequirementsMet");
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_transition_time_changes_with_the_status_only() {
        let position = |state| Position {
            state,
            stage: None,
            connected: true,
        };
        let first = conditions(position(State::KnownUnbound), false, &Value::Null, "first");
        let before = json!({"status": {"conditions": first}});
        let then = conditions(position(State::KnownUnbound), true, &before, "then");
        let after = json!({"status": {"conditions": then}});
        let time = |kind| condition(&after, kind).unwrap()["lastTransitionTime"].clone();
        assert_eq!(time("RequirementsMet"), "then");
        assert_eq!(time("Bound"), "first");
    }
}
