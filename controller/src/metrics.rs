//! Every metric of the controller. Where the companion has the thing, its name is kept.

mod labels;
mod room;
mod status;

use jiff::Timestamp;
use labels::{
    ConditionLabels, FaultLabels, PhaseLabels, ReconcileLabels, ResourceLabels, StageLabels,
    Template, WatchLabels, template,
};
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use room::RoomMetrics;
use std::{sync::atomic::AtomicU64, time::Duration};

/// Upper bounds in seconds: from one that finds nothing to do to one that waits for the driver.
const SECONDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// All metrics; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    vm_count: Family<Template, Gauge>,
    vm_ready: Family<Template, Gauge>,
    vm_desired: Family<Template, Gauge>,
    machines: Family<PhaseLabels, Gauge>,
    vm_created: Family<Template, Counter>,
    vm_deleted: Family<Template, Counter>,
    replacements: Family<StageLabels, Counter>,
    reconciles: Family<Template, Counter>,
    errors: Family<Template, Counter>,
    status_writes: Family<Template, Counter>,
    condition: Family<ConditionLabels, Gauge>,
    validation: Family<ResourceLabels, Gauge>,
    room: RoomMetrics,
    faults: Family<FaultLabels, Counter>,
    seconds: Family<ReconcileLabels, Histogram, fn() -> Histogram>,
    watches: Watches,
    malformed: Gauge,
    links: Gauge,
    live_links: Gauge,
    leader: Gauge,
}

/// By link, when its watch said anything last.
type Watches = Family<WatchLabels, Gauge<f64, AtomicU64>>;

