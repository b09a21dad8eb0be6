//! What a spec must fulfil, as tables.

use super::*;
use serde_json::json;

/// A spec that fulfils everything.
pub(crate) fn good() -> Value {
    json!({
        "agentISO": {"type": "datastore", "datastorePath": "[ds] iso/agent.iso"},
        "nodePoolRef": {"name": ""},
        "testMode": true,
        "replicas": 3,
        "vmTemplate": {"datacenter": "DC0", "datastore": "ds", "network": "net"},
    })
}

/// Broken specs: the change to a good one, and the field that is named.
pub(crate) fn broken() -> Vec<(Value, &'static str)> {
    let mut broken = broken_healing();
    broken.extend(broken_machines());
    broken.extend(broken_isos());
    broken.extend(broken_urls());
    let labels = [
        json!({"zone": "eu west"}),
        json!({"zone/": "a"}),
        json!({"Zone.example/a": "a"}),
        json!({"-zone": "a"}),
        json!({"agentMachineRef": "a"}),
    ];
    let labels = labels.map(|labels| (json!({"agentLabelSelector": labels}), "agentLabelSelector"));
    broken.extend(labels);
    broken
}

fn broken_healing() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({"selfHealing": {"powerOnDeadline": "3 minutes"}}),
            "selfHealing.powerOnDeadline",
        ),
        (
            json!({"selfHealing": {"validationDeadline": "0s"}}),
            "selfHealing.validationDeadline",
        ),
        (
            json!({"selfHealing": {"installationDeadline": "8m"}}),
            "selfHealing",
        ),
        (
            json!({"selfHealing": {"maxReplacements": 0}}),
            "selfHealing.maxReplacements",
        ),
        (
            json!({"selfHealing": {"failureLimit": 0}}),
            "selfHealing.failureLimit",
        ),
    ]
}

fn broken_isos() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"agentISO": {"type": "url"}}), "agentISO.url"),
        (
            json!({"agentISO": {"type": "infraEnv", "infraEnv": {"name": ""}}}),
            "agentISO.infraEnv.name",
        ),
        (
            json!({"agentISO": {"type": "infraEnv"}}),
            "agentISO.infraEnv.name",
        ),
        (
            json!({"agentISO": {"proxy": "proxy:3128"}}),
            "agentISO.proxy",
        ),
        (json!({"agentISO": {"sha256": "0123"}}), "agentISO.sha256"),
        (
            json!({"agentISO": {"sha256": "g".repeat(64)}}),
            "agentISO.sha256",
        ),
    ]
}

fn broken_urls() -> Vec<(Value, &'static str)> {
    let long = format!("https://images/{}", "a".repeat(4096));
    let urls = [
        "images.example/a.iso",
        "ftp://images.example/a.iso",
        "https://",
        "https:///a.iso",
        "https://user@images.example/a.iso",
        "https://images.example /a.iso",
        "https://images.example/a\n.iso",
        "https://images.example/\u{e4}.iso",
        &long,
    ];
    let iso = |url| json!({"agentISO": {"type": "url", "url": url}});
    urls.map(|url| (iso(url), "agentISO.url")).into()
}

