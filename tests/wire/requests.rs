//! Requests to the driver, as a person writes them, and how to change one in a place.

use serde_json::{Value, json};

pub(crate) const ENSURE: &str = "vsphere.driver.v1.VirtualMachines/EnsureVirtualMachines";
pub(crate) const DELETE: &str = "vsphere.driver.v1.VirtualMachines/DeleteVirtualMachines";
pub(crate) const SWITCH: &str = "vsphere.driver.v1.VirtualMachines/SetPowerState";
pub(crate) const ADOPT: &str = "vsphere.driver.v1.VirtualMachines/AdoptVirtualMachines";
pub(crate) const RELEASE: &str = "vsphere.driver.v1.VirtualMachines/ReleaseVirtualMachines";
pub(crate) const EJECT: &str = "vsphere.driver.v1.VirtualMachines/EjectIso";
pub(crate) const GET: &str = "vsphere.driver.v1.VirtualMachines/GetVirtualMachine";
pub(crate) const LIST: &str = "vsphere.driver.v1.VirtualMachines/ListVirtualMachines";
pub(crate) const WATCH: &str = "vsphere.driver.v1.VirtualMachines/WatchVirtualMachines";
pub(crate) const CONNECT: &str = "vsphere.driver.v1.VCenters/ConnectVCenter";
pub(crate) const DISCONNECT: &str = "vsphere.driver.v1.VCenters/DisconnectVCenter";
pub(crate) const VCENTER: &str = "vsphere.driver.v1.VCenters/GetVCenter";
pub(crate) const VCENTERS: &str = "vsphere.driver.v1.VCenters/ListVCenters";
pub(crate) const PLACEMENT: &str = "vsphere.driver.v1.VCenters/CheckPlacement";
pub(crate) const CAPACITY: &str = "vsphere.driver.v1.VCenters/GetCapacity";
pub(crate) const ISO: &str = "vsphere.driver.v1.Isos/EnsureIso";

/// How long the driver may hold a reply: more than anything takes, less than a test may.
const WAIT: &str = "90s";

/// Machines of an owner, on the cluster that every simulator has.
pub(crate) fn machines(owner: &str, slots: impl IntoIterator<Item = u32>) -> Value {
    let identities: Vec<_> = slots
        .into_iter()
        .map(|slot| json!({"slot": slot}))
        .collect();
    json!({
        "vcenter": lab::VCENTER,
        "owner": {"name": owner},
        "identities": identities,
        "spec": {
            "placement": {"datacenter": "DC0", "cluster": "DC0_C0", "datastore": lab::DATASTORE},
            "disks": [{"sizeGib": 20}],
            "networkInterfaces": [{"network": "VM Network"}],
        },
        "wait": WAIT,
    })
}

/// Names machines by their keys, for a change of them.
pub(crate) fn keys(owner: &str, slots: impl IntoIterator<Item = u32>) -> Value {
    let key = |slot| json!({"key": {"ownerUid": owner, "slot": slot}});
    let keys: Vec<_> = slots.into_iter().map(key).collect();
    json!({"vcenter": lab::VCENTER, "machines": keys, "wait": WAIT})
}

/// The request with something else at a JSON pointer, `/spec/placement/cluster`.
pub(crate) fn with(mut request: Value, pointer: &str, value: impl Into<Value>) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
    request
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .expect("the request has an object there")
        .insert(key.to_owned(), value.into());
    request
}

/// The request without something.
pub(crate) fn without(mut request: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
    request
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .expect("the request has an object there")
        .remove(key);
    request
}
