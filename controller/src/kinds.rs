//! The kinds of HyperShift, the installer and Cluster API, as far as they are read.
//!
//! What is kept of an object is a [`View`]: the fields that a decision reads, all of them optional, so that no
//! other version of a kind makes it unreadable.

pub mod agent;
pub mod agent_machine;
pub mod hosted_cluster;
pub mod infra_env;
pub mod machine;
pub mod node_pool;
mod ours;

pub use ours::Ours;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::{ApiResource, DeserializeGuard, Object};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt};

/// Names the node pool of a machine of Cluster API, `namespace/name`.
pub const NODE_POOL: &str = "hypershift.openshift.io/nodePool";

/// Annotations that are kept, by their beginnings: an Agent's inventory is one, too, and large.
const KEPT: [&str; 3] = [
    "hypershift.openshift.io/",
    "cluster.x-k8s.io/",
    crate::crd::GROUP,
];
/// A longer value is none that is read.
const LONGEST: usize = 512;

/// The kinds that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// How many machines there shall be, and of what cluster.
    NodePool,
    /// Where the Agents of a cluster are.
    HostedCluster,
    /// A host that runs the discovery ISO.
    Agent,
    /// What the discovery ISO is made from.
    InfraEnv,
    /// A host that Cluster API wants or has.
    AgentMachine,
    /// A machine of Cluster API.
    Machine,
    /// The machines of a pool whose upgrades replace them.
    MachineDeployment,
    /// The machines of a pool whose upgrades are in place.
    MachineSet,
}

/// A kind that is read, named by its spec.
pub trait Foreign: Part {
    /// The kind.
    const KIND: Kind;
    /// What is read of its status.
    type Status: Part;
}

/// A part of an object: the fields that are read.
pub trait Part:
    Clone + fmt::Debug + Default + DeserializeOwned + PartialEq + Send + Sync + 'static
{
}

impl<T> Part for T where
    T: Clone + fmt::Debug + Default + DeserializeOwned + PartialEq + Send + Sync + 'static
{
}

/// An object of a foreign kind as the API server tells it.
pub(crate) type Told<S> = DeserializeGuard<Object<Option<S>, <S as Foreign>::Status>>;

/// What is kept of an object of a foreign kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View<S: Foreign> {
    /// Who it is.
    pub meta: Meta,
    /// What is asked for.
    pub spec: S,
    /// What was seen.
    pub status: S::Status,
    /// Why it cannot be read; spec and status are empty then.
    pub malformed: Option<String>,
}

/// What is kept of an object's metadata.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Which version of it this is.
    pub version: Version,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// It is being deleted.
    pub deleting: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations, as far as they are read.
    pub annotations: BTreeMap<String, String>,
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// What of it we have set; `None`: we never did.
    pub ours: Option<Ours>,
    /// What it belongs to.
    pub owners: Vec<OwnerReference>,
}

/// A version of an object: what is written on condition of it is refused if anybody wrote since.
///
/// Any two are equal. Most versions differ in nothing that is read, and who asks whether an object is still the
/// same asks about that.
#[derive(Clone, Debug, Default)]
pub struct Version(pub String);

