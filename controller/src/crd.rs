//! The custom resource `VMwareNodePoolTemplate`: nothing but types and their schema.
//!
//! The schema admits all that the Go companion's does, so that an object it stored can always be
//! written again; what is refused beyond it stands in `validation`.

mod adoption;
mod self_healing;
#[allow(clippy::duplicated_attributes, reason = "printer columns share types")]
mod spec;
mod status;

pub use adoption::{AdoptionPlan, AdoptionStatus};
pub use self_healing::{Awaited, SelfHealing, SelfHealingStatus};
pub use spec::{
    AdvancedConfig, AgentIso, AgentIsoType, DeletionPolicy, InfraEnvReference, NodePoolReference,
    Quota, RequestSecretReference, ResourceLimits, SecretReference, VMwareNodePoolTemplate,
    VMwareNodePoolTemplateSpec, VmTemplate,
};
pub use status::{
    ComputeUtilization, DatastoreUtilization, PHASES, ResourceCheck, ResourceUtilization,
    ResourceValidation, VMwareNodePoolTemplateStatus, VmStatus,
};

/// API group of the kind, and prefix of its annotations and finalizers.
pub const GROUP: &str = "vmware.hcp.open-cluster-management.io";

/// Kind of the object, also in the marks of its machines.
pub const KIND: &str = "VMwareNodePoolTemplate";

/// Keeps a template until each of its machines is proved to be gone.
pub const FINALIZER: &str = "vmware.hcp.open-cluster-management.io/finalizer";

/// Keeps an Agent until its machine is proved to be gone.
pub const AGENT_FINALIZER: &str = "vmware.hcp.open-cluster-management.io/agent-vm-cleanup";

/// Label of an Agent: the template whose machine it is in.
pub const MANAGED_BY_LABEL: &str = "vmware.hcp.open-cluster-management.io/managed-by";

/// Label of an Agent: the node pool that it is meant for.
pub const NODE_POOL_LABEL: &str = "vmware.hcp.open-cluster-management.io/nodepool";

/// Label of an Agent that was bound once: the node pool.
pub const BINDING_LABEL: &str = "vmware.hcp.open-cluster-management.io/binding";

/// Keeps a Secret while a template needs it to remove its machines.
pub const SECRET_FINALIZER: &str = "vmware.hcp.open-cluster-management.io/secret-in-use";

/// With the value `true`, nothing is done for the template; its status still follows.
pub const PAUSED: &str = "vmware.hcp.open-cluster-management.io/paused";

/// With the value `true`, a template that is being deleted goes at once, and leaves in vCenter what could
/// not be removed.
pub const ABANDON: &str = "vmware.hcp.open-cluster-management.io/abandon";

/// Machines of the companion, and of a template of the same name that is no more, become this template's:
/// with the value `plan` the status says what would change, with `true` it is done.
pub const ADOPT: &str = "vmware.hcp.open-cluster-management.io/adopt";

/// With the value `true`, the machines are given up to the companion, and left as they are.
pub const RELEASE: &str = "vmware.hcp.open-cluster-management.io/release";

/// With the value `true`, the number of machines may fall by more than half at once.
pub const ALLOW_SCALE_DOWN: &str = "vmware.hcp.open-cluster-management.io/allow-scale-down";

/// With the value `true`, machines are replaced again after the circuit was opened. It counts once; for
/// another time it is taken off and set again.
pub const CLOSE_CIRCUIT: &str = "vmware.hcp.open-cluster-management.io/close-circuit";

/// The Secret that is read where the template names none.
pub const DEFAULT_SECRET: &str = "vsphere-credentials";

/// Most machines that one template may ask for.
pub const MAX_REPLICAS: i32 = 2000;

#[cfg(test)]
mod tests {
    use super::*;
    use kube::CustomResourceExt as _;
    use serde_json::{Value, json};

    fn schema() -> Value {
        serde_json::to_value(VMwareNodePoolTemplate::crd()).unwrap()
    }

    fn version(crd: &Value) -> &Value {
        &crd["spec"]["versions"][0]
    }

    #[test]
    fn names_are_those_of_the_companion() {
        let names = &schema()["spec"]["names"];
        assert_eq!(
            names,
            &json!({
                "kind": "VMwareNodePoolTemplate",
                "plural": "vmwarenodepooltemplates",
                "shortNames": ["vmtemplate", "vmtpl"],
                "singular": "vmwarenodepooltemplate",
            })
        );
    }

    #[test]
    fn an_object_without_a_node_pool_is_served_with_an_empty_name() {
        let crd = schema();
        let spec = &version(&crd)["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let node_pool = &spec["properties"]["nodePoolRef"];
        assert_eq!(node_pool["default"], json!({"name": ""}));
        assert_eq!(node_pool["properties"]["name"]["default"], "");
        assert_eq!(node_pool.get("nullable"), None);
        assert_eq!(spec["required"], json!(["agentISO", "vmTemplate"]));
    }

    #[test]
    fn the_spec_has_no_bounds_that_the_companion_lacks() {
        let crd = schema();
        let spec = &version(&crd)["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let text = spec.to_string();
        for bound in ["minimum", "maximum", "pattern", "x-kubernetes-validations"] {
            assert!(!text.contains(bound), "{bound}");
        }
    }

    #[test]
    fn the_list_of_machines_is_atomic() {
        let crd = schema();
        let status = &version(&crd)["schema"]["openAPIV3Schema"]["properties"]["status"];
        let list = &status["properties"]["vmStatus"];
        assert_eq!(list["x-kubernetes-list-type"], "atomic");
    }

    #[test]
    fn what_the_companion_stored_is_read() {
        let stored = json!({
            "apiVersion": "vmware.hcp.open-cluster-management.io/v1alpha1",
            "kind": "VMwareNodePoolTemplate",
            "metadata": {"name": "pool", "namespace": "clusters"},
            "spec": {
                "agentISO": {"type": "url", "url": "https://images/discovery.iso"},
                "nodePoolRef": {"name": "pool"},
                "quota": {"maxVms": 0},
                "resourcePollingInterval": "10m",
                "vmTemplate": {"datacenter": "DC0", "datastore": "ds", "network": "net", "numCPUs": -1},
            },
            "status": {
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "AllReady", "message": "",
                    "lastTransitionTime": "2025-11-28T10:00:00Z",
                }],
                "currentReplicas": 1,
                "vmStatus": [{"name": "pool-n01", "lastTransitionTime": "2025-11-28T10:00:00Z"}],
                "resourceUtilization": {
                    "datastore": {"name": "ds", "capacityGB": 1, "freeSpaceGB": 1, "usedGB": 0, "percentUsed": 0},
                    "estimatedVMCapacity": 3, "lastUpdated": "2025-11-28T10:00:00Z",
                },
            },
        });
        let template: VMwareNodePoolTemplate = serde_json::from_value(stored).unwrap();
        assert_eq!(template.status.unwrap().vm_status[0].name, "pool-n01");
    }
}
