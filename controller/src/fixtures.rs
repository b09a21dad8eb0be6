//! Objects to test with.

pub(crate) mod hub;
pub(crate) mod world;

use crate::{
    crd::{FINALIZER, VMwareNodePoolTemplate},
    driver::{
        Amounts, Capacity, ComputeCapacity, DatastoreCapacity, Fault, Kind, Machine, Needs,
        Ownership, Placement, Power, Retry, State,
    },
    iso::IsoSight,
    reconcile::{Checks, IsoCheck},
    validation,
};
use contract::identity::{MachineKey, machine_name, serial_number};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::Value;

/// A fault of this class.
pub(crate) fn fault(retry: Retry) -> Fault {
    Fault {
        word: "SomeFault",
        message: "it failed. Mend it".into(),
        retry,
        after: None,
        kind: Kind::Other,
    }
}

/// The key of a machine of the owner `owner`.
pub(crate) fn key(slot: i32) -> MachineKey {
    MachineKey {
        hub_id: "hub".into(),
        owner_uid: "owner".into(),
        slot,
    }
}

/// The MAC address of the machine of this slot.
pub(crate) fn mac(slot: i32) -> String {
    format!("00:50:56:00:{:02x}:{:02x}", slot / 256, slot % 256)
}

/// A machine of the owner `owner` in this state.
pub(crate) fn machine(slot: i32, state: State) -> Machine {
    let key = key(slot);
    let made = !matches!(state, State::Creating | State::Conflict | State::Gone);
    Machine {
        name: machine_name("pool", slot),
        instance_uuid: key.instance_uuid().to_string(),
        bios_uuid: key.bios_uuid().to_string(),
        serial_number: serial_number(key.bios_uuid()),
        mac_addresses: vec![mac(slot)],
        moref: if made {
            format!("vm-{slot}")
        } else {
            String::new()
        },
        ownership: Ownership::Ours,
        state,
        power: made.then_some(match state {
            State::Running => Power::On,
            _ => Power::Off,
        }),
        fault: None,
        spec_hash: "hash".into(),
        companion_template: String::new(),
        mounted_iso: String::new(),
        ejection: None,
        folder: "/DC0/vm/pool".into(),
        owner: "clusters/pool".into(),
        revision: 0,
        key: Some(key),
    }
}

/// A template in test mode, with this change of its spec.
pub(crate) fn template(change: &Value) -> VMwareNodePoolTemplate {
    let spec = validation::tests::merged(change);
    let mut template = VMwareNodePoolTemplate::new("pool", serde_json::from_value(spec).unwrap());
    template.metadata.namespace = Some("clusters".into());
    template.metadata.uid = Some("owner".into());
    template.metadata.generation = Some(1);
    template.metadata.resource_version = Some("1".into());
    template.metadata.finalizers = Some(vec![FINALIZER.into()]);
    template
}

/// Checks that found everything.
pub(crate) fn checks() -> Checks {
    Checks {
        placement: Ok(Placement {
            folder: "/DC0/vm/pool".into(),
            ..Placement::default()
        }),
        iso: IsoCheck {
            asked: None,
            vcenter: "vc".into(),
            held: false,
            accepted: true,
            sight: IsoSight::Ready {
                path: "[ds] iso/agent.iso".into(),
                source: String::new(),
            },
            valid_until: Timestamp::from_second(300).unwrap(),
        },
        valid_until: Timestamp::from_second(300).unwrap(),
        doubted: false,
    }
}

/// Room for so many machines that need so much, by everything.
pub(crate) fn capacity(machines: i32, needs: Needs) -> Capacity {
    let all = |one: i64| one * i64::from(machines);
    let amounts = |one: i64| Amounts {
        total: all(one) * 2,
        effective: all(one) * 2,
        used: all(one),
        available: all(one),
    };
    Capacity {
        measured_at: Timestamp::UNIX_EPOCH,
        compute: ComputeCapacity {
            moref: "domain-c1".into(),
            name: "C0".into(),
            is_pool: false,
            cluster_moref: "domain-c1".into(),
            cluster_cpu_mhz: all(needs.cpu_mhz),
            cluster_memory_mib: all(needs.memory_mib),
            cpu_mhz: amounts(needs.cpu_mhz),
            memory_mib: amounts(needs.memory_mib),
        },
        datastore: DatastoreCapacity {
            moref: "datastore-1".into(),
            name: "ds".into(),
            capacity_bytes: all(needs.bytes()) * 2,
            free_bytes: all(needs.bytes()),
            available_bytes: all(needs.bytes()),
        },
        by_host: machines,
    }
}

/// A condition without a message.
pub(crate) fn condition(type_: &str, status: &str, reason: &str) -> Condition {
    Condition {
        type_: type_.into(),
        status: status.into(),
        reason: reason.into(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}
