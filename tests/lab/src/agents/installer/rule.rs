//! What the installer does next about one host: values in, a value out.

use std::time::Duration;

use super::state::{Stage, State};
use crate::agents::orders::Pace;

/// What is seen of one host.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them occur together"
)]
pub(super) struct Seen {
    /// The machine runs, and the installer hears of it.
    pub(super) heard: bool,
    /// The machine boots from its disk.
    pub(super) on_disk: bool,
    /// It is fit for an installation.
    pub(super) sufficient: bool,
    /// Its installation is to fail.
    pub(super) fails: bool,
    /// It cannot be rebooted into discovery.
    pub(super) lost: bool,
    /// Its Agent stays in the state in which it is.
    pub(super) held: bool,
    /// Its Agent, if there is one.
    pub(super) agent: Option<Agent>,
}

/// What is seen of an Agent.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them occur together"
)]
pub(super) struct Agent {
    pub(super) position: Position,
    /// For how long it has been there.
    pub(super) since: Duration,
    /// A cluster has asked for it.
    pub(super) wanted: bool,
    /// Somebody approved it.
    pub(super) approved: bool,
    /// Somebody asked for its end.
    pub(super) deleting: bool,
    /// The installer holds it until it has cleaned up.
    pub(super) finalizer: bool,
}

/// Where a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) state: State,
    pub(super) stage: Option<Stage>,
    pub(super) connected: bool,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Nothing,
    /// An Agent is made.
    Register,
    /// The host is forgotten, and its Agent let go.
    Deregister,
    /// The Agent says that the host is here.
    Be(Position),
}

/// What is done next about a host.
pub(super) fn next(seen: &Seen, pace: Pace) -> Next {
    let Some(agent) = &seen.agent else {
        // What boots from its disk never asks to be discovered.
        let asks = seen.heard && !seen.on_disk;
        return if asks { Next::Register } else { Next::Nothing };
    };
    if agent.deleting {
        // The node is taken out of its cluster first; that takes a while.
        let clean = !agent.wanted || agent.since >= pace.step;
        return match (agent.finalizer, clean) {
            (true, true) => Next::Deregister,
            _ => Next::Nothing,
        };
    }
    Next::Be(position(seen, agent, pace))
}

fn position(seen: &Seen, agent: &Agent, pace: Pace) -> Position {
    let here = agent.position;
    if here.connected != seen.heard {
        let patience = if seen.heard { pace.step } else { pace.silence };
        if agent.since < patience {
            return here;
        }
        return heard_or_not(here, seen.heard);
    }
    if seen.held || agent.since < pace.step {
        return here;
    }
    let to = |state| Position { state, ..here };
    if !agent.wanted {
        return to(unwanted(seen, here));
    }
    match here.state {
        State::InstallingInProgress => installing(seen, here),
        State::Installing => Position {
            state: State::InstallingInProgress,
            stage: Some(Stage::Starting),
            ..here
        },
        state => to(wanted(seen, state, agent.approved)),
    }
}

/// The machine is heard of again, or it is not any more.
fn heard_or_not(here: Position, heard: bool) -> Position {
    let state = match (here.state, heard) {
        (State::DiscoveringUnbound | State::KnownUnbound | State::InsufficientUnbound, false) => {
            State::DisconnectedUnbound
        }
        (State::Discovering | State::Known | State::Insufficient, false) => State::Disconnected,
        (State::DisconnectedUnbound, true) => State::DiscoveringUnbound,
        (State::Disconnected, true) => State::Discovering,
        // An installed host that is silent stays what it is.
        (state, _) => state,
    };
    Position {
        state,
        connected: heard,
        ..here
    }
}

