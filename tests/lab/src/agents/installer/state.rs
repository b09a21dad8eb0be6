//! The states of a host and the stages of its installation, in the installer's own words.

use serde_json::Value;

use crate::agents::json::text;

/// Gives an enumeration its words.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$what])* $variant,)+ }

        impl $name {
            /// Its word in the objects.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What a word stands for.
            pub fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// A state of a host, as in `status.debugInfo.state`: those that these hosts come into.
    State {
        /// Just registered, not validated yet.
        DiscoveringUnbound = "discovering-unbound",
        /// Fit for an installation.
        KnownUnbound = "known-unbound",
        /// Not fit for an installation.
        InsufficientUnbound = "insufficient-unbound",
        /// Silent.
        DisconnectedUnbound = "disconnected-unbound",
        /// A cluster has asked for it.
        Binding = "binding",
        /// Bound, heard of again, not validated yet.
        Discovering = "discovering",
        /// Bound and fit; it waits for its approval.
        Known = "known",
        /// Bound and not fit.
        Insufficient = "insufficient",
        /// Bound and silent.
        Disconnected = "disconnected",
        /// Its installation begins.
        Installing = "installing",
        /// Its installation goes on, stage by stage.
        InstallingInProgress = "installing-in-progress",
        /// It is a node.
        AddedToExistingCluster = "added-to-existing-cluster",
        /// Its installation failed.
        Error = "error",
        /// Let go before it was installed.
        Unbinding = "unbinding",
        /// Let go after it was installed.
        Reclaiming = "reclaiming",
        /// It reboots into discovery.
        ReclaimingRebooting = "reclaiming-rebooting",
        /// Somebody has to boot it into discovery.
        UnbindingPendingUserAction = "unbinding-pending-user-action",
    }
}

words! {
    /// A stage of an installation, as in `status.progress.currentStage`: those of a worker.
    Stage {
        /// It begins.
        Starting = "Starting installation",
        /// The installer runs.
        Installing = "Installing",
        /// The image is written.
        WritingImage = "Writing image to disk",
        /// It boots from its disk.
        Rebooting = "Rebooting",
        /// It asks for its ignition.
        WaitingForIgnition = "Waiting for ignition",
        /// It is set up.
        Configuring = "Configuring",
        /// It is a node.
        Joined = "Joined",
        /// Nothing is left to do.
        Done = "Done",
        /// It failed.
        Failed = "Failed",
    }
}

/// The stages of a worker, in their order.
pub(super) const STAGES: [Stage; 8] = [
    Stage::Starting,
    Stage::Installing,
    Stage::WritingImage,
    Stage::Rebooting,
    Stage::WaitingForIgnition,
    Stage::Configuring,
    Stage::Joined,
    Stage::Done,
];

// === impl State ===

impl State {
    /// The state of an Agent.
    pub fn in_object(agent: &Value) -> Option<Self> {
        Self::of(text(agent, "/status/debugInfo/state"))
    }

    /// Whether a host in this state belongs to no cluster: the provider lets its Machine go then.
    pub fn is_unbound(self) -> bool {
        matches!(
            self,
            Self::DiscoveringUnbound
                | Self::KnownUnbound
                | Self::InsufficientUnbound
                | Self::DisconnectedUnbound
        )
    }
}

// === impl Stage ===

impl Stage {
    /// The stage of an Agent.
    pub fn in_object(agent: &Value) -> Option<Self> {
        Self::of(text(agent, "/status/progress/currentStage"))
    }

    /// The one that comes after it.
    pub(super) fn next(self) -> Option<Self> {
        let at = STAGES.iter().position(|stage| *stage == self)?;
        STAGES.get(at + 1).copied()
    }

    /// Whether the machine boots from its disk from here on.
    pub(super) fn is_on_disk(self) -> bool {
        self != Self::Failed && self >= Self::Rebooting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_to_what_they_stand_for() {
        assert_eq!(State::of("known-unbound"), Some(State::KnownUnbound));
        assert_eq!(State::of(State::Error.word()), Some(State::Error));
        assert_eq!(State::of("Known"), None);
        for stage in STAGES {
            assert_eq!(Stage::of(stage.word()), Some(stage));
        }
    }

    #[test]
    fn a_machine_boots_from_its_disk_once_it_was_written() {
        let on_disk: Vec<_> = STAGES.into_iter().filter(|it| it.is_on_disk()).collect();
        assert_eq!(on_disk, STAGES[3..]);
        assert!(!Stage::Failed.is_on_disk());
        assert_eq!(Stage::Done.next(), None);
    }
}
