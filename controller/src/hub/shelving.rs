//! Puts objects onto shelves without an API server, for tests of those who look at them.

use super::{Hub, Shelf};
use crate::{
    hub::Availability,
    kinds::{Foreign, Kind, View},
};
use kube::runtime::watcher::Event;
use serde_json::Value;

impl Hub {
    /// The hub has all kinds, and no object of them yet.
    pub(crate) fn furnish(&self) {
        fn empty<S: Foreign>(shelf: &Shelf<S>) {
            shelf.lock().turn(Availability::Live);
        }
        empty(&self.node_pools);
        empty(&self.hosted_clusters);
        empty(&self.agents);
        empty(&self.infra_envs);
        empty(&self.agent_machines);
        empty(&self.machines);
        empty(&self.machine_deployments);
        empty(&self.machine_sets);
    }

    /// The object is there and looks so.
    pub(crate) fn shelve(&self, object: &Value) {
        self.tell(object, false);
    }

    /// The object is gone.
    pub(crate) fn unshelve(&self, object: &Value) {
        self.tell(object, true);
    }

    /// Node pools are so.
    pub(crate) fn turn_node_pools(&self, availability: Availability) {
        self.node_pools.lock().turn(availability);
    }

    /// `InfraEnv`s are so.
    pub(crate) fn turn_infra_envs(&self, availability: Availability) {
        self.infra_envs.lock().turn(availability);
    }

    fn tell(&self, object: &Value, gone: bool) {
        fn put<S: Foreign>(shelf: &Shelf<S>, object: &Value, gone: bool) -> bool {
            if object["kind"] != S::KIND.word() {
                return false;
            }
            let view = View::<S>::of(serde_json::from_value(object.clone()).unwrap());
            shelf.lock().apply(if gone {
                Event::Delete(view)
            } else {
                Event::Apply(view)
            });
            true
        }
        let put = put(&self.node_pools, object, gone)
            || put(&self.hosted_clusters, object, gone)
            || put(&self.agents, object, gone)
            || put(&self.infra_envs, object, gone)
            || put(&self.agent_machines, object, gone)
            || put(&self.machines, object, gone)
            || put(&self.machine_deployments, object, gone)
            || put(&self.machine_sets, object, gone);
        assert!(put, "no such kind as of {object}");
    }
}

#[test]
fn each_kind_has_a_shelf() {
    let (wake, _) = tokio::sync::mpsc::unbounded_channel();
    let hub = Hub::new(
        crate::hub::IngressCa::default(),
        wake,
        crate::fixtures::hub::now,
    );
    hub.furnish();
    for kind in Kind::ALL {
        let word = kind.word();
        hub.shelve(&serde_json::json!({"kind": word, "metadata": {"name": "a"}}));
    }
}