/// Where a host goes that no cluster asks for.
fn unwanted(seen: &Seen, here: Position) -> State {
    match here.state {
        State::DiscoveringUnbound | State::KnownUnbound | State::InsufficientUnbound => {
            if !seen.heard {
                State::DisconnectedUnbound
            } else if seen.sufficient {
                State::KnownUnbound
            } else {
                State::InsufficientUnbound
            }
        }
        State::Unbinding | State::ReclaimingRebooting if seen.heard => State::DiscoveringUnbound,
        State::DisconnectedUnbound | State::Unbinding | State::ReclaimingRebooting => {
            State::DisconnectedUnbound
        }
        State::Reclaiming if seen.lost || !seen.heard => State::UnbindingPendingUserAction,
        State::Reclaiming => State::ReclaimingRebooting,
        State::UnbindingPendingUserAction if seen.heard && !seen.on_disk => {
            State::DiscoveringUnbound
        }
        State::UnbindingPendingUserAction => State::UnbindingPendingUserAction,
        State::Binding
        | State::Discovering
        | State::Known
        | State::Insufficient
        | State::Disconnected
        | State::Installing
        | State::InstallingInProgress
        | State::AddedToExistingCluster
        | State::Error => {
            if seen.on_disk {
                State::Reclaiming
            } else {
                State::Unbinding
            }
        }
    }
}

/// Where a host goes that a cluster asks for, outside of its installation.
fn wanted(seen: &Seen, state: State, approved: bool) -> State {
    let validated = if seen.sufficient {
        State::Known
    } else {
        State::Insufficient
    };
    match state {
        State::DiscoveringUnbound | State::KnownUnbound | State::InsufficientUnbound => {
            State::Binding
        }
        State::Binding | State::Discovering if !seen.heard => State::Disconnected,
        State::Binding | State::Discovering | State::Insufficient => validated,
        State::Known if !seen.sufficient => State::Insufficient,
        State::Known if approved => State::Installing,
        // Once let go, a host comes free before it is bound again.
        State::Unbinding | State::ReclaimingRebooting => State::DiscoveringUnbound,
        State::Reclaiming => State::ReclaimingRebooting,
        state => state,
    }
}

