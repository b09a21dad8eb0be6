//! Who uses a machine, as its Agent and Cluster API tell it. Pure.

/// The Agent of a machine, as far as it matters for leaving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgentView {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Its UID.
    pub(crate) uid: String,
    /// The cluster that it belongs to.
    pub(crate) cluster: Option<String>,
    /// The `AgentMachine` that has reserved it.
    pub(crate) reserved_by: Option<String>,
    /// What else it says cannot be read.
    pub(crate) unreadable: bool,
    /// It is being deleted.
    pub(crate) leaving: bool,
    /// Our finalizer holds it.
    pub(crate) held: bool,
    /// How its host does.
    pub(crate) health: Health,
}

/// How a host does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Health {
    /// As it should.
    #[default]
    Good,
    /// It has not been heard of for a while.
    Disconnected,
    /// It will not become a node as it is.
    Failed,
}

/// What can be seen of a machine's Agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting<'a> {
    /// Agents cannot be looked at.
    Blind,
    /// There is none.
    Absent,
    /// This one.
    There(&'a AgentView),
}

/// Who uses a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody can tell.
    Unknown,
    /// A cluster uses it, or is about to.
    Used,
    /// A cluster has used it, and has given it back: half of an installation is on it.
    Released,
    /// Nobody ever used it.
    Free,
}

/// Who uses a machine; `was_bound` is our own record, and `referred` says that a live `AgentMachine` names its
/// Agent. One that is being deleted has given it up, once the other marks are gone: it only waits for the
/// Agent to be free or gone.
pub(crate) fn standing(was_bound: bool, agent: Sighting<'_>, referred: bool) -> Standing {
    let (tied, leaving) = match agent {
        Sighting::Blind => return Standing::Unknown,
        Sighting::Absent => (false, false),
        Sighting::There(agent) => (agent.is_tied(), agent.leaving),
    };
    match (tied || referred, was_bound || leaving) {
        (true, _) => Standing::Used,
        (false, true) => Standing::Released,
        (false, false) => Standing::Free,
    }
}

// === impl Health ===

impl Health {
    /// That of a host of which the installer's service says so.
    pub(crate) fn of(state: &str) -> Self {
        match state {
            "disconnected" | "disconnected-unbound" => Self::Disconnected,
            "error" | "cancelled" | "disabled" | "disabled-unbound" => Self::Failed,
            _ => Self::Good,
        }
    }
}

// === impl AgentView ===

impl AgentView {
    /// It says itself that somebody uses it, or may say so.
    pub(crate) fn is_tied(&self) -> bool {
        self.cluster.is_some() || self.reserved_by.is_some() || self.unreadable
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A free Agent.
    pub(crate) fn agent() -> AgentView {
        AgentView {
            namespace: "agents".into(),
            name: "agent-1".into(),
            uid: "uid-1".into(),
            held: true,
            ..AgentView::default()
        }
    }

    /// One that belongs to a cluster.
    pub(crate) fn bound() -> AgentView {
        AgentView {
            cluster: Some("hosted".into()),
            ..agent()
        }
    }

    /// One that is being deleted.
    pub(crate) fn leaving(agent: AgentView) -> AgentView {
        AgentView {
            leaving: true,
            ..agent
        }
    }

    #[test]
    fn a_machine_is_released_only_when_each_mark_of_its_use_is_gone() {
        use Standing::{Free, Released, Unknown, Used};
        let (free, bound) = (agent(), bound());
        let reserved = AgentView {
            reserved_by: Some("m".into()),
            ..agent()
        };
        let garbled = AgentView {
            unreadable: true,
            ..agent()
        };
        let (going, going_bound) = (leaving(agent()), leaving(bound.clone()));
        let there = Sighting::There;
        let absent = Sighting::Absent;
        let of_free = there(&free);
        let never = [
            ("it never registered", absent, false, Free),
            ("it registered", of_free, false, Free),
            ("it is bound", there(&bound), false, Used),
            ("it is taken before it is marked", of_free, true, Used),
            ("a free Agent is deleted", there(&going), false, Released),
            ("a named Agent is deleted", there(&going), true, Used),
            ("nobody can look", Sighting::Blind, false, Unknown),
        ];
        let once = [
            ("its Agent vanished", absent, false, Released),
            ("it vanished in use", absent, true, Used),
            ("its label is still there", there(&reserved), false, Used),
            ("its Agent cannot be read", there(&garbled), false, Used),
            ("an AgentMachine names it", of_free, true, Used),
            ("all marks are gone", of_free, false, Released),
            ("a bound Agent is deleted", there(&going_bound), false, Used),
            ("nobody can look", Sighting::Blind, false, Unknown),
        ];
        let never = never.into_iter().map(|row| (false, row));
        let once = once.into_iter().map(|row| (true, row));
        for (was_bound, (why, sighting, referred, expected)) in never.chain(once) {
            assert_eq!(standing(was_bound, sighting, referred), expected, "{why}");
        }
    }
}
