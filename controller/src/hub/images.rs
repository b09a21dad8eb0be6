//! The images of `InfraEnv`s, for the machines that boot them.

use super::{Hub, shelf::Key};
use crate::{
    crd::{AgentIsoType, VMwareNodePoolTemplate},
    iso::{Download, Lack, Origin, download},
    wish::Wish,
};
use kube::ResourceExt as _;

/// The `InfraEnv` whose image the machines of a template boot.
pub(super) fn infra_env(template: &VMwareNodePoolTemplate) -> Option<Key> {
    let iso = &template.spec.agent_iso;
    let named = iso.infra_env.as_ref();
    let named = named.filter(|_| iso.type_ == AgentIsoType::InfraEnv)?;
    let namespace = named.namespace.clone().filter(|name| !name.is_empty());
    Some((
        namespace.or_else(|| template.namespace())?,
        named.name.clone(),
    ))
}

/// Whether one of these `InfraEnv`s is it.
pub(super) fn is_of(template: &VMwareNodePoolTemplate, changed: &[Key]) -> bool {
    infra_env(template).is_some_and(|named| changed.contains(&named))
}

// === impl Hub ===

impl Hub {
    /// Where the image is fetched that the machines of a template boot, if that is the image of an `InfraEnv`.
    pub fn image(&self, wish: &Wish) -> Option<Result<Download, Lack>> {
        let Origin::InfraEnv { namespace, name } = &wish.iso.origin else {
            return None;
        };
        let own = wish.owner.namespace.as_str();
        let namespace = namespace.as_deref().unwrap_or(own);
        let agents = self.agents_elsewhere(wish, namespace);
        let places = (own, agents.as_deref());
        Some(download((namespace, name), places, || {
            self.infra_envs.lock().one(namespace, name)
        }))
    }

    /// Where the Agents of a template's node pool are, if that is to be known for an `InfraEnv` there.
    fn agents_elsewhere(&self, wish: &Wish, namespace: &str) -> Option<String> {
        let own = wish.owner.namespace.as_str();
        let pool = wish.mode.node_pool().filter(|_| namespace != own)?;
        let node_pool = self.node_pools.lock().one(own, pool);
        self.places(own, &node_pool).agents
    }
}
