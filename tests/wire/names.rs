//! Names that stand for nothing, or for several things, are refused with what could have been meant.

use lab::Lab;
use serde_json::{Value, json};

use crate::requests::{ENSURE, ISO, PLACEMENT, machines, with, without};
use crate::zone::{Zone, reason, states, word};

const FAILED_PRECONDITION: u64 = 9;

#[tokio::test]
async fn a_name_that_stands_for_nothing_is_refused_with_what_is_near() {
    let zone = Zone::start().await;
    for (field, asked, near) in [
        ("placement/datacenter", "DC1", "DC0"),
        ("placement/cluster", "DC0_C1", "DC0_C0"),
        ("placement/datastore", "LocalDS_1", "LocalDS_0"),
        ("placement/resourcePool", "Resource", "Resources"),
        ("networkInterfaces/0/network", "VM Netwrok", "VM Network"),
    ] {
        let request = with(machines("demo", [1]), &format!("/spec/{field}"), asked);
        let refused = zone.refused(ENSURE, &request).await;
        let is = (FAILED_PRECONDITION, "PLACEMENT_NOT_FOUND");
        assert_eq!(refused.is(), is, "{field}: {refused:?}");
        assert_eq!(refused.metadata["asked"], asked, "{refused:?}");
        let candidates = refused.metadata["candidates"].as_str().unwrap_or_default();
        assert!(candidates.contains(near), "{field}: {refused:?}");
    }
    assert_eq!(zone.calls("CreateVM_Task"), 0);
}

#[tokio::test]
async fn a_name_that_stands_for_several_things_is_refused_with_all_of_them() {
    let zone = Zone::of(Lab::builder().vcenter_arguments(["-dc", "2", "-cluster", "2"])).await;
    let request = machines("demo", [1]);
    for (request, field, candidates) in [
        (
            without(request.clone(), "/spec/placement/datacenter"),
            "spec.placement.datacenter",
            ["/DC0", "/DC1"],
        ),
        (
            without(request.clone(), "/spec/placement/cluster"),
            "spec.placement.cluster",
            ["/DC0/host/DC0_C0", "/DC0/host/DC0_C1"],
        ),
    ] {
        let refused = zone.refused(ENSURE, &request).await;
        let is = (FAILED_PRECONDITION, "PLACEMENT_AMBIGUOUS");
        assert_eq!(refused.is(), is, "{refused:?}");
        assert_eq!(refused.metadata["field"], field, "{refused:?}");
        let told = refused.metadata["candidates"].as_str().unwrap_or_default();
        for candidate in candidates {
            assert!(told.contains(candidate), "{refused:?}");
        }
    }
    let path = with(request, "/spec/placement/cluster", "/DC0/host/DC0_C1");
    let made = zone.call(ENSURE, &path).await;
    assert_eq!(states(&made), ["RUNNING"], "{made}");
}

#[tokio::test]
async fn a_report_tells_all_that_is_wrong_at_once() {
    let zone = Zone::start().await;
    let spec = json!({
        "placement": {"cluster": "DC0_C0", "datastore": "nowhere"},
        "networkInterfaces": [{"network": "nothing"}],
    });
    let asked = json!({"vcenter": lab::VCENTER, "spec": spec});
    let report = &zone.call(PLACEMENT, &asked).await["report"];
    let faults: Vec<_> = report["faults"]
        .as_array()
        .into_iter()
        .flatten()
        .map(reason)
        .collect();
    assert_eq!(
        faults,
        ["PLACEMENT_NOT_FOUND", "PLACEMENT_NOT_FOUND"],
        "{report}"
    );
    let resolutions = report["resolutions"].as_array().unwrap();
    let state = |field: &str| {
        let found = resolutions.iter().find(|it| it["field"] == field);
        word(&found.unwrap_or(&Value::Null)["state"], "RESOLUTION_STATE_").to_owned()
    };
    assert_eq!(state("spec.placement.datacenter"), "CHOSEN", "{report}");
    assert_eq!(state("spec.placement.cluster"), "RESOLVED", "{report}");
    assert_eq!(state("spec.placement.datastore"), "NOT_FOUND", "{report}");
}

#[tokio::test]
async fn a_missing_iso_is_told_before_anything_is_made() {
    let zone = Zone::start().await;
    let path = format!("[{}] {}", lab::DATASTORE, lab::ISO);
    let request = with(
        machines("demo", [1]),
        "/spec/cdrom",
        json!({"isoPath": path}),
    );
    let refused = zone.refused(ENSURE, &request).await;
    assert_eq!(
        refused.is(),
        (FAILED_PRECONDITION, "ISO_MISSING"),
        "{refused:?}"
    );
    assert_eq!(zone.calls("CreateVM_Task"), 0);

    let iso = json!({
        "vcenter": lab::VCENTER,
        "owner": {"name": "demo"},
        "source": {"datastorePath": path},
        "wait": "30s",
    });
    let missing = zone.call(ISO, &iso).await;
    assert_eq!(missing["iso"]["state"], "ISO_STATE_FAILED", "{missing}");
    assert_eq!(reason(&missing["iso"]["fault"]), "ISO_MISSING", "{missing}");

    zone.lab.upload_iso().await.unwrap();
    let found = zone.call(ISO, &iso).await;
    assert_eq!(found["iso"]["state"], "ISO_STATE_READY", "{found}");
    assert_eq!(found["iso"]["files"][0]["path"], path.as_str(), "{found}");
    let made = zone.call(ENSURE, &request).await;
    assert_eq!(states(&made), ["RUNNING"], "{made}");
    let info = zone
        .lab
        .govc(&["device.info", "-vm", "demo-n01", "cdrom-*"])
        .await
        .unwrap();
    let backing = &info["devices"][0]["backing"]["fileName"];
    assert_eq!(backing, path.as_str(), "{info}");
}

#[tokio::test]
async fn a_path_that_leaves_its_datastore_is_refused() {
    let zone = Zone::start().await;
    for path in [
        "isos/agent.iso",
        "[LocalDS_0] ../agent.iso",
        "[LocalDS_0] /agent.iso",
    ] {
        let request = with(
            machines("demo", [1]),
            "/spec/cdrom",
            json!({"isoPath": path}),
        );
        let refused = zone.refused(ENSURE, &request).await;
        assert_eq!(
            refused.is(),
            (3, "INVALID_DATASTORE_PATH"),
            "{path}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn keys_of_others_in_the_extra_configuration_are_refused() {
    let zone = Zone::start().await;
    for key in ["hcp-vsphere.slot", "guestinfo.vmware-hcp.template"] {
        let request = with(
            machines("demo", [1]),
            "/spec/extraConfig",
            json!({key: "x"}),
        );
        let refused = zone.refused(ENSURE, &request).await;
        assert_eq!(refused.is(), (3, "EXTRA_CONFIG_KEY_REFUSED"), "{refused:?}");
    }
}
