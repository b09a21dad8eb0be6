//! What a user asks for: the spec of a template.
#![allow(
    clippy::doc_markdown,
    reason = "the comments are the descriptions in the CRD"
)]

use super::{self_healing::SelfHealing, status::VMwareNodePoolTemplateStatus};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Describes the virtual machines of a node pool: where vSphere makes them and what they look like.
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "vmware.hcp.open-cluster-management.io",
    version = "v1alpha1",
    kind = "VMwareNodePoolTemplate",
    doc = "Makes the virtual machines of a HyperShift node pool in vSphere, and keeps them.",
    namespaced,
    shortname = "vmtemplate",
    shortname = "vmtpl",
    status = "VMwareNodePoolTemplateStatus",
    derive = "PartialEq",
    derive = "Default",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.currentReplicas"
    ),
    printcolumn(
        name = "Desired",
        type_ = "integer",
        json_path = ".status.desiredReplicas"
    ),
    printcolumn(
        name = "Current",
        type_ = "integer",
        json_path = ".status.currentReplicas"
    ),
    printcolumn(name = "Ready", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(
        name = "Joined",
        type_ = "integer",
        json_path = ".status.joinedReplicas"
    ),
    printcolumn(
        name = "Est. Capacity",
        type_ = "integer",
        json_path = ".status.resourceUtilization.estimatedVMCapacity",
        priority = 1
    ),
    printcolumn(
        name = "Storage Free GB",
        type_ = "integer",
        json_path = ".status.resourceUtilization.datastore.freeSpaceGB",
        priority = 1
    ),
    printcolumn(
        name = "CPU Used %",
        type_ = "integer",
        json_path = ".status.resourceUtilization.compute.cpuPercentUsed",
        priority = 1
    ),
    printcolumn(
        name = "Mem Used %",
        type_ = "integer",
        json_path = ".status.resourceUtilization.compute.memoryPercentUsed",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct VMwareNodePoolTemplateSpec {
    /// The NodePool whose machines these are, in the namespace of the template. Not needed in test
    /// mode.
    #[serde(default)]
    pub node_pool_ref: NodePoolReference,
    /// The Secret with address and credential of vCenter. Absent: `vsphere-credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "vSphereCredentials")]
    pub vsphere_credentials: Option<SecretReference>,
    /// What each machine shall be, and where.
    pub vm_template: VmTemplate,
    /// The discovery ISO that the machines boot.
    #[serde(rename = "agentISO")]
    pub agent_iso: AgentIso,
    /// Labels that the Agents of these machines get. Not a selector. Where the NodePool's selector needs
    /// another value, that one is set; a label that somebody else has set is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_label_selector: Option<BTreeMap<String, String>>,
    /// Makes `replicas` machines without a NodePool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_mode: Option<bool>,
    /// How many machines to have in test mode, 0 to 2000. Ignored with a NodePool, which says it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Machines to have beyond those that the NodePool asks for, on and ready to be bound, 0 to 2000.
    /// Absent: 0. Ignored in test mode, as `SpecValid` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spares: Option<i32>,
    /// How often the names in `vmTemplate` are looked up and the room is measured anew, as in `5m`, which
    /// is the default. Less than `1m` is taken as `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_polling_interval: Option<String>,
    /// Estimates capacity from what vSphere calls effective, less what HA's admission control and
    /// reservations keep back and what thin disks may still grow by, instead of from the total and from
    /// what is free now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_effective_capacity: Option<bool>,
    /// Limits to the number of machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// What becomes of the machines when the template is deleted. Absent: `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What becomes of machines that do not get on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_healing: Option<SelfHealing>,
}

/// What becomes of the machines of a template that is deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum DeletionPolicy {
    /// They are destroyed, and the template stays until each is proved gone. It waits for those that
    /// are workers of a cluster.
    #[default]
    Delete,
    /// They stay as they are, and the template goes at once.
    Orphan,
}

/// Names a NodePool.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePoolReference {
    /// Name of the NodePool. Empty only in test mode.
    #[serde(default)]
    pub name: String,
    /// Namespace of the NodePool. If given, it must be the namespace of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Names a Secret with the keys `server` (or `vCenter`), `username`, `password`, and one of
/// `thumbprint` (SHA-256 of vCenter's certificate), `cacertificate` (PEM) and `insecure` (`true`).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret. Absent: `vsphere-credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace of the Secret. If given, it must be the namespace of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What each machine shall be, and where. Names are looked up in the datacenter; an inventory path or
/// `moref:ID` is taken, too.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VmTemplate {
    /// Datacenter.
    pub datacenter: String,
    /// Cluster or stand-alone host. Absent: the owner of `resourcePool`, else the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Resource pool. Absent: the root pool of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_pool: Option<String>,
    /// Datastore of the machines' files and disks.
    pub datastore: String,
    /// Folder of the machines; missing levels are made. Absent: the datacenter's folder of virtual
    /// machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Standard network or distributed port group of the one interface.
    pub network: String,
    /// CPUs. Absent or 0: 2.
    #[serde(default, rename = "numCPUs", skip_serializing_if = "Option::is_none")]
    pub num_cpus: Option<i32>,
    /// Memory in MiB, a multiple of 4. Absent or 0: 8192, the least that the installer accepts.
    #[serde(default, rename = "memoryMB", skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<i64>,
    /// Size of the one disk in GiB. Absent or 0: 120.
    #[serde(
        default,
        rename = "diskSizeGB",
        skip_serializing_if = "Option::is_none"
    )]
    pub disk_size_gb: Option<i64>,
    /// Guest id of vSphere. Absent: `rhel8_64Guest`.
    #[serde(default, rename = "guestID", skip_serializing_if = "Option::is_none")]
    pub guest_id: Option<String>,
    /// `bios`, `efi` or `efi-secure`. Absent: `efi-secure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// Prefix of the machines' names, `<prefix>-n01`. Absent: the template's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<String>,
    /// Further settings of the machines' VMX files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_config: Option<BTreeMap<String, String>>,
    /// Settings that are rarely changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advanced_config: Option<AdvancedConfig>,
    /// The console's spelling of `spec.quota`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_limits: Option<ResourceLimits>,
}

