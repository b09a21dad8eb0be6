//! An Agent as the installer writes it.

use serde_json::{Value, json};

use super::conditions::conditions;
use super::rule::Position;
use super::state::{STAGES, Stage, State};
use crate::agents::guest::{Disk, Guest};
use crate::agents::json::text;

/// What holds an Agent until the installer has forgotten its host.
pub(super) const FINALIZER: &str = "agent.agent-install.openshift.io/ai-deprovision";

/// What a worker needs.
const CPUS: i64 = 2;
const MEMORY_MB: i64 = 8192;
const DISK_BYTES: i64 = 100_000_000_000;

/// Whether a machine passes the validations of a worker.
pub(super) fn is_sufficient(guest: &Guest) -> bool {
    let disk = guest.disks.iter().any(is_eligible);
    guest.cpus >= CPUS && guest.memory_mb >= MEMORY_MB && disk
}

fn is_eligible(disk: &Disk) -> bool {
    disk.bytes >= DISK_BYTES
}

/// A new Agent of a machine that booted the image of an InfraEnv.
pub(super) fn agent(guest: &Guest, infra_env: &Value, contradicts: bool) -> Value {
    let name = text(infra_env, "/metadata/name");
    let mut labels = infra_env["spec"]["agentLabels"].clone();
    if !labels.is_object() {
        labels = json!({});
    }
    labels["infraenvs.agent-install.openshift.io"] = json!(name);
    labels["inventory.agent-install.openshift.io/cpu-architecture"] = json!("x86_64");
    labels["inventory.agent-install.openshift.io/host-isvirtual"] = json!("true");
    labels["inventory.agent-install.openshift.io/host-manufacturer"] = json!("VMwareInc");
    let inventory = inventory(guest, contradicts).to_string();
    json!({
        "apiVersion": "agent-install.openshift.io/v1beta1",
        "kind": "Agent",
        "metadata": {
            "name": guest.product_uuid(),
            "namespace": text(infra_env, "/metadata/namespace"),
            "labels": labels,
            // As large as it is in the field, in proportion.
            "annotations": {"agent.agent-install.openshift.io/inventory": inventory},
            "finalizers": [FINALIZER],
            "ownerReferences": [{
                "apiVersion": "agent-install.openshift.io/v1beta1",
                "kind": "InfraEnv",
                "name": name,
                "uid": infra_env["metadata"]["uid"],
            }],
        },
        "spec": {"approved": false, "role": ""},
    })
}

/// What an Agent says of its host.
pub(super) fn status(
    agent: &Value,
    guest: Option<&Guest>,
    position: Position,
    (contradicts, now): (bool, &str),
) -> Value {
    let approved = agent["spec"]["approved"] == json!(true);
    // What a machine that is off had is still known.
    let inventory = match guest {
        Some(guest) => inventory(guest, contradicts),
        None => agent["status"]["inventory"].clone(),
    };
    let passes = match position.state {
        State::Insufficient | State::InsufficientUnbound => "failure",
        _ => "success",
    };
    let mut status = json!({
        "conditions": conditions(position, approved, agent, now),
        "debugInfo": {
            "state": position.state.word(),
            "stateInfo": format!("Host is {}", position.state.word()),
            "eventsURL": "https://assisted.example/events",
        },
        "inventory": with_hostname(inventory, text(agent, "/spec/hostname")),
        "role": "worker",
        "validationsInfo": {"hardware": [{
            "id": "has-min-memory",
            "status": passes,
            "message": match passes {
                "failure" => "Require at least 8192 MiB of memory, 2 CPUs and a disk of 100 GB",
                _ => "Sufficient for a worker",
            },
        }]},
        // Of a host that is let go the last installation is forgotten.
        "progress": Value::Null,
    });
    if let (Some(stage), false) = (position.stage, position.state.is_unbound()) {
        let at = STAGES
            .iter()
            .position(|it| *it == stage)
            .unwrap_or_default();
        status["progress"] = json!({
            "currentStage": stage.word(),
            "progressStages": STAGES.map(Stage::word),
            "installationPercentage": 100 * (at + 1) / STAGES.len(),
        });
    }
    status
}

fn with_hostname(mut inventory: Value, hostname: &str) -> Value {
    if !hostname.is_empty() && inventory.is_object() {
        inventory["hostname"] = json!(hostname);
    }
    inventory
}

