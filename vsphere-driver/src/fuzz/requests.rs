//! Requests as bytes, and their conversion into what the driver works with.

use super::Target;
use crate::grpc::fuzz::{delete, ensure};
use contract::v1::{
    Cdrom, DeleteVirtualMachinesRequest, Disk, EnsureVirtualMachinesRequest, Fault, Hardware,
    NetworkInterface, Owner, Placement, VirtualMachineIdentity, VirtualMachineKey,
    VirtualMachineRef, VirtualMachineSpec, virtual_machine_ref::Ref,
};
use prost::Message as _;
use tonic::Code;

#[test]
fn a_request_is_converted_whole_or_refused_with_a_field() {
    Target {
        name: "request",
        seeds: vec![
            ensure_request().encode_to_vec(),
            delete_request().encode_to_vec(),
        ],
        words: &[
            "\u{1}",
            "\u{8}",
            "\u{12}",
            "\u{7f}",
            "manual",
            "..",
            "/",
            "[x] y.iso",
            "é",
        ],
        try_one: |input| {
            if let Ok(request) = EnsureVirtualMachinesRequest::decode(input) {
                judge(ensure(request));
            }
            if let Ok(request) = DeleteVirtualMachinesRequest::decode(input) {
                judge(delete(request));
            }
        },
    }
    .run();
}

/// A refusal is of the request, and says where.
fn judge(converted: Result<(), Fault>) {
    if let Err(fault) = converted {
        assert_eq!(fault.reason().row().code, Code::InvalidArgument, "{fault}");
        assert!(!fault.message.is_empty());
        let is_placed = !fault.field.is_empty() || fault.metadata.contains_key("key");
        assert!(is_placed, "{fault:?}");
    }
}

fn ensure_request() -> EnsureVirtualMachinesRequest {
    let identity = |slot| VirtualMachineIdentity {
        slot,
        name: format!("pool-n0{slot}"),
    };
    EnsureVirtualMachinesRequest {
        vcenter: "lab".into(),
        owner: Some(Owner {
            kind: "Pool".into(),
            namespace: "clusters".into(),
            name: "pool".into(),
            uid: "u-1".into(),
        }),
        identities: vec![identity(1), identity(2)],
        spec: Some(VirtualMachineSpec {
            placement: Some(Placement {
                cluster: "C0".into(),
                datastore: "ds".into(),
                folder: "a/b".into(),
                ..Placement::default()
            }),
            hardware: Some(Hardware {
                num_cpus: 4,
                memory_mib: 8192,
                ..Hardware::default()
            }),
            disks: vec![Disk { size_gib: 20 }],
            network_interfaces: vec![NetworkInterface {
                network: "VM Network".into(),
            }],
            cdrom: Some(Cdrom {
                iso_path: "[ds] isos/a.iso".into(),
            }),
            extra_config: [("a.b".to_owned(), "c".to_owned())].into(),
            ..VirtualMachineSpec::default()
        }),
        wait: Some(prost_types::Duration {
            seconds: 60,
            nanos: 5,
        }),
        ..EnsureVirtualMachinesRequest::default()
    }
}

fn delete_request() -> DeleteVirtualMachinesRequest {
    let key = VirtualMachineKey {
        hub_id: "manual".into(),
        owner_uid: "u-1".into(),
        slot: 1,
    };
    let by = |reference| VirtualMachineRef {
        r#ref: Some(reference),
        moref_hint: "vm-1".into(),
        folder_hint: "/DC0/vm".into(),
    };
    DeleteVirtualMachinesRequest {
        vcenter: "lab".into(),
        machines: vec![
            by(Ref::Key(key)),
            by(Ref::Name("a".into())),
            by(Ref::InstanceUuid(
                "ea4b383c-fbb3-5623-9f67-aeadd70403d9".into(),
            )),
        ],
        ..DeleteVirtualMachinesRequest::default()
    }
}
