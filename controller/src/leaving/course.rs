//! How far a machine is on its way out, and what comes next. Pure.

use super::release::{Sighting, Standing};
use crate::healing::Stage;

/// Its Agent is withdrawn, so that nobody binds it; this can be taken back.
pub(crate) const FENCING: &str = "Fencing";
/// It is proved gone; its Agent is still to go.
pub(crate) const GONE: &str = "Gone";

/// Why a machine leaves, in a word of its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There are more than there shall be.
    Surplus,
    /// A cluster has given it back.
    Released,
    /// It did not get this far in time.
    Unhealthy(Stage),
}

/// What a machine's Agent was found to be, after it was fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nobody uses it, and nobody can take it.
    Clear,
    /// Somebody was faster.
    Taken,
}

/// What comes next for a machine that is not yet chosen to be destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It stays, or stays after all.
    Stay,
    /// It begins to leave.
    Leave(Cause),
    /// Its Agent is to be fenced and looked at.
    Fence,
    /// It goes for good.
    Go,
    /// What is under way waits for what cannot be seen.
    Wait,
}

/// What comes next for the Agent of a machine that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Burial {
    /// Somebody else has to do something first.
    Wait,
    /// It is to be deleted.
    Delete,
    /// It is to be let go.
    LetGo,
    /// Nothing is left.
    Done,
}

/// What comes next; `fencing` says that it has begun to leave.
pub(crate) fn turn(
    fencing: bool,
    standing: Standing,
    agent: Sighting<'_>,
    look: Option<Look>,
) -> Turn {
    match (fencing, standing) {
        // It would be bound again, half installed.
        (false, Standing::Released) => Turn::Leave(Cause::Released),
        (false, Standing::Unknown | Standing::Used | Standing::Free) | (true, Standing::Used) => {
            Turn::Stay
        }
        (true, Standing::Unknown) => Turn::Wait,
        (true, Standing::Released | Standing::Free) => match (agent, look) {
            (Sighting::Blind, _) => Turn::Wait,
            (Sighting::Absent, _) | (Sighting::There(_), Some(Look::Clear)) => Turn::Go,
            (Sighting::There(_), Some(Look::Taken)) => Turn::Stay,
            (Sighting::There(_), None) => Turn::Fence,
        },
    }
}

/// What comes next for the Agent of a machine that is gone.
pub(crate) fn burial(agent: Sighting<'_>, standing: Standing) -> Burial {
    match (agent, standing) {
        (Sighting::Absent, _) => Burial::Done,
        // Our finalizer stands for the machine alone.
        (Sighting::There(agent), _) if agent.leaving && agent.held => Burial::LetGo,
        (Sighting::There(agent), Standing::Released | Standing::Free) if !agent.leaving => {
            Burial::Delete
        }
        // A node that lost its machine is Cluster API's to give up.
        (Sighting::Blind | Sighting::There(_), _) => Burial::Wait,
    }
}

// === impl Cause ===

impl Cause {
    /// As it stands in the status.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Surplus => "Surplus",
            Self::Released => "Released",
            Self::Unhealthy(stage) => stage.missed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaving::release::{
        AgentView,
        tests::{agent, bound, leaving},
    };

    #[test]
    fn a_machine_leaves_when_it_was_released_and_goes_when_its_fence_stands() {
        use Standing::{Free, Released, Unknown, Used};
        let agent = agent();
        let there = Sighting::There(&agent);
        let (clear, taken) = (Some(Look::Clear), Some(Look::Taken));
        for (why, fencing, standing, sighting, look, expected) in [
            ("in use", false, Used, there, None, Turn::Stay),
            ("spare", false, Free, there, None, Turn::Stay),
            ("unseen", false, Unknown, Sighting::Blind, None, Turn::Stay),
            (
                "given back",
                false,
                Released,
                there,
                None,
                Turn::Leave(Cause::Released),
            ),
            ("begun", true, Free, there, None, Turn::Fence),
            ("the fence stands", true, Free, there, clear, Turn::Go),
            ("released, fenced", true, Released, there, clear, Turn::Go),
            ("bound meanwhile", true, Used, there, None, Turn::Stay),
            ("bound in the end", true, Used, there, clear, Turn::Stay),
            ("taken at the look", true, Free, there, taken, Turn::Stay),
            (
                "never registered",
                true,
                Free,
                Sighting::Absent,
                None,
                Turn::Go,
            ),
            (
                "blind on the way",
                true,
                Unknown,
                Sighting::Blind,
                clear,
                Turn::Wait,
            ),
        ] {
            assert_eq!(turn(fencing, standing, sighting, look), expected, "{why}");
        }
    }

    #[test]
    fn the_agent_of_a_machine_that_is_gone_is_deleted_and_then_let_go() {
        use Standing::{Free, Released, Unknown, Used};
        let (free, bound) = (agent(), bound());
        let (going, going_bound) = (leaving(agent()), leaving(bound.clone()));
        let let_go = AgentView {
            held: false,
            ..going.clone()
        };
        let there = Sighting::There;
        for (why, sighting, standing, expected) in [
            ("unseen", Sighting::Blind, Unknown, Burial::Wait),
            ("gone", Sighting::Absent, Released, Burial::Done),
            ("free", there(&free), Free, Burial::Delete),
            ("released", there(&free), Released, Burial::Delete),
            (
                "a node without its machine",
                there(&bound),
                Used,
                Burial::Wait,
            ),
            ("deleted by us", there(&going), Released, Burial::LetGo),
            (
                "deleted as a node",
                there(&going_bound),
                Used,
                Burial::LetGo,
            ),
            ("held by others", there(&let_go), Released, Burial::Wait),
        ] {
            assert_eq!(burial(sighting, standing), expected, "{why}");
        }
    }
}
