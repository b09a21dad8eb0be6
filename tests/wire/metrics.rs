//! Both services tell what they do, in a form that Prometheus takes in.

use lab::metrics::{Scrape, scrape};
use serde_json::{Value, json};

use crate::hub::Hub;
use crate::requests::{DELETE, ENSURE, keys, machines};
use crate::zone::{Zone, soon};

/// Families that the driver has from its start on, with their kinds.
const DRIVER: [(&str, &str); 19] = [
    ("vsphere_driver_build", "info"),
    ("vsphere_driver_inventory_changes", "gauge"),
    ("vsphere_driver_inventory_synced_timestamp_seconds", "gauge"),
    ("vsphere_driver_inventory_virtual_machines", "gauge"),
    ("vsphere_driver_lane_in_flight", "gauge"),
    ("vsphere_driver_lane_queue", "gauge"),
    ("vsphere_driver_lane_window", "gauge"),
    ("vsphere_driver_logins", "counter"),
    ("vsphere_driver_machines", "gauge"),
    ("vsphere_driver_operations", "gauge"),
    ("vsphere_driver_rpc_calls", "counter"),
    ("vsphere_driver_rpc_duration_seconds", "histogram"),
    ("vsphere_driver_rpc_in_flight", "gauge"),
    ("vsphere_driver_soap_call_duration_seconds", "histogram"),
    ("vsphere_driver_soap_calls", "counter"),
    ("vsphere_driver_tasks", "gauge"),
    ("vsphere_driver_vcenter_connection", "gauge"),
    ("vsphere_driver_vcenter_insecure_trust", "gauge"),
    ("vsphere_driver_vcenter_sessions", "gauge"),
];

async fn of_driver(lab: &lab::Lab) -> Scrape {
    let address = lab.driver().unwrap().metrics().unwrap();
    soon("the metrics", scrape(address)).await.unwrap()
}

fn kinds(scrape: &Scrape) -> Vec<(&str, &str)> {
    let families = scrape.families.iter();
    families
        .map(|(name, family)| (name.as_str(), family.kind.as_str()))
        .collect()
}

#[tokio::test]
async fn the_driver_counts_what_it_sends_and_what_it_is_asked() {
    let zone = Zone::start().await;
    zone.call(ENSURE, &machines("demo", [1, 2, 3])).await;
    let made = of_driver(&zone.lab).await;
    let all = kinds(&made);
    for family in DRIVER {
        assert!(all.contains(&family), "{family:?} is not among {all:?}");
    }
    let create = ("method", "CreateVM_Task");
    let soap = "vsphere_driver_soap_calls_total";
    assert_eq!(made.sum(soap, &[create, ("result", "ok")]), 3);
    assert_eq!(made.sum(soap, &[create]), 3);
    let seconds = "vsphere_driver_soap_call_duration_seconds_count";
    assert_eq!(made.sum(seconds, &[create]), 3);
    let rpc = "vsphere_driver_rpc_calls_total";
    let ensure = ("method", "EnsureVirtualMachines");
    assert_eq!(made.sum(rpc, &[ensure, ("code", "OK")]), 1);
    let lab = ("vcenter", lab::VCENTER);
    let states = "vsphere_driver_machines";
    assert_eq!(made.sum(states, &[lab, ("state", "running")]), 3);
    let connection = "vsphere_driver_vcenter_connection";
    assert_eq!(made.sum(connection, &[lab, ("state", "connected")]), 1);
    assert_eq!(made.sum(connection, &[lab]), 1);
    assert_eq!(made.sum("vsphere_driver_vcenter_sessions", &[lab]), 1);
    assert_eq!(made.sum("vsphere_driver_vcenter_insecure_trust", &[lab]), 0);
    let logins = "vsphere_driver_logins_total";
    assert_eq!(made.sum(logins, &[("result", "ok")]), 1);
    assert_eq!(made.sum(logins, &[]), 1);

    zone.call(DELETE, &keys("demo", [1])).await;
    let left = of_driver(&zone.lab).await;
    assert_eq!(left.sum(states, &[lab]), 2);
    assert_eq!(left.sum(soap, &[("method", "Destroy_Task")]), 1);
}

