//! What is known of the kinds that others own: node pools, hosted clusters, Agents, machines.
//!
//! One watch for each kind, whichever templates there are. A kind that the hub lacks is picked up when it
//! appears; test mode needs none of them.

mod authorities;
mod definition;
mod gap;
mod images;
mod keeper;
mod shelf;
#[cfg(test)]
mod shelving;
mod wakes;

pub use authorities::{IngressCa, InvalidIngressCa};
pub use shelf::Availability;

use crate::{
    crd::VMwareNodePoolTemplate,
    kinds::{
        Foreign, Kind, View,
        agent::AgentSpec,
        agent_machine::AgentMachineSpec,
        hosted_cluster::HostedClusterSpec,
        infra_env::InfraEnvSpec,
        machine::{MachineDeploymentSpec, MachineSetSpec, MachineSpec},
        node_pool::{NodePool, NodePoolSpec},
    },
    pool::{self, Places, Pool, Rival, elder, of_machines},
    wish::Wish,
};
use authorities::Authorities;
use futures::FutureExt as _;
use jiff::Timestamp;
use keeper::Keeper;
use kube::{
    Client,
    runtime::reflector::{ObjectRef, Store},
};
use shelf::{Contents, Key, Shelf};
use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, OnceLock},
};
use tokio::sync::mpsc::UnboundedSender;
use wakes::Concerned;

/// What is known of foreign kinds, by one watch each.
pub struct Hub {
    node_pools: Shelf<NodePoolSpec>,
    hosted_clusters: Shelf<HostedClusterSpec>,
    agents: Shelf<AgentSpec>,
    infra_envs: Shelf<InfraEnvSpec>,
    agent_machines: Shelf<AgentMachineSpec>,
    machines: Shelf<MachineSpec>,
    machine_deployments: Shelf<MachineDeploymentSpec>,
    machine_sets: Shelf<MachineSetSpec>,
    authorities: Authorities,
    templates: OnceLock<Store<VMwareNodePoolTemplate>>,
    wake: UnboundedSender<ObjectRef<VMwareNodePoolTemplate>>,
    now: fn() -> Timestamp,
}

/// What is known of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Sought<T> {
    /// Its kind is being read.
    Syncing,
    /// The hub does not have its kind.
    KindMissing,
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// It is not there.
    #[default]
    Absent,
    /// It is there.
    Found(T),
}

// === impl Hub ===

