//! What was seen: the status of a template.
#![allow(
    clippy::doc_markdown,
    reason = "the comments are the descriptions in the CRD"
)]

use super::{
    adoption::AdoptionStatus,
    self_healing::{Awaited, SelfHealingStatus},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was seen of the template's machines, and what stands in the way.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VMwareNodePoolTemplateStatus {
    /// What holds and what does not, each with a reason and what to do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many machines there shall be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
    /// How many machines there are in vSphere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<i32>,
    /// How many of them are powered on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// How many of them are nodes of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_replicas: Option<i32>,
    /// Each machine whose number was given out and that is not proved to be gone, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "atomic_list::<VmStatus>")]
    pub vm_status: Vec<VmStatus>,
    /// The number of the next new machine. It is written before a machine of a lower number is asked
    /// for, and never goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_slot: Option<i32>,
    /// What the annotation `…/adopt` does, or would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<AdoptionStatus>,
    /// What is remembered of machines that were replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_healing: Option<SelfHealingStatus>,
    /// The vCenter that the machines are in, by its instance UUID.
    #[serde(
        default,
        rename = "vCenterInstanceUUID",
        skip_serializing_if = "Option::is_none"
    )]
    pub vcenter_instance_uuid: Option<String>,
    /// The node pool was seen while it was being deleted: when it is gone then, that was meant.
    #[serde(default, skip_serializing_if = "is_false")]
    pub node_pool_deleting: bool,
    /// The Secret that is kept from going while this template may need it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub secret_in_use: String,
    /// The template is being deleted, and nothing of it is left: it needs its Secret no more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub finished: bool,
    /// Whether the ISO that is to be fetched is on its datastore, and whole. Left out where it is not to be
    /// fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iso_uploaded: Option<bool>,
    /// The ISO that new machines boot, `[datastore] folder/file.iso`. While another one is on its way, which
    /// they wait for, the one of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iso_path: Option<String>,
    /// How much room there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_utilization: Option<ResourceUtilization>,
    /// What the names in `vmTemplate` stand for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_validation: Option<ResourceValidation>,
}

/// All phases of a machine.
pub const PHASES: [&str; 16] = [
    "Pending",
    "Creating",
    "PoweringOn",
    "Running",
    "WaitingForAgent",
    "Discovered",
    "Insufficient",
    "Known",
    "Binding",
    "Installing",
    "Joined",
    "Unbinding",
    "NotReady",
    "Unknown",
    "Failed",
    "Deleting",
];

/// One machine. Fields that are not known are left out.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VmStatus {
    /// Name in vCenter.
    pub name: String,
    /// Its number at this template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<i32>,
    /// BIOS UUID. Its Agent is named by it, with the first groups in this order of bytes or in the other.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uuid: String,
    /// Instance UUID, one half of what makes the machine ours.
    #[serde(
        default,
        rename = "instanceUUID",
        skip_serializing_if = "String::is_empty"
    )]
    pub instance_uuid: String,
    /// SMBIOS serial number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub serial_number: String,
    /// `poweredOn`, `poweredOff` or `suspended`, as last seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub power_state: String,
    /// Its Agent, where those of the cluster are. It stays here when the Agent is gone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent_name: String,
    /// It was bound to a cluster once: when it is free again, it goes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub was_bound: bool,
    /// It has got on: a cluster could have taken it, or in test mode it was on. That it can be taken once
    /// more says nothing of those that cannot.
    #[serde(default, skip_serializing_if = "is_false")]
    pub was_ready: bool,
    /// How far it is on its way out. `Fencing`: its Agent is withdrawn, and if nobody bound it
    /// meanwhile, it goes. `Gone`: it is proved gone, and its Agent is still to go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub leaving: String,
    /// Why it goes: `Surplus`, `Released`; or it did not get on, and is replaced: `NotPoweredOn`,
    /// `NotRegistered`, `NotValidated`, `NotInstalled`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub leaving_reason: String,
    /// What it has a deadline for by `spec.selfHealing`. Left out while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Awaited>,
    /// How far it is: `Pending`, `Creating`, `PoweringOn`; then in test mode `Running`, and for a node
    /// pool `WaitingForAgent`, `Discovered`, `Insufficient`, `Known`, `Binding`, `Installing`, `Joined`,
    /// `Unbinding`; at any time `NotReady` (off), `Unknown`, `Failed`, `Deleting`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// The step of the installation, in the installer's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// Why it does not go on, and what to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// It was seen on once: since then nobody but a user switches it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub powered_on_once: bool,
    /// Managed object id, to prove by that it is gone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub moref: String,
    /// Folder where it was asked for, to prove by that it was never made. Left out once it has a moref.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub folder: String,
    /// When its phase last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

