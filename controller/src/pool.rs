//! What is known of the node pool of one template. Pure.

mod blind;

use crate::{
    agents::identity::may_be_of,
    crd::{VMwareNodePoolTemplate, VmStatus},
    hub::Sought,
    kinds::{
        agent::Agent, agent_machine::AgentMachine, hosted_cluster::HostedCluster,
        infra_env::InfraEnv, machine::Machine, node_pool::NodePool,
    },
    wish::Mode,
};
use jiff::Timestamp;
use kube::ResourceExt as _;
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

/// What is known of the node pool of one template. In test mode, nothing is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    /// The node pool itself.
    pub node_pool: Sought<Arc<NodePool>>,
    /// Where the rest of it is.
    pub places: Places,
    /// How many machines Cluster API shall make: of the `MachineDeployment`, else of the `MachineSet`.
    pub replicas: Sought<i32>,
    /// The machines of Cluster API.
    pub machines: Sought<Vec<Arc<Machine>>>,
    /// The hosts of these machines, wanted or had.
    pub agent_machines: Sought<Vec<Arc<AgentMachine>>>,
    /// All Agents of the hub. Only those where the pool's are may be offered; the host in a machine that goes
    /// is withdrawn wherever it is.
    pub agents: Sought<Vec<Arc<Agent>>>,
    /// Since when they are looked at again, if nobody could for long.
    pub agents_since: Option<Timestamp>,
    /// An older template of the same node pool.
    pub elder: Option<String>,
}

/// Where the machines and Agents of a node pool are, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The namespace of the hosted control plane, with the machines of Cluster API.
    pub control_plane: Option<String>,
    /// The namespace of the Agents.
    pub agents: Option<String>,
}

/// One of the templates of a node pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its UID.
    pub uid: String,
    /// Its namespace, which is also the node pool's.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The name of the node pool.
    pub node_pool: String,
}

/// The namespace of a hosted control plane, as HyperShift names it.
pub fn control_plane(namespace: &str, cluster: &str) -> String {
    format!("{namespace}-{}", cluster.replace('.', "-"))
}

/// Where the Agents of a hosted cluster are, if it says so.
pub fn agent_namespace(cluster: &HostedCluster) -> Option<String> {
    let agents = cluster.spec.platform.agent.as_ref()?;
    let namespace = agents.agent_namespace.clone()?;
    (!namespace.is_empty()).then_some(namespace)
}

/// The one namespace that all of these are in.
pub fn only_namespace(made: &Sought<Vec<Arc<InfraEnv>>>) -> Option<String> {
    let made = made.found()?;
    let namespaces: BTreeSet<_> = made.iter().map(|made| &made.meta.namespace).collect();
    let mut namespaces = namespaces.into_iter();
    let first = namespaces.next()?;
    namespaces.next().is_none().then(|| first.clone())
}

/// The hosts that belong to one of these machines, by either's word.
pub fn of_machines(
    hosts: Sought<Vec<Arc<AgentMachine>>>,
    machines: &Sought<Vec<Arc<Machine>>>,
) -> Sought<Vec<Arc<AgentMachine>>> {
    let machines = match machines {
        Sought::Found(machines) => machines,
        Sought::Syncing => return Sought::Syncing,
        Sought::KindMissing => return Sought::KindMissing,
        Sought::Unreadable(why) => return Sought::Unreadable(why.clone()),
        Sought::Absent => return Sought::Absent,
    };
    hosts.and_then(|mut hosts| {
        let owners = Owners::of(machines);
        hosts.retain(|host| owners.have(host));
        Some(hosts)
    })
}

/// Machines by what tells that a host is theirs: there are as many hosts as machines, and nobody looks
/// through all of one for each of the other. Names come after their namespace.
struct Owners<'a> {
    machines: HashSet<(&'a str, &'a str)>,
    /// The hosts that they name themselves.
    named: HashSet<(&'a str, &'a str)>,
}

impl<'a> Owners<'a> {
    fn of(machines: impl IntoIterator<Item = &'a Arc<Machine>> + Clone) -> Self {
        let name = |machine: &'a Arc<Machine>| (&*machine.meta.namespace, &*machine.meta.name);
        let host = |machine: &'a Arc<Machine>| {
            let reference = &machine.spec.infrastructure_ref;
            let named = reference.kind == "AgentMachine";
            named.then_some((&*machine.meta.namespace, &*reference.name))
        };
        Self {
            machines: machines.clone().into_iter().map(name).collect(),
            named: machines.into_iter().filter_map(host).collect(),
        }
    }

    /// Whether a host belongs to one of them, by either's word.
    fn have(&self, host: &AgentMachine) -> bool {
        let namespace = &*host.meta.namespace;
        let mut owners = host.meta.owners.iter();
        self.named.contains(&(namespace, &*host.meta.name))
            || owners.any(|owner| {
                owner.kind == "Machine" && self.machines.contains(&(namespace, &*owner.name))
            })
    }
}