#[tokio::test]
async fn a_fault_of_vcenter_and_a_refused_call_are_counted_by_what_they_are() {
    let zone = Zone::start().await;
    let refuse = json!({
        "method": "CreateVM_Task", "times": 1, "at": "call", "fault": {"type": "NoPermission"}
    });
    zone.lab.vcenter().add_fault(&refuse).await.unwrap();
    zone.call(ENSURE, &machines("demo", [1])).await;
    let unknown = json!({"vcenter": "nowhere", "owner": {"name": "demo"}});
    zone.refused(ENSURE, &unknown).await;
    let seen = of_driver(&zone.lab).await;
    let create = ("method", "CreateVM_Task");
    let soap = "vsphere_driver_soap_calls_total";
    assert_eq!(seen.sum(soap, &[create, ("result", "NoPermission")]), 1);
    let ensure = ("method", "EnsureVirtualMachines");
    let rpc = "vsphere_driver_rpc_calls_total";
    assert_eq!(seen.sum(rpc, &[ensure, ("code", "OK")]), 1);
    assert_eq!(seen.sum(rpc, &[ensure]), 2);
}

#[tokio::test]
async fn both_services_tell_of_a_pool_what_was_done_for_it() {
    let hub = Hub::start().await;
    let busy = json!({
        "method": "CreateVM_Task", "times": 1, "at": "call", "fault": {"type": "TaskInProgress"}
    });
    hub.lab.vcenter().add_fault(&busy).await.unwrap();
    hub.apply(3).await;
    hub.ready(3).await;
    let driver = of_driver(&hub.lab).await;
    let create = ("method", "CreateVM_Task");
    let soap = "vsphere_driver_soap_calls_total";
    assert_eq!(driver.sum(soap, &[create, ("result", "ok")]), 3);
    let watch = ("method", "WatchVirtualMachines");
    assert_eq!(driver.sum("vsphere_driver_rpc_in_flight", &[watch]), 1);

    let address = hub.lab.controller().unwrap().metrics().unwrap();
    let controller = soon("the metrics", scrape(address)).await.unwrap();
    let pool = ("name", crate::hub::POOL);
    assert_eq!(controller.sum("vmware_nodepool_vm_ready", &[pool]), 3);
    assert_eq!(
        controller.sum("vmware_nodepool_vm_created_total", &[pool]),
        3
    );
    assert_eq!(controller.sum("vmware_nodepool_leader", &[]), 1);
    let told = "vmware_nodepool_driver_faults_total";
    assert!(controller.sum(told, &[]) >= 1);
    let ensured = controller.sum(
        "vmware_nodepool_driver_rpc_calls_total",
        &[("method", "EnsureVirtualMachines"), ("code", "OK")],
    );
    assert!(ensured >= 1, "{:?}", kinds(&controller));
    let seconds = "vmware_nodepool_reconcile_duration_seconds_count";
    assert!(controller.sum(seconds, &[("result", "ok")]) >= 1);
    what_is_deployed_names_metrics_that_exist(&[driver, controller]).await;
}

/// Alerts and dashboard are read by Prometheus' own parsers; each metric in them is served.
async fn what_is_deployed_names_metrics_that_exist(scrapes: &[Scrape]) {
    let folder = lab::files::workspace().join("deploy/monitoring");
    let mut used = lab::metrics::of_rules(&folder.join("rules.yaml"))
        .await
        .unwrap();
    let dashboard = std::fs::read(folder.join("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: Vec<_> = targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect();
    used.extend(lab::metrics::of_expressions(&expressions).await.unwrap());
    assert!(used.len() > 20, "{used:?}");
    let suffixes = ["", "_total", "_bucket", "_count", "_sum", "_info"];
    for name in used {
        let served = scrapes
            .iter()
            .flat_map(|scrape| scrape.families.keys())
            .any(|family| {
                suffixes
                    .iter()
                    .any(|suffix| name == format!("{family}{suffix}"))
            });
        assert!(served, "{name} is served by neither service");
    }
}
