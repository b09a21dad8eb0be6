//! The room that templates have, under the companion's names.

use super::Template;
use crate::crd::{ComputeUtilization, DatastoreUtilization, ResourceUtilization};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Name, help and value of a figure.
type Figure<T> = (&'static str, &'static str, fn(&T) -> i64);

const DATASTORE: [Figure<DatastoreUtilization>; 4] = [
    ("capacity_gb", "Size of the datastore in GiB", |d| {
        d.capacity_gb
    }),
    ("free_gb", "Space that is free in GiB", |d| d.free_space_gb),
    ("used_gb", "Space that is used in GiB", |d| d.used_gb),
    ("percent_used", "Space that is used in percent", |d| {
        d.percent_used.into()
    }),
];

const COMPUTE: [Figure<ComputeUtilization>; 10] = [
    ("cpu_total_mhz", "All CPU in MHz", |c| c.cpu_total_mhz),
    ("cpu_effective_mhz", "CPU that machines can use", |c| {
        c.cpu_effective_mhz
    }),
    ("cpu_available_mhz", "CPU that is left", |c| {
        c.cpu_available_mhz
    }),
    ("cpu_used_mhz", "CPU in use", |c| c.cpu_used_mhz),
    ("cpu_percent_used", "CPU in use in percent", |c| {
        c.cpu_percent_used.into()
    }),
    ("memory_total_mb", "All memory in MiB", |c| {
        c.memory_total_mb
    }),
    ("memory_effective_mb", "Memory that machines can use", |c| {
        c.memory_effective_mb
    }),
    ("memory_available_mb", "Memory that is left", |c| {
        c.memory_available_mb
    }),
    ("memory_used_mb", "Memory in use", |c| c.memory_used_mb),
    ("memory_percent_used", "Memory in use in percent", |c| {
        c.memory_percent_used.into()
    }),
];

/// The room of all templates; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct RoomMetrics {
    datastore: [Family<DatastoreLabels, Gauge>; DATASTORE.len()],
    compute: [Family<ComputeLabels, Gauge>; COMPUTE.len()],
    estimate: Family<Template, Gauge>,
    shown: Arc<Mutex<HashMap<Template, Shown>>>,
}

/// The series that a template has: they go when it names something else.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shown {
    datastore: Option<DatastoreLabels>,
    compute: Option<ComputeLabels>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DatastoreLabels {
    name: String,
    namespace: String,
    datastore: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ComputeLabels {
    name: String,
    namespace: String,
    resource_type: String,
    resource_name: String,
}

impl RoomMetrics {
    /// Puts every metric into `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        for ((name, help, _), family) in DATASTORE.iter().zip(&self.datastore) {
            registry.register(
                format!("vmware_hcp_datastore_{name}"),
                *help,
                family.clone(),
            );
        }
        for ((name, help, _), family) in COMPUTE.iter().zip(&self.compute) {
            registry.register(format!("vmware_hcp_compute_{name}"), *help, family.clone());
        }
        let help = "Machines that would fit beside those that are there";
        let estimate = self.estimate.clone();
        registry.register("vmware_hcp_estimated_vm_capacity", help, estimate);
    }

    /// A template has this room, or it is not known.
    pub(super) fn show(&self, template: &Template, room: Option<&ResourceUtilization>) {
        let datastore = room.and_then(|room| room.datastore.as_ref());
        let compute = room.and_then(|room| room.compute.as_ref());
        let labels = Shown {
            datastore: datastore.map(|datastore| datastore_labels(template, datastore)),
            compute: compute.map(|compute| compute_labels(template, compute)),
        };
        self.replace(template, &labels);
        if let (Some(labels), Some(datastore)) = (&labels.datastore, datastore) {
            for ((_, _, value), family) in DATASTORE.iter().zip(&self.datastore) {
                family.get_or_create(labels).set(value(datastore));
            }
        }
        if let (Some(labels), Some(compute)) = (&labels.compute, compute) {
            for ((_, _, value), family) in COMPUTE.iter().zip(&self.compute) {
                family.get_or_create(labels).set(value(compute));
            }
        }
        match room.and_then(|room| room.estimated_vm_capacity) {
            Some(machines) => {
                let gauge = self.estimate.get_or_create(template);
                gauge.set(machines.into());
            }
            None => {
                self.estimate.remove(template);
            }
        }
    }

    /// The template is gone, and its series with it.
    pub(super) fn forget(&self, template: &Template) {
        self.show(template, None);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.remove(template);
    }

    /// Removes the series of what a template no longer names.
    fn replace(&self, template: &Template, now: &Shown) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shown.insert(template.clone(), now.clone());
        let Shown { datastore, compute } = before.unwrap_or_default();
        if let Some(labels) = datastore.filter(|before| now.datastore.as_ref() != Some(before)) {
            for family in &self.datastore {
                family.remove(&labels);
            }
        }
        if let Some(labels) = compute.filter(|before| now.compute.as_ref() != Some(before)) {
            for family in &self.compute {
                family.remove(&labels);
            }
        }
    }
}