/// The oldest of the templates of a node pool, if that is not the one of this UID. Of two that were made in
/// the same second, the UID decides.
pub fn elder(all: &[Rival], uid: &str) -> Option<String> {
    let oldest = all.iter().min_by_key(|rival| (rival.created, &rival.uid))?;
    (oldest.uid != uid).then(|| oldest.name.clone())
}

// === impl Pool ===

impl Pool {
    /// Machines that Cluster API wants and keeps; those that go have served.
    pub fn live_hosts(&self) -> Sought<usize> {
        let hosts = self.agent_machines.as_ref();
        match hosts.and_then(|_| Some(self.live().count())) {
            Sought::Absent => Sought::Found(0),
            hosts => hosts,
        }
    }

    /// Hosts that Cluster API knows and keeps: neither they nor their machines are being deleted.
    fn live(&self) -> impl Iterator<Item = &Arc<AgentMachine>> {
        let machines = self.machines.found().map_or(&[][..], Vec::as_slice);
        let hosts = self.agent_machines.found().map_or(&[][..], Vec::as_slice);
        let leaving: Vec<_> = machines.iter().filter(|it| it.meta.deleting).collect();
        let leaving = Owners::of(leaving);
        hosts
            .iter()
            .filter(move |host| !host.meta.deleting && !leaving.have(host))
    }

    /// Whether the node pool is being deleted, or was when it was seen last.
    pub fn is_being_deleted(&self, before: bool) -> bool {
        match &self.node_pool {
            Sought::Found(node_pool) => node_pool.meta.deleting,
            Sought::Syncing | Sought::KindMissing | Sought::Unreadable(_) | Sought::Absent => {
                before
            }
        }
    }

    /// Whether the machine of this entry may be a node of a cluster, as far as anybody can tell.
    pub fn may_be_bound(&self, entry: &VmStatus) -> bool {
        match &self.agents {
            Sought::Found(agents) => agents
                .iter()
                .any(|agent| agent.may_be_bound() && may_be_of(entry, agent)),
            Sought::Absent => false,
            Sought::KindMissing => !entry.agent_name.is_empty(),
            Sought::Syncing | Sought::Unreadable(_) => true,
        }
    }

    /// Names of the Agents that Cluster API wants to keep. A host that goes, or whose machine goes, has given
    /// up its Agent as soon as that says so itself.
    pub fn referred(&self) -> BTreeSet<String> {
        let name = |host: &Arc<AgentMachine>| {
            let id = host.spec.provider_id.as_deref();
            let id = id.and_then(|id| id.strip_prefix(PROVIDER));
            let name = host.status.agent_ref.as_ref().map(|it| it.name.as_str());
            name.or(id).map(ToOwned::to_owned)
        };
        self.live().filter_map(name).collect()
    }
}

/// What the name of an Agent follows in the id of its node.
const PROVIDER: &str = "agent://";

// === impl Rival ===

