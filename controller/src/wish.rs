//! What a template asks for, in checked values. Pure.

use crate::{
    crd::{
        ABANDON, ADOPT, ALLOW_SCALE_DOWN, AdvancedConfig, CLOSE_CIRCUIT, DEFAULT_SECRET,
        DeletionPolicy, FINALIZER, PAUSED, RELEASE, VMwareNodePoolTemplate,
        VMwareNodePoolTemplateSpec, VmTemplate,
    },
    driver::{Basis, ExtraConfig, Firmware, MachineSpec, Owner},
    healing::Healing,
    iso::IsoWish,
    link::SecretRef,
    validation,
};
use jiff::Timestamp;
use kube::ResourceExt as _;
use std::{collections::BTreeMap, time::Duration};

const DISK_GIB: i32 = 120;
const INTERVAL: Duration = Duration::from_mins(5);
const SHORTEST_INTERVAL: Duration = Duration::from_mins(1);

/// What a template asks for.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them may hold"
)]
pub struct Wish {
    /// The template, as the owner of machines.
    pub owner: Owner,
    /// When the template was made.
    pub created: Option<Timestamp>,
    /// Generation of the spec that says so.
    pub generation: Option<i64>,
    /// The template is being deleted.
    pub deleting: bool,
    /// What becomes of its machines then.
    pub ending: Ending,
    /// It bears our finalizer.
    pub finalizer: bool,
    /// Nothing is to be done.
    pub paused: bool,
    /// Machines that are not the template's yet shall be.
    pub adopt: Option<Adopt>,
    /// The machines are the companion's again.
    pub release: bool,
    /// Who says how many machines there shall be.
    pub mode: Mode,
    /// Machines of a node pool beyond those that it asks for.
    pub spares: i32,
    /// The number of machines of a node pool may fall by more than half at once.
    pub may_scale_down: bool,
    /// What becomes of machines that do not get on; `None`: they stay.
    pub healing: Option<Healing>,
    /// Machines are to be replaced again, however many were.
    pub close_circuit: bool,
    /// Labels for the Agents of the machines.
    pub agent_labels: BTreeMap<String, String>,
    /// Never more machines than this.
    pub max: Option<i32>,
    /// To be reported from this many on.
    pub soft_max: Option<i32>,
    /// Prefix of names.
    pub prefix: String,
    /// What each machine shall be, but for the ISO.
    pub spec: MachineSpec,
    /// The ISO that they boot.
    pub iso: IsoWish,
    /// The Secret with the credential.
    pub secret: SecretRef,
    /// How often names are looked up and the room is measured anew.
    pub interval: Duration,
    /// From which sum the room is estimated.
    pub basis: Basis,
    /// What is wrong with the spec.
    pub problems: Vec<String>,
    /// What of the spec changes nothing.
    pub ignored: Vec<&'static str>,
}

/// How far an adoption is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopt {
    /// Say what would change.
    Plan,
    /// Do it.
    Do,
}

/// Who says how many machines there shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The template itself.
    Test {
        /// So many.
        replicas: i32,
    },
    /// A node pool in the template's namespace.
    NodePool {
        /// Its name.
        name: String,
        /// The template says a number, too, which does not count.
        replicas_ignored: bool,
    },
}

/// What becomes of the machines of a template that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They go first, each proved gone.
    Drain,
    /// They stay, as the spec says.
    Orphan,
    /// What cannot be removed stays, as an annotation says.
    Abandon,
}

// === impl Wish ===

impl Wish {
    /// What `template` asks for; `None` if it lacks what the API server always sets.
    pub fn of(template: &VMwareNodePoolTemplate) -> Option<Self> {
        let owner = Owner {
            namespace: template.namespace()?,
            name: template.metadata.name.clone()?,
            uid: template.uid()?,
        };
        let spec = &template.spec;
        let quota = spec.quota.clone().unwrap_or_default();
        let limits = spec.vm_template.resource_limits.clone().unwrap_or_default();
        let secret = spec.vsphere_credentials.clone().unwrap_or_default();
        let annotated =
            |name: &str| template.annotations().get(name).map(String::as_str) == Some("true");
        Some(Self {
            created: template.creation_timestamp().map(|time| time.0),
            generation: template.metadata.generation,
            deleting: template.metadata.deletion_timestamp.is_some(),
            finalizer: template.finalizers().iter().any(|name| name == FINALIZER),
            ending: match spec.deletion_policy.unwrap_or_default() {
                _ if annotated(ABANDON) => Ending::Abandon,
                DeletionPolicy::Delete => Ending::Drain,
                DeletionPolicy::Orphan => Ending::Orphan,
            },
            paused: annotated(PAUSED),
            adopt: Adopt::of(template.annotations().get(ADOPT).map(String::as_str)),
            release: annotated(RELEASE),
            mode: Mode::of(spec),
            spares: spec.spares.unwrap_or_default(),
            may_scale_down: annotated(ALLOW_SCALE_DOWN),
            healing: Healing::of(
                spec.self_healing.as_ref(),
                spec.test_mode.unwrap_or_default(),
            ),
            close_circuit: annotated(CLOSE_CIRCUIT),
            agent_labels: spec.agent_label_selector.clone().unwrap_or_default(),
            max: quota.max_vms.or(limits.max_vms),
            soft_max: quota.soft_max_vms.or(limits.soft_max_vms),
            prefix: given(spec.vm_template.name_prefix.as_ref())
                .unwrap_or_else(|| owner.name.clone()),
            spec: machine_spec(&spec.vm_template),
            iso: IsoWish::of(&spec.agent_iso, &spec.vm_template),
            secret: SecretRef {
                namespace: owner.namespace.clone(),
                name: given(secret.name.as_ref()).unwrap_or_else(|| DEFAULT_SECRET.into()),
            },
            interval: interval(spec.resource_polling_interval.as_deref()),
            basis: match spec.use_effective_capacity {
                Some(true) => Basis::Effective,
                Some(false) | None => Basis::Total,
            },
            problems: validation::problems(spec, &owner.namespace),
            ignored: validation::ignored(spec),
            owner,
        })
    }