fn datastore_labels(template: &Template, datastore: &DatastoreUtilization) -> DatastoreLabels {
    let Template { name, namespace } = template.clone();
    DatastoreLabels {
        name,
        namespace,
        datastore: datastore.name.clone(),
    }
}

fn compute_labels(template: &Template, compute: &ComputeUtilization) -> ComputeLabels {
    let Template { name, namespace } = template.clone();
    ComputeLabels {
        name,
        namespace,
        resource_type: compute.resource_type.clone(),
        resource_name: compute.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    fn text(metrics: &RoomMetrics) -> String {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    fn template() -> Template {
        Template {
            name: "pool".into(),
            namespace: "clusters".into(),
        }
    }

    fn room(datastore: &str, cluster: &str) -> ResourceUtilization {
        ResourceUtilization {
            datastore: Some(DatastoreUtilization {
                name: datastore.into(),
                free_space_gb: 70,
                ..DatastoreUtilization::default()
            }),
            compute: Some(ComputeUtilization {
                name: cluster.into(),
                resource_type: "Cluster".into(),
                memory_available_mb: 4_096,
                ..ComputeUtilization::default()
            }),
            estimated_vm_capacity: Some(7),
            ..ResourceUtilization::default()
        }
    }

    #[test]
    fn the_room_is_told_under_the_companions_names() {
        let metrics = RoomMetrics::default();
        metrics.show(&template(), Some(&room("ds", "C0")));
        let text = text(&metrics);
        let of = "name=\"pool\",namespace=\"clusters\"";
        for line in [
            format!("vmware_hcp_datastore_free_gb{{{of},datastore=\"ds\"}} 70"),
            format!(
                "vmware_hcp_compute_memory_available_mb{{{of},resource_type=\"Cluster\",\
                 resource_name=\"C0\"}} 4096"
            ),
            format!("vmware_hcp_estimated_vm_capacity{{{of}}} 7"),
        ] {
            assert!(text.contains(&line), "{line} not in\n{text}");
        }
    }

    #[test]
    fn series_go_with_what_they_are_about() {
        let metrics = RoomMetrics::default();
        metrics.show(&template(), Some(&room("old-store", "old-cluster")));
        metrics.show(&template(), Some(&room("new-store", "new-cluster")));
        let changed = text(&metrics);
        assert!(!changed.contains("old-"), "{changed}");
        assert!(changed.contains("new-store") && changed.contains("new-cluster"));
        metrics.show(&template(), None);
        assert!(!text(&metrics).contains("pool\""));
        metrics.show(&template(), Some(&room("ds", "C0")));
        metrics.forget(&template());
        assert!(!text(&metrics).contains("pool\""), "{}", text(&metrics));
    }
}