impl Rival {
    /// The template, if it is one of a node pool.
    pub fn of(template: &VMwareNodePoolTemplate) -> Option<Self> {
        let node_pool = Mode::of(&template.spec).node_pool()?.to_owned();
        Some(Self {
            created: template.creation_timestamp().map(|time| time.0),
            uid: template.uid()?,
            namespace: template.namespace()?,
            name: template.name_any(),
            node_pool,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::agent_machine::AgentRef;

    fn rival(second: i64, uid: &str) -> Rival {
        Rival {
            created: Timestamp::from_second(second).ok(),
            uid: uid.into(),
            namespace: "clusters".into(),
            name: format!("template-{uid}"),
            node_pool: "workers".into(),
        }
    }

    #[test]
    fn the_older_template_acts_and_of_twins_the_one_with_the_lower_uid() {
        let all = [rival(10, "b"), rival(10, "a"), rival(20, "0")];
        for (me, expected) in [
            ("a", None),
            ("b", Some("template-a")),
            ("0", Some("template-a")),
        ] {
            assert_eq!(elder(&all, me).as_deref(), expected, "{me}");
        }
    }

    #[test]
    fn a_control_plane_is_where_hypershift_puts_it() {
        assert_eq!(control_plane("clusters", "east.one"), "clusters-east-one");
    }

    #[test]
    fn the_namespace_of_agents_is_guessed_only_where_there_is_one() {
        let made = |namespaces: &[&str]| {
            let made = namespaces.iter().map(|namespace| {
                let mut made = InfraEnv::default();
                made.meta.namespace = (*namespace).into();
                Arc::new(made)
            });
            Sought::Found(made.collect())
        };
        assert_eq!(only_namespace(&made(&["a", "a"])).as_deref(), Some("a"));
        assert_eq!(only_namespace(&made(&["a", "b"])), None);
        assert_eq!(only_namespace(&made(&[])), None);
        assert_eq!(only_namespace(&Sought::Syncing), None);
    }

    #[test]
    fn a_node_pool_that_was_being_deleted_was_so_until_it_is_seen_otherwise() {
        let node_pool = |deleting| {
            let mut node_pool = NodePool::default();
            node_pool.meta.deleting = deleting;
            Sought::Found(Arc::new(node_pool))
        };
        for (node_pool, before, expected) in [
            (node_pool(true), false, true),
            (node_pool(false), true, false),
            (Sought::Absent, true, true),
            (Sought::Absent, false, false),
            (Sought::Syncing, true, true),
            (Sought::KindMissing, false, false),
        ] {
            let pool = Pool {
                node_pool,
                ..Pool::default()
            };
            assert_eq!(pool.is_being_deleted(before), expected, "{pool:?}");
        }
    }

    #[test]
    fn a_machine_may_be_a_node_unless_its_agents_were_looked_at() {
        let entry = VmStatus {
            uuid: "420e3f74-ea84-f9a2-0000-000000000001".into(),
            serial_number: "VMware-42 0e 3f 74 ea 84 f9 a2-00 00 00 00 00 00 00 01".into(),
            ..VmStatus::default()
        };
        let agent = |bound: bool, serial: &str| {
            let mut agent = Agent::default();
            agent.spec.cluster_deployment_name = bound.then(Default::default);
            agent.status.inventory.system_vendor.serial_number = serial.into();
            Sought::Found(vec![Arc::new(agent)])
        };
        let same = "vmware-420E3F74EA84F9A20000000000000001";
        for (why, agents, may) in [
            ("none is there", Sought::Found(vec![]), false),
            ("it is bound", agent(true, same), true),
            ("it is free", agent(false, same), false),
            ("another is bound", agent(true, "VMware-00"), false),
            ("an Agent without a serial number", agent(true, ""), false),
            ("not read yet", Sought::Syncing, true),
            ("not readable", Sought::Unreadable("no".into()), true),
            ("never had one", Sought::KindMissing, false),
        ] {
            let pool = Pool {
                agents,
                ..Pool::default()
            };
            assert_eq!(pool.may_be_bound(&entry), may, "{why}");
        }
    }

    fn machine(name: &str, deleting: bool) -> Arc<Machine> {
        let mut machine = Machine::default();
        machine.meta.name = name.into();
        machine.meta.deleting = deleting;
        machine.spec.infrastructure_ref.kind = "AgentMachine".into();
        machine.spec.infrastructure_ref.name = format!("host-of-{name}");
        Arc::new(machine)
    }

    fn host(machine: &str, deleting: bool) -> Arc<AgentMachine> {
        let mut host = AgentMachine::default();
        host.meta.name = format!("host-of-{machine}");
        host.meta.deleting = deleting;
        Arc::new(host)
    }

    #[test]
    fn hosts_live_until_they_or_their_machines_are_deleted() {
        let machines = Sought::Found(vec![
            machine("a", false),
            machine("b", true),
            machine("c", false),
        ]);
        let hosts = vec![
            host("a", false),
            host("b", false),
            host("c", true),
            host("stranger", false),
        ];
        let pool = Pool {
            agent_machines: of_machines(Sought::Found(hosts), &machines),
            machines,
            ..Pool::default()
        };
        assert_eq!(pool.agent_machines.found().map(Vec::len), Some(3));
        assert_eq!(pool.live_hosts(), Sought::Found(1));
    }

    #[test]
    fn an_agent_is_referred_to_by_hosts_that_live() {
        let named = |machine: &str, deleting: bool| {
            let mut named = (*host(machine, deleting)).clone();
            named.status.agent_ref = Some(AgentRef {
                namespace: "agents".into(),
                name: format!("agent-of-{machine}"),
            });
            Arc::new(named)
        };
        let mut by_id = (*host("d", false)).clone();
        by_id.spec.provider_id = Some("agent://agent-of-d".into());
        let hosts = vec![
            named("a", false),
            named("b", false),
            named("c", true),
            Arc::new(by_id),
            host("new", false),
        ];
        let pool = Pool {
            agent_machines: Sought::Found(hosts),
            machines: Sought::Found(vec![machine("a", false), machine("b", true)]),
            ..Pool::default()
        };
        let referred: Vec<_> = pool.referred().into_iter().collect();
        assert_eq!(referred, ["agent-of-a", "agent-of-d"]);
    }
}