/// How much room there is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceUtilization {
    /// Room on the datastore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datastore: Option<DatastoreUtilization>,
    /// CPU and memory of the cluster or pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<ComputeUtilization>,
    /// How many machines would fit beside those that are there or being made, once other templates on
    /// the same cluster or datastore have theirs.
    #[serde(
        default,
        rename = "estimatedVMCapacity",
        skip_serializing_if = "Option::is_none"
    )]
    pub estimated_vm_capacity: Option<i32>,
    /// As many machines are asked for, or there, as `quota.softMaxVms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_limit_exceeded: Option<bool>,
    /// When vCenter was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<Time>,
}

/// Room on a datastore, in GiB.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DatastoreUtilization {
    /// Name of the datastore.
    pub name: String,
    /// Size.
    #[serde(rename = "capacityGB")]
    pub capacity_gb: i64,
    /// Free.
    #[serde(rename = "freeSpaceGB")]
    pub free_space_gb: i64,
    /// Used.
    #[serde(rename = "usedGB")]
    pub used_gb: i64,
    /// Used, in percent.
    pub percent_used: i32,
}

/// CPU and memory of a cluster or resource pool.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComputeUtilization {
    /// `Cluster` or `ResourcePool`.
    pub resource_type: String,
    /// Its name.
    pub name: String,
    /// All of its CPU, in MHz.
    pub cpu_total_mhz: i64,
    /// CPU that machines can use: of hosts in service, without what those need themselves.
    pub cpu_effective_mhz: i64,
    /// CPU in use.
    pub cpu_used_mhz: i64,
    /// CPU that is left; with `useEffectiveCapacity` beside what HA and reservations keep back.
    pub cpu_available_mhz: i64,
    /// CPU in use, in percent.
    pub cpu_percent_used: i32,
    /// All of its memory, in MiB.
    pub memory_total_mb: i64,
    /// Memory that machines can use: of hosts in service, without what those need themselves.
    pub memory_effective_mb: i64,
    /// Memory in use.
    pub memory_used_mb: i64,
    /// Memory that is left; with `useEffectiveCapacity` beside what HA and reservations keep back.
    pub memory_available_mb: i64,
    /// Memory in use, in percent.
    pub memory_percent_used: i32,
}

/// What the names in `vmTemplate` stand for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceValidation {
    /// The datacenter.
    #[serde(default)]
    pub datacenter: ResourceCheck,
    /// The cluster, where one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ResourceCheck>,
    /// The resource pool, where one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_pool: Option<ResourceCheck>,
    /// The datastore.
    #[serde(default)]
    pub datastore: ResourceCheck,
    /// The network.
    #[serde(default)]
    pub network: ResourceCheck,
    /// The folder, where one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<ResourceCheck>,
}

/// What one name stands for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceCheck {
    /// Whether it can be used.
    pub exists: bool,
    /// What it stands for, or why it cannot be used.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

// serde's signature.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A list that is replaced as a whole: merging a thousand entries one by one costs the API server twice
/// as much.
fn atomic_list<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let items: Value = generator.subschema_for::<T>().into();
    json_schema!({
        "type": "array",
        "items": items,
        "x-kubernetes-list-type": "atomic",
    })
}