impl Hub {
    /// Nothing is known yet. The authorities of routes are in `ingress_ca`. Whom a change concerns is sent to
    /// `wake`; `now` reads the clock.
    pub fn new(
        ingress_ca: IngressCa,
        wake: UnboundedSender<ObjectRef<VMwareNodePoolTemplate>>,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            node_pools: Shelf::default(),
            hosted_clusters: Shelf::default(),
            agents: Shelf::default(),
            infra_envs: Shelf::default(),
            agent_machines: Shelf::default(),
            machines: Shelf::default(),
            machine_deployments: Shelf::default(),
            machine_sets: Shelf::default(),
            authorities: Authorities::new(ingress_ca),
            templates: OnceLock::new(),
            wake,
            now,
        }
    }

    /// All templates of the hub are in this store.
    pub fn templates(&self, store: Store<VMwareNodePoolTemplate>) {
        // Told once, by who runs the reconciler.
        let _ = self.templates.set(store);
    }

    /// Follows all kinds. Never returns.
    pub async fn keep(&self, client: &Client) {
        fn keeper<'a, S: Foreign>(
            hub: &'a Hub,
            client: &'a Client,
            shelf: &'a Shelf<S>,
        ) -> Keeper<'a, S> {
            Keeper { hub, client, shelf }
        }
        // Each is large, and made once.
        futures::join!(
            keeper(self, client, &self.node_pools).keep().boxed(),
            keeper(self, client, &self.hosted_clusters).keep().boxed(),
            keeper(self, client, &self.agents).keep().boxed(),
            keeper(self, client, &self.infra_envs).keep().boxed(),
            keeper(self, client, &self.agent_machines).keep().boxed(),
            keeper(self, client, &self.machines).keep().boxed(),
            keeper(self, client, &self.machine_deployments)
                .keep()
                .boxed(),
            keeper(self, client, &self.machine_sets).keep().boxed(),
            self.authorities.keep(client, || self.wake_images()).boxed(),
        );
    }

    /// What is known of the pool of a template.
    pub fn pool(&self, wish: &Wish) -> Pool {
        let Some(name) = wish.mode.node_pool() else {
            return self.no_pool();
        };
        let namespace = &wish.owner.namespace;
        let node_pool = self.node_pools.lock().one(namespace, name);
        let places = self.places(namespace, &node_pool);
        let plane = places.control_plane.as_deref();
        let id = format!("{namespace}/{name}");
        let machines = self
            .machines
            .lock()
            .many(plane, |machine| machine.is_of(&id));
        let hosts = self.agent_machines.lock().many(plane, |_| true);
        // Not below: a guard in there lives as long as all of it.
        let agents_since = self.agents.lock().seen_since();
        Pool {
            replicas: plane.map_or(Sought::Absent, |plane| self.replicas(plane, name)),
            agent_machines: of_machines(hosts, &machines),
            machines,
            // Of the whole hub: a machine whose Agent is elsewhere is not one without an Agent.
            agents: self.agents.lock().many(None, |_| true),
            agents_since,
            elder: elder(&self.rivals(namespace, name), &wish.owner.uid),
            node_pool,
            places,
        }
    }

    /// In test mode nothing is asked. But a template that was of a node pool before may have machines that
    /// are nodes.
    fn no_pool(&self) -> Pool {
        let agents = self.agents.lock().many(None, |_| true);
        Pool {
            agents: match agents {
                Sought::Found(_) | Sought::KindMissing => agents,
                // Test mode needs none of the kinds.
                Sought::Syncing | Sought::Unreadable(_) | Sought::Absent => Sought::Absent,
            },
            ..Pool::default()
        }
    }

    /// Wakes the other templates of the node pool of `template`: who of them acts may have changed.
    pub fn wake_rivals(&self, template: &VMwareNodePoolTemplate) {
        let Some(me) = Rival::of(template) else {
            return;
        };
        for rival in self.rivals(&me.namespace, &me.node_pool) {
            if rival.uid != me.uid {
                self.wake(ObjectRef::new(&rival.name).within(&rival.namespace));
            }
        }
    }

    /// Where the machines and Agents of a node pool are.
    fn places(&self, namespace: &str, node_pool: &Sought<Arc<NodePool>>) -> Places {
        let Sought::Found(node_pool) = node_pool else {
            return Places::default();
        };
        let Some(cluster) = &node_pool.spec.cluster_name else {
            return Places::default();
        };
        let control_plane = pool::control_plane(namespace, cluster);
        let cluster = self.hosted_clusters.lock().one(namespace, cluster);
        let agents = match &cluster {
            Sought::Found(cluster) => pool::agent_namespace(cluster).or_else(|| {
                let made = self.infra_envs.lock().many(None, |made| {
                    [namespace, &control_plane].contains(&made.meta.namespace.as_str())
                });
                pool::only_namespace(&made)
            }),
            _ => None,
        };
        Places {
            control_plane: Some(control_plane),
            agents,
        }
    }

    /// How many machines Cluster API shall make for a node pool.
    fn replicas(&self, plane: &str, name: &str) -> Sought<i32> {
        let deployment = self.machine_deployments.lock().one(plane, name);
        let replicas = deployment.and_then(|it| it.spec.replicas.filter(|_| !it.meta.deleting));
        match replicas {
            // A pool that is upgraded in place has a set instead.
            Sought::Absent | Sought::KindMissing => {
                let set = self.machine_sets.lock().one(plane, name);
                set.and_then(|it| it.spec.replicas.filter(|_| !it.meta.deleting))
            }
            replicas => replicas,
        }
    }

    /// All templates of a node pool.
    fn rivals(&self, namespace: &str, node_pool: &str) -> Vec<Rival> {
        let mut rivals = self.members();
        rivals.retain(|rival| rival.namespace == namespace && rival.node_pool == node_pool);
        rivals
    }

    /// A template, as it was told last.
    pub fn template(
        &self,
        name: &ObjectRef<VMwareNodePoolTemplate>,
    ) -> Option<Arc<VMwareNodePoolTemplate>> {
        self.templates.get()?.get(name)
    }

    /// All templates of node pools.
    fn members(&self) -> Vec<Rival> {
        let templates = self.templates.get().map(Store::state).unwrap_or_default();
        let members = templates.iter().filter_map(|template| Rival::of(template));
        members.collect()
    }

    /// All templates that anything here may concern: those of node pools, those that were of one and whose
    /// machines have Agents, and those whose machines boot the image of an `InfraEnv`.
    fn concerned(&self) -> Vec<Arc<VMwareNodePoolTemplate>> {
        let mut templates = self.templates.get().map(Store::state).unwrap_or_default();
        templates.retain(|it| {
            Rival::of(it).is_some()
                || agents_of(it).next().is_some()
                || images::infra_env(it).is_some()
        });
        templates
    }

    /// Wakes all templates that anything here may concern.
    fn wake_all(&self) {
        for template in self.concerned() {
            self.wake(ObjectRef::from_obj(&*template));
        }
    }

    /// Wakes the templates that these objects of a kind concern.
    fn wake_for(&self, kind: Kind, changed: &[Key]) {
        if changed.is_empty() {
            return;
        }
        // An Agent that is known is followed wherever it is, and whatever became of its template.
        let agents = changed.iter().filter(|_| kind == Kind::Agent);
        let agents: HashSet<_> = agents.map(|(_, name)| name.as_str()).collect();
        for template in self.concerned() {
            let is_member =
                || Rival::of(&template).is_some_and(|it| self.is_of(&it, kind, changed));
            let boots = || kind == Kind::InfraEnv && images::is_of(&template, changed);
            if agents_of(&template).any(|agent| agents.contains(agent)) || boots() || is_member() {
                self.wake(ObjectRef::from_obj(&*template));
            }
        }
    }

    /// Whether one of these objects of a kind is of the node pool of this template.
    fn is_of(&self, member: &Rival, kind: Kind, changed: &[Key]) -> bool {
        let (namespace, name) = (&member.namespace, &member.node_pool);
        let node_pool = self.node_pools.lock().one(namespace, name);
        let places = self.places(namespace, &node_pool);
        let concerned = Concerned {
            namespace,
            node_pool: name,
            places: &places,
        };
        changed.iter().any(|key| concerned.by(kind, key))
    }

    fn wake(&self, template: ObjectRef<VMwareNodePoolTemplate>) {
        // Nobody listens any more at the end.
        let _ = self.wake.send(template);
    }
}