/// What the agent in the machine finds.
fn inventory(guest: &Guest, contradicts: bool) -> Value {
    let serial = if contradicts {
        // Somebody else's, and well formed.
        crate::agents::serial_number(&guest.uuid.chars().map(other).collect::<String>())
    } else {
        guest.serial_number()
    };
    let macs = guest.macs.iter().enumerate();
    let interfaces = macs.map(|(number, mac)| {
        json!({
            "name": format!("ens{}", 192 + 32 * number),
            "macAddress": mac,
            "hasCarrier": true,
            "ipV4Addresses": ["192.0.2.7/24"],
            "ipV6Addresses": [],
        })
    });
    let disks = guest.disks.iter().enumerate();
    let disks = disks.map(|(number, disk)| install_disk(number, disk));
    let drive = json!({
        "id": "/dev/disk/by-id/ata-VMware_Virtual_SATA_CDRW_Drive_00000000000000000001",
        "name": "sr0", "path": "/dev/sr0", "driveType": "ODD", "sizeBytes": 1_100_000_000_i64,
        "serial": "00000000000000000001",
        "installationEligibility": {"eligible": false, "notEligibleReasons": ["Disk is removable"]},
    });
    json!({
        "hostname": first_hostname(guest),
        "systemVendor": {
            "manufacturer": "VMware, Inc.", "productName": "VMware7,1",
            "serialNumber": serial, "virtual": true,
        },
        "cpu": {"count": guest.cpus, "architecture": "x86_64"},
        "memory": {"physicalBytes": guest.memory_mb << 20, "usableBytes": guest.memory_mb << 20},
        "boot": {"currentBootMode": "uefi"},
        "interfaces": interfaces.collect::<Vec<_>>(),
        "disks": disks.chain([drive]).collect::<Vec<_>>(),
    })
}

fn install_disk(number: usize, disk: &Disk) -> Value {
    let digits: String = disk.uuid.chars().filter(|it| *it != '-').collect();
    let letter = char::from(b'a' + u8::try_from(number % 26).unwrap_or_default());
    let eligible = is_eligible(disk);
    let reasons: &[&str] = if eligible {
        &[]
    } else {
        &["Disk is too small"]
    };
    json!({
        "id": format!("/dev/disk/by-id/wwn-0x{digits}"),
        "byID": format!("/dev/disk/by-id/wwn-0x{digits}"),
        "name": format!("sd{letter}"), "path": format!("/dev/sd{letter}"),
        "wwn": format!("0x{digits}"), "serial": digits,
        "driveType": "SSD", "sizeBytes": disk.bytes,
        "installationEligibility": {"eligible": eligible, "notEligibleReasons": reasons},
    })
}

/// What a host without a name calls itself.
fn first_hostname(guest: &Guest) -> String {
    let mac = guest.macs.first().map_or("localhost", String::as_str);
    mac.replace(':', "-").to_lowercase()
}

/// Another digit.
fn other(digit: char) -> char {
    match digit.to_digit(16) {
        Some(value) => char::from_digit(15 - value, 16).unwrap_or(digit),
        None => digit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> Guest {
        Guest {
            vm: "vm-1".to_owned(),
            name: "pool-n01".to_owned(),
            on: true,
            uuid: "420e3f74-ea84-f9a2-0123-456789abcdef".to_owned(),
            cpus: 2,
            memory_mb: 8192,
            macs: vec!["00:50:56:AA:BB:CC".to_owned()],
            disks: vec![Disk {
                uuid: "6000c290-0000-0000-0000-000000000001".to_owned(),
                bytes: 120 << 30,
            }],
            iso: "[ds] agent.iso".to_owned(),
        }
    }

    #[test]
    fn an_agent_is_named_by_the_machine_and_bears_the_labels_of_its_infra_env() {
        let infra_env = json!({
            "metadata": {"namespace": "agents", "name": "env", "uid": "u"},
            "spec": {"agentLabels": {"site": "a"}},
        });
        let agent = agent(&guest(), &infra_env, false);
        let metadata = &agent["metadata"];
        assert_eq!(metadata["name"], "743f0e42-84ea-a2f9-0123-456789abcdef");
        assert_eq!(metadata["labels"]["site"], "a");
        let from = "infraenvs.agent-install.openshift.io";
        assert_eq!(metadata["labels"][from], "env");
        assert_eq!(agent["spec"]["approved"], false);
    }

    #[test]
    fn the_inventory_tells_the_serial_number_or_that_of_another() {
        let told = |contradicts| inventory(&guest(), contradicts)["systemVendor"].clone();
        assert_eq!(told(false)["serialNumber"], guest().serial_number());
        assert_ne!(told(true)["serialNumber"], guest().serial_number());
        assert_eq!(told(false).get("uuid"), None);
    }

    #[test]
    fn a_machine_that_is_too_small_does_not_pass() {
        let change = |change: fn(&mut Guest)| {
            let mut guest = guest();
            change(&mut guest);
            is_sufficient(&guest)
        };
        assert!(change(|_| {}));
        assert!(!change(|it| it.cpus = 1));
        assert!(!change(|it| it.memory_mb = 4096));
        assert!(!change(|it| it.disks[0].bytes = 20 << 30));
    }
}