fn broken_machines() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"testMode": false}), "nodePoolRef.name"),
        (
            json!({"nodePoolRef": {"namespace": "other"}}),
            "nodePoolRef.namespace",
        ),
        (
            json!({"vSphereCredentials": {"namespace": "other"}}),
            "vSphereCredentials.namespace",
        ),
        (json!({"replicas": -1}), "replicas"),
        (json!({"replicas": 2001}), "replicas"),
        (json!({"spares": -1}), "spares"),
        (json!({"spares": 2001}), "spares"),
        (json!({"quota": {"maxVms": 0}}), "quota.maxVms"),
        (
            json!({"quota": {"maxVms": 3, "softMaxVms": 4}}),
            "quota.softMaxVms",
        ),
        (
            json!({"quota": {"maxVms": 3}, "vmTemplate": {"resourceLimits": {"maxVMs": 4}}}),
            "vmTemplate.resourceLimits.maxVMs",
        ),
        (
            json!({"vmTemplate": {"resourceLimits": {"softMaxVMs": 9, "maxVMs": 4}}}),
            "vmTemplate.resourceLimits.softMaxVMs",
        ),
        (json!({"vmTemplate": {"numCPUs": -2}}), "vmTemplate.numCPUs"),
        (
            json!({"vmTemplate": {"memoryMB": 8193}}),
            "vmTemplate.memoryMB",
        ),
        (
            json!({"vmTemplate": {"diskSizeGB": 100_000}}),
            "vmTemplate.diskSizeGB",
        ),
        (
            json!({"vmTemplate": {"firmware": "uefi"}}),
            "vmTemplate.firmware",
        ),
        (
            json!({"vmTemplate": {"namePrefix": "a/b"}}),
            "vmTemplate.namePrefix",
        ),
        (
            json!({"vmTemplate": {"extraConfig": {"hcp-vsphere.slot": "1"}}}),
            "vmTemplate.extraConfig",
        ),
        (
            json!({"agentISO": {"datastorePath": ""}}),
            "agentISO.datastorePath",
        ),
        (
            json!({"resourcePollingInterval": "5 minutes"}),
            "resourcePollingInterval",
        ),
    ]
}

/// Changes that break nothing.
pub(crate) fn harmless() -> Vec<Value> {
    vec![
        json!({}),
        json!({"replicas": 0, "resourcePollingInterval": "1h30m"}),
        json!({"spares": 0}),
        json!({"agentLabelSelector": {"zone": "a.b_c-d", "example.com/pool": "", "A": "1"}}),
        json!({"spares": 2000}),
        json!({"quota": null}),
        json!({"quota": {"maxVms": null, "softMaxVms": 2}}),
        json!({"vmTemplate": {"numCPUs": 0, "memoryMB": 16384, "firmware": "bios"}}),
        json!({"selfHealing": {"registrationDeadline": "6m59s", "failureLimit": 1}}),
        json!({"selfHealing": {"registrationDeadline": "", "installationDeadline": null}}),
        json!({"vmTemplate": {"extraConfig": {"a": "b"}, "namePrefix": "pool-a"}}),
        json!({"nodePoolRef": {"name": "pool", "namespace": "clusters"}, "testMode": false}),
        json!({"agentISO": {"type": "url", "url": "http://[::1]:8080/a%20b.iso?x=@#y"}}),
        json!({"agentISO": {"type": "infraEnv", "infraEnv": {"name": "w", "namespace": "agents"}}}),
        json!({"agentISO": {"proxy": "http://proxy:3128", "sha256": "aB".repeat(32)}}),
        json!({"agentISO": {"url": "", "proxy": "", "sha256": "", "infraEnv": null}}),
    ]
}

pub(crate) fn merged(change: &Value) -> Value {
    let mut spec = good();
    merge(&mut spec, change);
    spec
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

fn problems_of(change: &Value) -> Vec<String> {
    let spec = serde_json::from_value(merged(change)).unwrap();
    problems(&spec, "clusters")
}

#[test]
fn each_broken_field_is_named_alone() {
    for (change, field) in broken() {
        let found = problems_of(&change);
        assert_eq!(found.len(), 1, "{change}: {found:?}");
        assert!(
            found[0].starts_with(&format!("spec.{field} must")),
            "{found:?}"
        );
    }
}

#[test]
fn nothing_is_said_about_a_good_spec() {
    for change in harmless() {
        assert_eq!(problems_of(&change), Vec::<String>::new(), "{change}");
    }
}

#[test]
fn durations_are_read_as_go_writes_them() {
    for (text, seconds) in [
        ("5m", Some(300.0)),
        ("1h30m", Some(5400.0)),
        ("1.5h", Some(5400.0)),
        ("10m0s", Some(600.0)),
        ("0", Some(0.0)),
        ("", None),
        ("5", None),
        ("5d", None),
        ("m", None),
    ] {
        assert_eq!(go_duration(text), seconds, "{text}");
    }
}