// === impl Kind ===

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NodePool,
        Self::HostedCluster,
        Self::Agent,
        Self::InfraEnv,
        Self::AgentMachine,
        Self::Machine,
        Self::MachineDeployment,
        Self::MachineSet,
    ];

    /// Its group.
    pub fn group(self) -> &'static str {
        match self {
            Self::NodePool | Self::HostedCluster => "hypershift.openshift.io",
            Self::Agent | Self::InfraEnv => "agent-install.openshift.io",
            Self::AgentMachine => "capi-provider.agent-install.openshift.io",
            Self::Machine | Self::MachineDeployment | Self::MachineSet => "cluster.x-k8s.io",
        }
    }

    /// Versions that can be read, the preferred one first.
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Self::NodePool
            | Self::HostedCluster
            | Self::Agent
            | Self::InfraEnv
            | Self::AgentMachine => &["v1beta1"],
            // What is read of them is the same in both.
            Self::Machine | Self::MachineDeployment | Self::MachineSet => &["v1beta1", "v1beta2"],
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::NodePool => "NodePool",
            Self::HostedCluster => "HostedCluster",
            Self::Agent => "Agent",
            Self::InfraEnv => "InfraEnv",
            Self::AgentMachine => "AgentMachine",
            Self::Machine => "Machine",
            Self::MachineDeployment => "MachineDeployment",
            Self::MachineSet => "MachineSet",
        }
    }

    /// Its name in addresses.
    pub fn plural(self) -> String {
        format!("{}s", self.word().to_lowercase())
    }

    /// The name of its definition.
    pub fn definition(self) -> String {
        format!("{}.{}", self.plural(), self.group())
    }

    /// The kind in this version, for an `Api` of objects of it.
    pub fn resource(self, version: &str) -> ApiResource {
        let (group, kind) = (self.group(), self.word());
        ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: format!("{group}/{version}"),
            kind: kind.into(),
            plural: self.plural(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

// === impl View ===

impl<S: Foreign> View<S> {
    /// What is kept of an object that was told.
    pub(crate) fn of(told: Told<S>) -> Self {
        match told.0 {
            Ok(object) => Self {
                meta: Meta::of(object.metadata),
                spec: object.spec.unwrap_or_default(),
                status: object.status.unwrap_or_default(),
                malformed: None,
            },
            Err(invalid) => Self {
                meta: Meta::of(invalid.metadata),
                malformed: Some(invalid.error),
                ..Self::default()
            },
        }
    }

    /// Whether it belongs to the node pool `namespace/name`, by its annotation.
    pub fn is_of(&self, node_pool: &str) -> bool {
        self.meta
            .annotations
            .get(NODE_POOL)
            .is_some_and(|pool| pool == node_pool)
    }
}

// === impl Version ===

impl PartialEq for Version {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Version {}

// === impl Meta ===

impl Meta {
    fn of(meta: ObjectMeta) -> Self {
        let read = |key: &String, value: &String| {
            value.len() <= LONGEST && KEPT.iter().any(|kept| key.starts_with(kept))
        };
        let mut annotations = meta.annotations.unwrap_or_default();
        annotations.retain(|key, value| read(key, value));
        let managers = meta.managed_fields.unwrap_or_default();
        Self {
            namespace: meta.namespace.unwrap_or_default(),
            name: meta.name.unwrap_or_default(),
            uid: meta.uid.unwrap_or_default(),
            version: Version(meta.resource_version.unwrap_or_default()),
            created: meta.creation_timestamp.map(|time| time.0),
            deleting: meta.deletion_timestamp.is_some(),
            labels: meta.labels.unwrap_or_default(),
            annotations,
            finalizers: meta.finalizers.unwrap_or_default(),
            ours: Ours::of(&managers),
            owners: meta.owner_references.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        agent::Agent,
        node_pool::{NodePool, NodePoolSpec},
        *,
    };
    use serde_json::{Value, json};

    fn view<S: Foreign>(object: Value) -> View<S> {
        View::of(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn definitions_are_named_as_upstream_names_them() {
        for (kind, name) in [
            (Kind::NodePool, "nodepools.hypershift.openshift.io"),
            (Kind::InfraEnv, "infraenvs.agent-install.openshift.io"),
            (
                Kind::AgentMachine,
                "agentmachines.capi-provider.agent-install.openshift.io",
            ),
            (
                Kind::MachineDeployment,
                "machinedeployments.cluster.x-k8s.io",
            ),
        ] {
            assert_eq!(kind.definition(), name);
        }
    }

    #[test]
    fn the_controller_may_read_every_kind_and_its_definition() {
        let role = include_str!("../../deploy/controller/rbac.yaml")
            .split("\n---\n")
            .map(|document| serde_saphyr::from_str::<Value>(document).unwrap())
            .find(|it| it["kind"] == "ClusterRole")
            .unwrap();
        let lists = |list: &Value, word: &str| {
            let mut words = list.as_array().into_iter().flatten();
            words.any(|it| it == word)
        };
        let may = |group: &str, resource: &str, verb: &str| {
            let mut rules = role["rules"].as_array().into_iter().flatten();
            rules.any(|rule| {
                lists(&rule["apiGroups"], group)
                    && lists(&rule["resources"], resource)
                    && lists(&rule["verbs"], verb)
            })
        };
        for verb in ["get", "list", "watch"] {
            let definitions = "customresourcedefinitions";
            assert!(may("apiextensions.k8s.io", definitions, verb), "{verb}");
            for kind in Kind::ALL {
                assert!(may(kind.group(), &kind.plural(), verb), "{verb} {kind}");
            }
        }
    }

    #[test]
    fn an_object_without_anything_that_is_read_is_read() {
        let pool: NodePool = view(json!({
            "apiVersion": "hypershift.openshift.io/v1beta1", "kind": "NodePool",
            "metadata": {"name": "pool", "namespace": "clusters"},
        }));
        assert_eq!(
            (pool.meta.name.as_str(), pool.malformed.as_deref()),
            ("pool", None)
        );
        assert_eq!(pool.spec, NodePoolSpec::default());
    }

    #[test]
    fn a_malformed_object_keeps_its_name_and_says_what_is_wrong() {
        let pool: NodePool = view(json!({
            "metadata": {"name": "pool", "namespace": "clusters"}, "spec": {"replicas": "many"},
        }));
        assert_eq!(pool.meta.name, "pool");
        assert!(pool.malformed.is_some());
    }

    #[test]
    fn the_inventory_of_an_agent_is_not_kept_twice() {
        let agent: Agent = view(json!({
            "metadata": {"name": "a", "namespace": "agents", "annotations": {
                "agent.agent-install.openshift.io/inventory": "{}",
                "hypershift.openshift.io/nodePool": "clusters/pool",
                "cluster.x-k8s.io/paused": "x".repeat(LONGEST + 1),
            }},
            "spec": {"approved": true},
        }));
        let kept: Vec<_> = agent.meta.annotations.into_keys().collect();
        assert_eq!(kept, [NODE_POOL]);
    }
}
