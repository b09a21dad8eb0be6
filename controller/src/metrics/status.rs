//! The series of one template, as its status tells them.

use super::{
    Metrics,
    labels::{Template, condition_labels, phase_labels, resource_labels, stage_labels, template},
};
use crate::{
    crd::{PHASES, ResourceCheck, ResourceValidation, VMwareNodePoolTemplateStatus},
    healing::Stage,
    reconcile::CONDITIONS,
};
use prometheus_client::metrics::{family::Family, gauge::Gauge};
use std::collections::{BTreeMap, BTreeSet};

/// The companion's words for what a template names.
const RESOURCES: [&str; 6] = [
    "datacenter",
    "cluster",
    "resourcepool",
    "datastore",
    "network",
    "folder",
];

// === impl Metrics ===

impl Metrics {
    /// A status was written.
    pub(crate) fn wrote(
        &self,
        (namespace, name): (&str, &str),
        old: &VMwareNodePoolTemplateStatus,
        new: &VMwareNodePoolTemplateStatus,
    ) {
        let labels = template(namespace, name);
        self.status_writes.get_or_create(&labels).inc();
        let count = |gauge: &Family<Template, Gauge>, number: Option<i32>| {
            gauge
                .get_or_create(&labels)
                .set(number.unwrap_or_default().into());
        };
        count(&self.vm_count, new.current_replicas);
        count(&self.vm_ready, new.ready_replicas);
        count(&self.vm_desired, new.desired_replicas);
        self.phases(&labels, new);
        let (made, gone) = changes(old, new);
        self.vm_created.get_or_create(&labels).inc_by(made);
        self.vm_deleted.get_or_create(&labels).inc_by(gone);
        for stage in replaced(old, new) {
            let labels = stage_labels(&labels, stage);
            self.replacements.get_or_create(&labels).inc();
        }
        self.conditions(&labels, new);
        self.room.show(&labels, new.resource_utilization.as_ref());
        if let Some(validation) = &new.resource_validation {
            self.resources(&labels, validation);
        }
    }

    /// The template is gone, and its series with it.
    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        let labels = template(namespace, name);
        for gauge in [&self.vm_count, &self.vm_ready, &self.vm_desired] {
            gauge.remove(&labels);
        }
        for counter in [
            &self.vm_created,
            &self.vm_deleted,
            &self.reconciles,
            &self.errors,
            &self.status_writes,
        ] {
            counter.remove(&labels);
        }
        for stage in Stage::ALL {
            self.replacements.remove(&stage_labels(&labels, stage));
        }
        self.room.forget(&labels);
        for phase in PHASES {
            self.machines.remove(&phase_labels(&labels, phase));
        }
        for condition in CONDITIONS {
            self.condition.remove(&condition_labels(&labels, condition));
        }
        for resource_type in RESOURCES {
            self.validation
                .remove(&resource_labels(&labels, resource_type));
        }
    }

    fn phases(&self, labels: &Template, status: &VMwareNodePoolTemplateStatus) {
        for phase in PHASES {
            let labels = phase_labels(labels, phase);
            let entries = status.vm_status.iter();
            match entries.filter(|entry| entry.phase == phase).count() {
                0 => drop(self.machines.remove(&labels)),
                count => {
                    let count = i64::try_from(count).unwrap_or(i64::MAX);
                    self.machines.get_or_create(&labels).set(count);
                }
            }
        }
    }

    fn conditions(&self, labels: &Template, status: &VMwareNodePoolTemplateStatus) {
        for condition in &status.conditions {
            let labels = condition_labels(labels, &condition.type_);
            let value = match condition.status.as_str() {
                "True" => 1,
                "False" => 0,
                _ => -1,
            };
            self.condition.get_or_create(&labels).set(value);
        }
    }

    fn resources(&self, labels: &Template, validation: &ResourceValidation) {
        let ResourceValidation {
            datacenter,
            cluster,
            resource_pool,
            datastore,
            network,
            folder,
        } = validation;
        let checks: [Option<&ResourceCheck>; 6] = [
            Some(datacenter),
            cluster.as_ref(),
            resource_pool.as_ref(),
            Some(datastore),
            Some(network),
            folder.as_ref(),
        ];
        for (resource_type, check) in RESOURCES.into_iter().zip(checks) {
            let labels = resource_labels(labels, resource_type);
            match check {
                Some(check) => {
                    self.validation
                        .get_or_create(&labels)
                        .set(check.exists.into());
                }
                None => {
                    self.validation.remove(&labels);
                }
            }
        }
    }
}

/// How many machines were made, and how many are gone, from `old` to `new`.
fn changes(old: &VMwareNodePoolTemplateStatus, new: &VMwareNodePoolTemplateStatus) -> (u64, u64) {
    let made = |status: &VMwareNodePoolTemplateStatus| {
        let made = status
            .vm_status
            .iter()
            .filter(|entry| !entry.moref.is_empty());
        made.filter_map(|entry| entry.slot).collect::<BTreeSet<_>>()
    };
    let (before, after) = (made(old), made(new));
    let count = |difference: usize| u64::try_from(difference).unwrap_or(u64::MAX);
    (
        count(after.difference(&before).count()),
        count(before.difference(&after).count()),
    )
}

/// What each machine did not reach that leaves for it in `new`, and did not in `old`.
fn replaced(old: &VMwareNodePoolTemplateStatus, new: &VMwareNodePoolTemplateStatus) -> Vec<Stage> {
    let leaving = |status: &VMwareNodePoolTemplateStatus| {
        let entries = status.vm_status.iter();
        let leaving =
            entries.filter_map(|it| Some((it.slot, Stage::of_reason(&it.leaving_reason)?)));
        leaving.collect::<BTreeMap<_, _>>()
    };
    let mut leaves = leaving(new);
    leaves.retain(|slot, _| !leaving(old).contains_key(slot));
    leaves.into_values().collect()
}
