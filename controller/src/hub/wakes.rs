//! Which templates a change of a foreign object concerns. Pure.

use super::shelf::Key;
use crate::{kinds::Kind, pool::Places};

/// A template of a node pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Concerned<'a> {
    pub(super) namespace: &'a str,
    pub(super) node_pool: &'a str,
    pub(super) places: &'a Places,
}

// === impl Concerned ===

impl Concerned<'_> {
    /// Whether a change of the object of this kind and key concerns the template. Where it is not known
    /// where the objects of its pool are, any may be one of them.
    pub(super) fn by(&self, kind: Kind, (namespace, name): &Key) -> bool {
        let is = |place: Option<&String>| place.is_none_or(|place| place == namespace);
        match kind {
            Kind::NodePool => namespace == self.namespace && name == self.node_pool,
            Kind::HostedCluster => namespace == self.namespace,
            Kind::Agent => is(self.places.agents.as_ref()),
            Kind::InfraEnv => namespace == self.namespace || is(self.places.control_plane.as_ref()),
            Kind::AgentMachine | Kind::Machine | Kind::MachineDeployment | Kind::MachineSet => {
                is(self.places.control_plane.as_ref())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_wakes_the_templates_that_it_concerns_and_no_others() {
        let known = Places {
            control_plane: Some("clusters-east".into()),
            agents: Some("agents".into()),
        };
        let unknown = Places::default();
        for (kind, namespace, name, wakes, wakes_unknown) in [
            (Kind::NodePool, "clusters", "pool", true, true),
            (Kind::NodePool, "clusters", "other", false, false),
            (Kind::NodePool, "others", "pool", false, false),
            (Kind::HostedCluster, "clusters", "east", true, true),
            (Kind::Agent, "agents", "a", true, true),
            (Kind::Agent, "clusters", "a", false, true),
            (Kind::InfraEnv, "clusters", "i", true, true),
            (Kind::InfraEnv, "clusters-east", "i", true, true),
            (Kind::InfraEnv, "others", "i", false, true),
            (Kind::Machine, "clusters-east", "m", true, true),
            (Kind::AgentMachine, "clusters-west", "m", false, true),
        ] {
            let key = (namespace.into(), name.into());
            let by = |places| {
                let concerned = Concerned {
                    namespace: "clusters",
                    node_pool: "pool",
                    places,
                };
                concerned.by(kind, &key)
            };
            assert_eq!(by(&known), wakes, "{kind} {namespace}/{name}");
            assert_eq!(by(&unknown), wakes_unknown, "{kind} {namespace}/{name}");
        }
    }
}
