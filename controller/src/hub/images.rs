//! The images of `InfraEnv`s, for the machines that boot them.

use super::{Hub, shelf::Key};
use crate::{
    crd::{AgentIsoType, VMwareNodePoolTemplate},
    iso::{Download, Lack, Origin, download},
    wish::Wish,
};
use kube::{ResourceExt as _, runtime::reflector::ObjectRef};

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
        let download = download((namespace, name), places, || {
            self.infra_envs.lock().one(namespace, name)
        });
        Some(download.and_then(|download| {
            let authorities = match wish.iso.ca_bundle {
                Some(_) => String::new(),
                None => self.authorities.pem()?,
            };
            Ok(Download {
                authorities,
                ..download
            })
        }))
    }

    /// Wakes the templates whose machines boot the image of an `InfraEnv`.
    pub(super) fn wake_images(&self) {
        let mut templates = self.concerned();
        templates.retain(|template| infra_env(template).is_some());
        for template in templates {
            self.wake(ObjectRef::from_obj(&*template));
        }
    }

    /// Where the Agents of a template's node pool are, if that is to be known for an `InfraEnv` there.
    fn agents_elsewhere(&self, wish: &Wish, namespace: &str) -> Option<String> {
        let own = wish.owner.namespace.as_str();
        let pool = wish.mode.node_pool().filter(|_| namespace != own)?;
        let node_pool = self.node_pools.lock().one(own, pool);
        self.places(own, &node_pool).agents
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{hub::now, template},
        hub::IngressCa,
        kinds::Kind,
        reason::Reason,
    };
    use kube::runtime::{reflector::store::Writer, watcher::Event};
    use serde_json::{Value, json};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    fn follows(infra_env: &Value) -> VMwareNodePoolTemplate {
        let iso = json!({"type": "infraEnv", "infraEnv": infra_env});
        template(&json!({"agentISO": iso}))
    }

    /// A hub with these templates, and whom it wakes.
    fn hub(
        templates: Vec<VMwareNodePoolTemplate>,
    ) -> (
        Hub,
        UnboundedReceiver<kube::runtime::reflector::ObjectRef<VMwareNodePoolTemplate>>,
    ) {
        let (wake, woken) = unbounded_channel();
        let hub = Hub::new(IngressCa::default(), wake, now);
        let mut writer = Writer::default();
        for template in templates {
            writer.apply_watcher_event(&Event::Apply(template));
        }
        hub.templates(writer.as_reader());
        (hub, woken)
    }

    /// Whether a template that follows this `InfraEnv` is woken by a change of that one.
    fn is_woken(followed: &Value, (namespace, name): (&str, &str)) -> bool {
        let (hub, mut woken) = hub(vec![follows(followed)]);
        hub.wake_for(Kind::InfraEnv, &[(namespace.into(), name.into())]);
        woken.try_recv().is_ok()
    }

    #[test]
    fn a_change_of_an_infra_env_wakes_who_boots_its_image_also_in_test_mode() {
        for (followed, changed, woken) in [
            (json!({"name": "workers"}), ("clusters", "workers"), true),
            (json!({"name": "workers"}), ("clusters", "others"), false),
            (json!({"name": "workers"}), ("agents", "workers"), false),
            (
                json!({"name": "workers", "namespace": "agents"}),
                ("agents", "workers"),
                true,
            ),
        ] {
            assert_eq!(is_woken(&followed, changed), woken, "{followed}");
        }
    }

    #[test]
    fn a_template_with_another_source_is_not_woken() {
        let iso = json!({"infraEnv": {"name": "workers"}});
        let (hub, mut woken) = hub(vec![template(&json!({"agentISO": iso}))]);
        hub.wake_for(Kind::InfraEnv, &[("clusters".into(), "workers".into())]);
        assert!(woken.try_recv().is_err());
    }

    fn infra_env(namespace: &str) -> Value {
        json!({
            "kind": "InfraEnv", "metadata": {"name": "workers", "namespace": namespace},
            "status": {"isoDownloadURL": "https://images/a.iso", "createdTime": "now"},
        })
    }

    /// Where the image is fetched, for a template of a node pool whose Agents are in the namespace `agents`.
    fn image(namespace: &str) -> Result<Download, Reason> {
        let (hub, _) = hub(Vec::new());
        hub.furnish();
        hub.shelve(&json!({
            "kind": "NodePool", "metadata": {"name": "pool", "namespace": "clusters"},
            "spec": {"clusterName": "east"},
        }));
        hub.shelve(&json!({
            "kind": "HostedCluster", "metadata": {"name": "east", "namespace": "clusters"},
            "spec": {"platform": {"agent": {"agentNamespace": "agents"}}},
        }));
        for namespace in ["clusters", "agents", "others"] {
            hub.shelve(&infra_env(namespace));
        }
        let mut template = follows(&json!({"name": "workers", "namespace": namespace}));
        template.spec.test_mode = None;
        template.spec.node_pool_ref.name = "pool".into();
        let wish = Wish::of(&template).unwrap();
        hub.image(&wish).unwrap().map_err(|lack| lack.reason)
    }

    #[test]
    fn an_image_is_taken_from_where_the_template_or_its_agents_are() {
        let expected = Download {
            url: "https://images/a.iso".into(),
            revision: "now".into(),
            authorities: String::new(),
        };
        assert_eq!(image("clusters"), Ok(expected.clone()));
        assert_eq!(image("agents"), Ok(expected));
        assert_eq!(image("others"), Err(Reason::InfraEnvNotPermitted));
    }

    #[test]
    fn no_image_is_looked_for_where_none_is_named() {
        let (hub, _) = hub(Vec::new());
        let wish = Wish::of(&template(&json!({}))).unwrap();
        assert_eq!(hub.image(&wish), None);
    }
}