/// Names of the Agents that the machines of a template are known to have.
fn agents_of(template: &VMwareNodePoolTemplate) -> impl Iterator<Item = &str> {
    let machines = template.status.iter().flat_map(|status| &status.vm_status);
    let agents = machines.map(|machine| machine.agent_name.as_str());
    agents.filter(|agent| !agent.is_empty())
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

// === impl Sought ===

impl<T> Sought<T> {
    /// A part of what was found; absent if it lacks that.
    pub(crate) fn and_then<U>(self, part: impl FnOnce(T) -> Option<U>) -> Sought<U> {
        match self {
            Self::Syncing => Sought::Syncing,
            Self::KindMissing => Sought::KindMissing,
            Self::Unreadable(why) => Sought::Unreadable(why),
            Self::Absent => Sought::Absent,
            Self::Found(found) => part(found).map_or(Sought::Absent, Sought::Found),
        }
    }

    /// The same, borrowed.
    pub(crate) fn as_ref(&self) -> Sought<&T> {
        match self {
            Self::Syncing => Sought::Syncing,
            Self::KindMissing => Sought::KindMissing,
            Self::Unreadable(why) => Sought::Unreadable(why.clone()),
            Self::Absent => Sought::Absent,
            Self::Found(found) => Sought::Found(found),
        }
    }

    /// What was found.
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Syncing | Self::KindMissing | Self::Unreadable(_) | Self::Absent => None,
        }
    }
}

// === impl Contents ===

impl<S: Foreign> Contents<S> {
    /// Why nothing can be said of the objects of the kind, if that is so.
    fn looked<T>(&self, seen: impl FnOnce() -> Sought<T>) -> Sought<T> {
        match self.availability() {
            Availability::Syncing => Sought::Syncing,
            Availability::Missing => Sought::KindMissing,
            Availability::Unreadable(why) => Sought::Unreadable(format!("{}: {why}", S::KIND)),
            Availability::Live => seen(),
        }
    }

    fn one(&self, namespace: &str, name: &str) -> Sought<Arc<View<S>>> {
        self.looked(|| match self.get(namespace, name) {
            None => Sought::Absent,
            Some(object) => match &object.malformed {
                Some(why) => Sought::Unreadable(format!("{}: {why}", S::KIND)),
                None => Sought::Found(object),
            },
        })
    }

    fn many(
        &self,
        namespace: Option<&str>,
        is_meant: impl Fn(&View<S>) -> bool,
    ) -> Sought<Vec<Arc<View<S>>>> {
        self.looked(|| {
            let meant = self.within(namespace).filter(|object| is_meant(object));
            Sought::Found(meant.cloned().collect())
        })
    }
}

#[cfg(test)]
mod tests;
