//! Which Agents a NodePool takes that does not say so itself. Pure.
//!
//! HyperShift names what its machines are made from by a hash of the selector: to change it replaces every
//! machine of the pool. So it is filled only where it is empty and there is no machine yet.

use super::labels::{self, Labels};
use crate::{
    crd::NODE_POOL_LABEL,
    hub::Sought,
    kinds::{Kind, node_pool::NodePool},
    pool::Pool,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The version of the NodePools that we write.
pub(crate) const VERSION: &str = "v1beta1";

/// What a NodePool is to select Agents by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selection {
    /// The NodePool, as it is while it may be changed.
    pub(crate) node_pool: Arc<NodePool>,
    /// The labels, all of which our Agents get.
    labels: Labels,
}

/// What the NodePool of `pool` is to select by; `None` where it does so already, or has machines.
pub(crate) fn selection(pool: &Pool, template: &Labels) -> Option<Selection> {
    let node_pool = pool.node_pool.found()?;
    let name = &node_pool.meta.name;
    let mut labels = template.clone();
    if labels::is_value(name) {
        labels.insert(NODE_POOL_LABEL.into(), name.clone());
    }
    let wanted = is_empty(node_pool) && has_no_machines(pool, node_pool) && !labels.is_empty();
    wanted.then(|| Selection {
        node_pool: node_pool.clone(),
        labels,
    })
}

/// It takes any Agent.
fn is_empty(node_pool: &NodePool) -> bool {
    let agent = node_pool.spec.platform.agent.as_ref();
    let selector = agent.and_then(|agent| agent.agent_label_selector.as_ref());
    selector.is_none_or(|it| it.match_labels.is_empty() && it.match_expressions.is_empty())
}

/// It has no machine, and Cluster API is not about to make one. Who cannot look does not know that.
fn has_no_machines(pool: &Pool, node_pool: &NodePool) -> bool {
    let there = pool.machines.found().is_none_or(|it| !it.is_empty());
    let wanted = !matches!(pool.replicas, Sought::Absent | Sought::Found(0));
    let available = node_pool.status.replicas.unwrap_or_default() > 0;
    !there && !wanted && !available
}

// === impl Selection ===

impl Selection {
    /// What is applied, on condition that nobody has changed the NodePool since.
    pub(crate) fn body(&self) -> Value {
        let meta = &self.node_pool.meta;
        json!({
            "apiVersion": format!("{}/{VERSION}", Kind::NodePool.group()),
            "kind": Kind::NodePool.word(),
            "metadata": {
                "name": meta.name,
                "namespace": meta.namespace,
                "uid": meta.uid,
                "resourceVersion": meta.version.0,
            },
            "spec": {"platform": {"agent": {"agentLabelSelector": {"matchLabels": self.labels}}}},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{
        Version,
        machine::Machine,
        node_pool::{AgentPlatform, LabelSelector, Requirement},
    };

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let pairs = pairs.iter();
        pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect()
    }

    fn pool_of(selector: Option<LabelSelector>) -> Pool {
        let mut node_pool = NodePool::default();
        node_pool.meta.name = "workers".into();
        node_pool.meta.namespace = "clusters".into();
        node_pool.meta.uid = "uid".into();
        node_pool.meta.version = Version("7".into());
        node_pool.spec.platform.agent = Some(AgentPlatform {
            agent_label_selector: selector,
        });
        Pool {
            node_pool: Sought::Found(Arc::new(node_pool)),
            machines: Sought::Found(Vec::new()),
            ..Pool::default()
        }
    }

    fn selected(pool: &Pool) -> bool {
        selection(pool, &Labels::new()).is_some()
    }

    #[test]
    fn a_node_pool_that_takes_any_agent_is_given_the_companions_labels() {
        let found = selection(&pool_of(None), &labels(&[("zone", "a")])).unwrap();
        let expected = json!({
            "apiVersion": "hypershift.openshift.io/v1beta1",
            "kind": "NodePool",
            "metadata": {
                "name": "workers", "namespace": "clusters", "uid": "uid", "resourceVersion": "7",
            },
            "spec": {"platform": {"agent": {"agentLabelSelector": {"matchLabels": {
                "zone": "a",
                "vmware.hcp.open-cluster-management.io/nodepool": "workers",
            }}}}},
        });
        assert_eq!(found.body(), expected);
    }

    #[test]
    fn a_selector_that_says_anything_stays() {
        let by_label = LabelSelector {
            match_labels: labels(&[("pool", "a")]),
            ..LabelSelector::default()
        };
        let by_expression = LabelSelector {
            match_expressions: vec![Requirement::default()],
            ..LabelSelector::default()
        };
        for (selector, expected) in [
            (None, true),
            (Some(LabelSelector::default()), true),
            (Some(by_label), false),
            (Some(by_expression), false),
        ] {
            assert_eq!(
                selected(&pool_of(selector.clone())),
                expected,
                "{selector:?}"
            );
        }
    }

    #[test]
    fn a_node_pool_is_changed_only_while_it_is_known_to_have_no_machines() {
        let machine = || Arc::new(Machine::default());
        for (machines, expected) in [
            (Sought::Found(vec![]), true),
            (Sought::Found(vec![machine()]), false),
            (Sought::Syncing, false),
            (Sought::KindMissing, false),
            (Sought::Unreadable("no".into()), false),
        ] {
            let pool = Pool {
                machines: machines.clone(),
                ..pool_of(None)
            };
            assert_eq!(selected(&pool), expected, "{machines:?}");
        }
        for (replicas, expected) in [
            (Sought::Absent, true),
            (Sought::Found(0), true),
            (Sought::Found(1), false),
            (Sought::Syncing, false),
            (Sought::KindMissing, false),
            (Sought::Unreadable("no".into()), false),
        ] {
            let pool = Pool {
                replicas: replicas.clone(),
                ..pool_of(None)
            };
            assert_eq!(selected(&pool), expected, "{replicas:?}");
        }
        let mut available = pool_of(None);
        if let Sought::Found(node_pool) = &mut available.node_pool {
            Arc::make_mut(node_pool).status.replicas = Some(1);
        }
        assert!(!selected(&available));
    }

    #[test]
    fn without_any_label_nothing_can_be_selected_by() {
        let mut long = pool_of(None);
        if let Sought::Found(node_pool) = &mut long.node_pool {
            Arc::make_mut(node_pool).meta.name = "x".repeat(64);
        }
        assert!(!selected(&long));
        assert!(selection(&long, &labels(&[("zone", "a")])).is_some());
    }
}
