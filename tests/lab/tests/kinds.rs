//! The kinds that node pools live on: what the lab's own manifests take, keep and refuse.

use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use lab::Lab;
use serde_json::{Value, json};

/// Objects of one kind.
struct Kind(Api<DynamicObject>, ApiResource);

impl Kind {
    fn of(lab: &Lab, group: &str, kind: &str) -> Self {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1beta1", kind));
        let api = Api::namespaced_with(lab.client().expect("a hub"), lab.namespace(), &resource);
        Self(api, resource)
    }

    async fn create(&self, spec: &Value) -> kube::Result<DynamicObject> {
        let mut object = DynamicObject::new("", &self.1).data(json!({"spec": spec}));
        object.metadata.name = None;
        object.metadata.generate_name = Some("it-".to_owned());
        self.0.create(&PostParams::default(), &object).await
    }
}

#[tokio::test]
async fn the_hub_refuses_what_the_real_kinds_refuse_and_keeps_what_they_leave_open() {
    let lab = Lab::builder().without_driver().node_pools().start().await;
    let lab = lab.unwrap();
    let pools = Kind::of(&lab, "hypershift.openshift.io", "NodePool");
    let spec = |more: Value| {
        let mut spec = json!({
            "clusterName": "hosted", "management": {"upgradeType": "InPlace"},
            "platform": {"type": "Agent", "agent": {}}, "release": {"image": "kept"},
        });
        let fields = spec.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        spec
    };
    let pool = pools.create(&spec(json!({"replicas": 2}))).await.unwrap();
    assert_eq!(pool.data["spec"]["release"]["image"], "kept");
    assert_eq!(pool.data["spec"]["arch"], "amd64");
    let both = json!({"replicas": 2, "autoScaling": {"min": 1, "max": 2}});
    assert!(pools.create(&spec(both)).await.is_err());

    let agents = Kind::of(&lab, "agent-install.openshift.io", "Agent");
    agents.create(&json!({"approved": false})).await.unwrap();
    for refused in [
        json!({}),
        json!({"approved": true, "role": "king"}),
        json!({"approved": true, "installation_disk_id": "a", "installation_disk_path": "b"}),
    ] {
        assert!(agents.create(&refused).await.is_err(), "{refused}");
    }
}

#[tokio::test]
async fn the_kinds_can_come_later_and_go_again() {
    let lab = Lab::builder().without_driver().own_hub().start().await;
    let lab = lab.unwrap();
    assert!(lab.kubectl(&["get", "nodepools"]).await.is_err());
    lab.apply_node_pool_kinds().await.unwrap();
    lab.kubectl(&["get", "nodepools"]).await.unwrap();
    lab.remove_node_pool_kinds().await.unwrap();
    let gone = ["wait", "--for=delete", "--timeout=60s"];
    let kind = ["crd/nodepools.hypershift.openshift.io"];
    lab.kubectl(&[&gone[..], &kind[..]].concat()).await.unwrap();
    lab.kubectl(&["get", "vmtemplate"]).await.unwrap();
}