fn installing(seen: &Seen, here: Position) -> Position {
    if seen.fails && here.stage == Some(Stage::WritingImage) {
        return Position {
            state: State::Error,
            stage: Some(Stage::Failed),
            ..here
        };
    }
    match here.stage.and_then(Stage::next) {
        Some(stage) => Position {
            stage: Some(stage),
            ..here
        },
        None => Position {
            state: State::AddedToExistingCluster,
            ..here
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        step: Duration::from_secs(1),
        silence: Duration::from_secs(3),
        look: Duration::from_secs(1),
    };

    fn at(state: State) -> Position {
        Position {
            state,
            stage: None,
            connected: true,
        }
    }

    fn agent(position: Position) -> Agent {
        Agent {
            position,
            since: Duration::from_secs(3),
            wanted: false,
            approved: false,
            deleting: false,
            finalizer: true,
        }
    }

    fn seen(agent: Option<Agent>) -> Seen {
        Seen {
            heard: true,
            on_disk: false,
            sufficient: true,
            fails: false,
            lost: false,
            held: false,
            agent,
        }
    }

    /// Follows a host until it stays where it is, and names where it was.
    fn path(mut seen: Seen) -> Vec<&'static str> {
        let mut path = Vec::new();
        while let (Some(agent), Next::Be(position)) = (seen.agent, next(&seen, PACE)) {
            if position == agent.position {
                break;
            }
            // A position has a stage for good; only the one that changed is told.
            path.push(match position.stage {
                Some(stage) if position.state == agent.position.state => stage.word(),
                _ => position.state.word(),
            });
            seen.on_disk |= position.stage.is_some_and(Stage::is_on_disk);
            seen.agent = Some(Agent { position, ..agent });
        }
        path
    }

    #[test]
    fn a_machine_that_boots_discovery_gets_an_agent_and_no_other_does() {
        for (why, heard, on_disk, expected) in [
            ("it runs discovery", true, false, Next::Register),
            ("it is off", false, false, Next::Nothing),
            ("it boots from its disk", true, true, Next::Nothing),
        ] {
            let seen = Seen {
                heard,
                on_disk,
                ..seen(None)
            };
            assert_eq!(next(&seen, PACE), expected, "{why}");
        }
    }

    #[test]
    fn a_free_host_is_validated_and_stays_free() {
        let free = seen(Some(agent(at(State::DiscoveringUnbound))));
        assert_eq!(path(free), ["known-unbound"]);
        let insufficient = Seen {
            sufficient: false,
            ..free
        };
        assert_eq!(path(insufficient), ["insufficient-unbound"]);
    }

    #[test]
    fn a_host_that_is_asked_for_and_approved_becomes_a_node_by_all_stages() {
        let wanted = Agent {
            wanted: true,
            ..agent(at(State::KnownUnbound))
        };
        assert_eq!(path(seen(Some(wanted))), ["binding", "known"]);
        let approved = Agent {
            approved: true,
            ..wanted
        };
        let way = [
            "binding",
            "known",
            "installing",
            "installing-in-progress",
            "Installing",
            "Writing image to disk",
            "Rebooting",
            "Waiting for ignition",
            "Configuring",
            "Joined",
            "Done",
            "added-to-existing-cluster",
        ];
        assert_eq!(path(seen(Some(approved))), way);
        let fails = Seen {
            fails: true,
            ..seen(Some(approved))
        };
        let way: Vec<_> = way[..6].iter().copied().chain(["error"]).collect();
        assert_eq!(path(fails), way);
    }

    #[test]
    fn a_host_that_is_let_go_comes_free_again() {
        for state in [State::Binding, State::Known, State::Insufficient] {
            let seen = seen(Some(agent(at(state))));
            let way = ["unbinding", "discovering-unbound", "known-unbound"];
            assert_eq!(path(seen), way, "{state:?}");
        }
    }

    #[test]
    fn an_installed_host_is_reclaimed_or_waits_for_somebody() {
        let mut installed = seen(Some(agent(at(State::AddedToExistingCluster))));
        installed.on_disk = true;
        let way = [
            "reclaiming",
            "reclaiming-rebooting",
            "discovering-unbound",
            "known-unbound",
        ];
        assert_eq!(path(installed), way);
        installed.lost = true;
        let way = ["reclaiming", "unbinding-pending-user-action"];
        assert_eq!(path(installed), way);
    }

    #[test]
    fn silence_disconnects_after_its_time_and_only_what_is_not_installed() {
        for (state, becomes) in [
            (State::KnownUnbound, State::DisconnectedUnbound),
            (State::Known, State::Disconnected),
            (State::AddedToExistingCluster, State::AddedToExistingCluster),
        ] {
            let wanted = state != State::KnownUnbound;
            let mut silent = Agent {
                wanted,
                ..agent(at(state))
            };
            let mut seen = seen(Some(silent));
            seen.heard = false;
            let quiet = Position {
                connected: false,
                ..at(becomes)
            };
            assert_eq!(next(&seen, PACE), Next::Be(quiet), "{state:?}");
            silent.since = Duration::from_secs(2);
            seen.agent = Some(silent);
            assert_eq!(next(&seen, PACE), Next::Be(at(state)), "{state:?}");
        }
    }

    #[test]
    fn a_host_stays_where_it_is_held_and_until_its_time() {
        let free = agent(at(State::DiscoveringUnbound));
        let held = Seen {
            held: true,
            ..seen(Some(free))
        };
        assert_eq!(path(held), Vec::<&str>::new());
        let young = Agent {
            since: Duration::ZERO,
            ..free
        };
        assert_eq!(path(seen(Some(young))), Vec::<&str>::new());
    }

    #[test]
    fn an_agent_whose_end_is_asked_for_is_let_go_once_its_node_is() {
        let deleting = Agent {
            deleting: true,
            ..agent(at(State::KnownUnbound))
        };
        assert_eq!(next(&seen(Some(deleting)), PACE), Next::Deregister);
        let bound = Agent {
            wanted: true,
            since: Duration::ZERO,
            ..deleting
        };
        assert_eq!(next(&seen(Some(bound)), PACE), Next::Nothing);
        let held_by_others = Agent {
            finalizer: false,
            ..deleting
        };
        assert_eq!(next(&seen(Some(held_by_others)), PACE), Next::Nothing);
    }
}