    /// As the companion calls the template in the tags of its machines.
    pub fn companion_name(&self) -> String {
        format!("{}/{}", self.owner.namespace, self.owner.name)
    }
}

// === impl Adopt ===

impl Adopt {
    fn of(annotation: Option<&str>) -> Option<Self> {
        match annotation? {
            "plan" => Some(Self::Plan),
            "true" => Some(Self::Do),
            _ => None,
        }
    }
}

// === impl Mode ===

impl Mode {
    /// Who it is, by this spec.
    pub fn of(spec: &VMwareNodePoolTemplateSpec) -> Self {
        if spec.test_mode == Some(true) {
            return Self::Test {
                replicas: spec.replicas.unwrap_or_default(),
            };
        }
        Self::NodePool {
            name: spec.node_pool_ref.name.clone(),
            replicas_ignored: spec.replicas.is_some(),
        }
    }

    /// The node pool, if there is one.
    pub fn node_pool(&self) -> Option<&str> {
        match self {
            Self::Test { .. } => None,
            Self::NodePool { name, .. } => Some(name),
        }
    }
}

fn machine_spec(template: &VmTemplate) -> MachineSpec {
    let VmTemplate {
        datacenter,
        cluster,
        resource_pool,
        datastore,
        folder,
        network,
        num_cpus,
        memory_mb,
        disk_size_gb,
        guest_id,
        firmware,
        name_prefix: _,
        extra_config,
        advanced_config,
        resource_limits: _,
    } = template.clone();
    let AdvancedConfig {
        disk_enable_uuid,
        nested_virtualization,
    } = advanced_config.unwrap_or_default();
    MachineSpec {
        datacenter,
        cluster: cluster.unwrap_or_default(),
        resource_pool: resource_pool.unwrap_or_default(),
        datastore,
        folder: folder.unwrap_or_default(),
        network,
        num_cpus: num_cpus.unwrap_or_default(),
        memory_mib: bounded(memory_mb.unwrap_or_default()),
        disk_gib: match bounded(disk_size_gb.unwrap_or_default()) {
            0 => DISK_GIB,
            size => size,
        },
        guest_id: guest_id.unwrap_or_default(),
        firmware: match firmware.as_deref() {
            Some("bios") => Firmware::Bios,
            Some("efi") => Firmware::Efi,
            // Any other word is among the problems, and nothing is made of such a spec.
            _ => Firmware::EfiSecure,
        },
        nested_virtualization: nested_virtualization.unwrap_or(true),
        disk_enable_uuid: disk_enable_uuid.unwrap_or(true),
        iso_path: None,
        extra_config: ExtraConfig(extra_config.unwrap_or_default()),
    }
}

fn interval(text: Option<&str>) -> Duration {
    let asked = text
        .and_then(validation::go_duration)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    asked.map_or(INTERVAL, |asked| asked.max(SHORTEST_INTERVAL))
}

fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

/// A number beyond the bounds is among the problems, and nothing is made of such a spec.
fn bounded(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::template;
    use serde_json::json;

    fn wish(change: &serde_json::Value) -> Wish {
        Wish::of(&template(change)).unwrap()
    }

    #[test]
    fn what_is_left_out_is_what_the_companion_makes_of_it() {
        let wish = wish(&json!({}));
        let expected = MachineSpec {
            datacenter: "DC0".into(),
            datastore: "ds".into(),
            network: "net".into(),
            disk_gib: 120,
            nested_virtualization: true,
            disk_enable_uuid: true,
            ..MachineSpec::default()
        };
        assert_eq!(wish.spec, expected);
        assert_eq!(wish.spec.firmware, Firmware::EfiSecure);
        assert_eq!(
            (wish.prefix.as_str(), wish.secret.name.as_str()),
            ("pool", DEFAULT_SECRET)
        );
    }

    #[test]
    fn the_quota_is_read_in_either_spelling() {
        for (change, max) in [
            (json!({}), None),
            (json!({"quota": {"maxVms": 3}}), Some(3)),
            (
                json!({"vmTemplate": {"resourceLimits": {"maxVMs": 2}}}),
                Some(2),
            ),
        ] {
            assert_eq!(wish(&change).max, max, "{change}");
        }
    }

    #[test]
    fn the_url_of_an_iso_is_never_printed() {
        let iso = json!({"type": "url", "url": "https://images/canary/a.iso"});
        let wish = wish(&json!({"agentISO": iso}));
        assert!(!format!("{wish:?}").contains("canary"));
    }

    #[test]
    fn an_interval_is_never_shorter_than_a_minute() {
        for (text, seconds) in [
            (None, 300),
            (Some("10m"), 600),
            (Some("1s"), 60),
            (Some("nonsense"), 300),
        ] {
            assert_eq!(interval(text).as_secs(), seconds, "{text:?}");
        }
    }
}