/// The series of one link's watch; it goes with the link.
#[derive(Debug)]
pub(crate) struct Watch {
    watches: Watches,
    labels: WatchLabels,
}

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        Self {
            vm_count: Family::default(),
            vm_ready: Family::default(),
            vm_desired: Family::default(),
            machines: Family::default(),
            vm_created: Family::default(),
            vm_deleted: Family::default(),
            replacements: Family::default(),
            reconciles: Family::default(),
            errors: Family::default(),
            status_writes: Family::default(),
            condition: Family::default(),
            validation: Family::default(),
            room: RoomMetrics::default(),
            faults: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            watches: Family::default(),
            malformed: Gauge::default(),
            links: Gauge::default(),
            live_links: Gauge::default(),
            leader: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Puts every metric into `registry`.
    pub fn register(&self, registry: &mut Registry) {
        macro_rules! register {
            ($($name:literal, $help:literal, $metric:ident;)*) => {
                $(registry.register($name, $help, self.$metric.clone());)*
            };
        }
        register! {
            "vmware_nodepool_vm_count", "Machines that exist", vm_count;
            "vmware_nodepool_vm_ready", "Machines that are on", vm_ready;
            "vmware_nodepool_vm_desired", "Machines that are asked for", vm_desired;
            "vmware_nodepool_machines", "Machines in this phase of their lives", machines;
            "vmware_nodepool_vm_created", "Machines made", vm_created;
            "vmware_nodepool_vm_deleted", "Machines removed and proved gone", vm_deleted;
            "vmware_nodepool_replacements", "Machines replaced as they did not get on", replacements;
            "vmware_nodepool_reconcile", "Reconciliations", reconciles;
            "vmware_nodepool_reconcile_errors", "Reconciliations that failed", errors;
            "vmware_nodepool_status_writes", "Statuses written", status_writes;
            "vmware_nodepool_condition", "1 true, 0 false, -1 unknown", condition;
            "vmware_hcp_resource_validation_ok", "A name in the spec can be used", validation;
            "vmware_nodepool_driver_faults", "Faults that the driver told, by reason", faults;
            "vmware_nodepool_malformed_templates", "Templates that cannot be read", malformed;
            "vmware_nodepool_vcenter_links", "Secrets that are followed", links;
            "vmware_nodepool_vcenter_links_live", "Links that are live", live_links;
            "vmware_nodepool_leader", "1 while this process may act", leader;
        }
        self.room.register(registry);
        let (name, help) = (
            "vmware_nodepool_reconcile_duration",
            "How long reconciliations took",
        );
        registry.register_with_unit(name, help, Unit::Seconds, self.seconds.clone());
        let (name, help) = (
            "vmware_nodepool_watch_last_message_timestamp",
            "When the driver last said anything in the watch of this Secret's vCenter, since 1970",
        );
        registry.register_with_unit(name, help, Unit::Seconds, self.watches.clone());
    }

    /// A reconciliation began.
    pub(crate) fn started(&self, namespace: &str, name: &str) {
        let labels = template(namespace, name);
        self.reconciles.get_or_create(&labels).inc();
        // From the first on there is something that a rate can be taken of.
        self.errors.get_or_create_owned(&labels);
    }

    /// A reconciliation ended: `ok`, `removing` while machines are left, or `failed`.
    pub(crate) fn took(&self, result: &'static str, time: Duration) {
        let seconds = self.seconds.get_or_create(&ReconcileLabels { result });
        seconds.observe(time.as_secs_f64());
    }

    /// A reconciliation failed.
    pub(crate) fn failed(&self, namespace: &str, name: &str) {
        self.errors.get_or_create(&template(namespace, name)).inc();
    }

    /// The driver told a fault.
    pub(crate) fn fault(&self, reason: &'static str) {
        self.faults.get_or_create(&FaultLabels { reason }).inc();
    }

    /// How many templates cannot be read.
    pub fn malformed(&self, count: usize) {
        self.malformed.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// How many links there are, and how many of them are live.
    pub fn links(&self, (all, live): (usize, usize)) {
        self.links.set(i64::try_from(all).unwrap_or(i64::MAX));
        self.live_links.set(i64::try_from(live).unwrap_or(i64::MAX));
    }

    /// The series of the watch of this Secret's vCenter, from its first message on.
    pub(crate) fn watch(&self, namespace: &str, secret: &str) -> Watch {
        Watch {
            watches: self.watches.clone(),
            labels: WatchLabels {
                secret: secret.into(),
                namespace: namespace.into(),
            },
        }
    }

    /// This process may act, or may not.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }
}

// === impl Watch ===

impl Watch {
    /// The driver said something.
    pub(crate) fn heard(&self, now: Timestamp) {
        let seconds = now.as_duration().as_secs_f64();
        self.watches.get_or_create(&self.labels).set(seconds);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watches.remove(&self.labels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::VmStatus;
    use crate::crd::{ResourceValidation, VMwareNodePoolTemplateStatus};
    use prometheus_client::encoding::text::encode;

    fn text(metrics: &Metrics) -> String {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    fn status(slots: &[i32]) -> VMwareNodePoolTemplateStatus {
        let entry = |slot: &i32| VmStatus {
            slot: Some(*slot),
            moref: format!("vm-{slot}"),
            ..VmStatus::default()
        };
        VMwareNodePoolTemplateStatus {
            current_replicas: i32::try_from(slots.len()).ok(),
            vm_status: slots.iter().map(entry).collect(),
            resource_validation: Some(ResourceValidation::default()),
            ..VMwareNodePoolTemplateStatus::default()
        }
    }

    #[test]
    fn what_happens_is_counted_under_the_companions_names() {
        let metrics = Metrics::default();
        metrics.wrote(("clusters", "pool"), &status(&[]), &status(&[1, 2]));
        metrics.wrote(("clusters", "pool"), &status(&[1, 2]), &status(&[2]));
        let text = text(&metrics);
        for line in [
            "vmware_nodepool_vm_count{name=\"pool\",namespace=\"clusters\"} 1",
            "vmware_nodepool_vm_created_total{name=\"pool\",namespace=\"clusters\"} 2",
            "vmware_nodepool_vm_deleted_total{name=\"pool\",namespace=\"clusters\"} 1",
        ] {
            assert!(text.contains(line), "{line} not in\n{text}");
        }
    }

    /// The first machine leaves, as its Agent never registered.
    fn replacing() -> VMwareNodePoolTemplateStatus {
        let mut status = status(&[1, 2]);
        status.vm_status[0].leaving_reason = "NotRegistered".into();
        status
    }

    #[test]
    fn a_replacement_is_counted_once_by_what_was_not_reached() {
        let metrics = Metrics::default();
        metrics.wrote(("clusters", "pool"), &status(&[1, 2]), &replacing());
        metrics.wrote(("clusters", "pool"), &replacing(), &replacing());
        let line = "vmware_nodepool_replacements_total\
                    {name=\"pool\",namespace=\"clusters\",stage=\"Registration\"} 1\n";
        assert!(text(&metrics).contains(line), "{}", text(&metrics));
    }

    #[test]
    fn machines_are_counted_by_phase_and_a_phase_that_none_is_in_has_no_series() {
        let metrics = Metrics::default();
        let phases = |phases: &[&str]| {
            let mut status = status(&vec![1; phases.len()]);
            for (entry, phase) in status.vm_status.iter_mut().zip(phases) {
                entry.phase = (*phase).into();
            }
            status
        };
        let line = |phase: &str, count: usize| {
            let labels = "name=\"pool\",namespace=\"clusters\"";
            format!("vmware_nodepool_machines{{{labels},phase=\"{phase}\"}} {count}\n")
        };
        let (first, then) = (phases(&["Joined", "Joined", "Known"]), phases(&["Joined"]));
        metrics.wrote(("clusters", "pool"), &status(&[]), &first);
        let told = text(&metrics);
        assert!(
            told.contains(&line("Joined", 2)) && told.contains(&line("Known", 1)),
            "{told}"
        );
        metrics.wrote(("clusters", "pool"), &first, &then);
        let told = text(&metrics);
        assert!(
            told.contains(&line("Joined", 1)) && !told.contains("Known"),
            "{told}"
        );
        metrics.forget("clusters", "pool");
        assert!(!text(&metrics).contains("Joined"));
    }

    #[test]
    fn the_series_of_a_template_go_with_it() {
        let metrics = Metrics::default();
        metrics.started("clusters", "pool");
        metrics.wrote(("clusters", "pool"), &status(&[]), &replacing());
        metrics.forget("clusters", "pool");
        assert!(!text(&metrics).contains("pool\""), "{}", text(&metrics));
    }

    #[test]
    fn a_watch_tells_when_it_heard_anything_last_and_goes_with_its_link() {
        let metrics = Metrics::default();
        let watch = metrics.watch("clusters", "vcenter");
        assert!(!text(&metrics).contains("secret="));
        watch.heard("1970-01-01T00:01:00.5Z".parse().unwrap());
        let line = "vmware_nodepool_watch_last_message_timestamp_seconds\
                    {secret=\"vcenter\",namespace=\"clusters\"} 60.5\n";
        assert!(text(&metrics).contains(line), "{}", text(&metrics));
        drop(watch);
        assert!(!text(&metrics).contains("secret="));
    }
}