/// Settings that are rarely changed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdvancedConfig {
    /// The guest sees the UUIDs of its disks. Absent: true.
    #[serde(
        default,
        rename = "diskEnableUUID",
        skip_serializing_if = "Option::is_none"
    )]
    pub disk_enable_uuid: Option<bool>,
    /// The guest sees the virtualisation of the CPU. Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nested_virtualization: Option<bool>,
}

/// Limits to the number of machines.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// Never more machines than this, 1 or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_vms: Option<i32>,
    /// Reports it when as many machines as this are asked for; at most `maxVms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_max_vms: Option<i32>,
}

/// The console's spelling of [`Quota`].
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ResourceLimits {
    /// As `quota.maxVms`.
    #[serde(default, rename = "maxVMs", skip_serializing_if = "Option::is_none")]
    pub max_vms: Option<i32>,
    /// As `quota.softMaxVms`.
    #[serde(
        default,
        rename = "softMaxVMs",
        skip_serializing_if = "Option::is_none"
    )]
    pub soft_max_vms: Option<i32>,
}

/// Where the discovery ISO comes from. The driver brings it to the datastore of the machines, unless it lies on
/// one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentIso {
    /// `datastore`: it lies at `datastorePath`. `url`: it is fetched from `url`. `infraEnv`: it is the image of
    /// the InfraEnv that `infraEnv` names, and follows it: machines that are made after the image was made
    /// anew boot the new one.
    #[serde(rename = "type")]
    pub type_: AgentIsoType,
    /// `[datastore] folder/file.iso`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datastore_path: Option<String>,
    /// Where to fetch it, `https`, or `http` where the driver permits that. Who has it may have all that is in
    /// the ISO: with `infraEnv` it need not stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The InfraEnv whose image it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infra_env: Option<InfraEnvReference>,
    /// What the name of the file on the datastore begins with; digits of its content follow, and `.iso`.
    /// Absent: the name of the InfraEnv, or `agent`.
    #[serde(
        default,
        rename = "uploadedISOName",
        skip_serializing_if = "Option::is_none"
    )]
    pub uploaded_iso_name: Option<String>,
    /// Authorities to trust as its source, PEM. Absent: `ca.crt` of `requestSecret`, or those of the driver's
    /// system, and for an InfraEnv also those of the hub's routes, where the hub is OpenShift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Proxy on the driver's way to the source, `http://host:port` or `https://host:port`. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// SHA-256 that the ISO must have, 64 hexadecimal digits. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// A Secret in the namespace of the template, with what the source is asked with: any of `headers` (lines
    /// `Name: value`), `proxyUsername`, `proxyPassword` and `ca.crt` (PEM), and `hosts`, the names of the hosts to
    /// which headers and login may be sent, as they are sent to no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_secret: Option<RequestSecretReference>,
}

/// Names an InfraEnv.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InfraEnvReference {
    /// Name of the InfraEnv.
    #[serde(default)]
    pub name: String,
    /// Namespace of the InfraEnv: that of the template, or that where the Agents of the node pool are. Absent:
    /// that of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Names a Secret in the namespace of the template.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestSecretReference {
    /// Name of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Kinds of sources of an ISO.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AgentIsoType {
    /// It lies on a datastore.
    #[default]
    Datastore,
    /// It is fetched from a URL.
    Url,
    /// It is the image of an InfraEnv.
    InfraEnv,
}
