//! What is sent.

use crate::{
    crd::KIND,
    driver::{Adoption, Caller, Firmware, Login, MachineRef, MachineSpec, Owner, Previous, Trust},
};
use contract::{
    identity::MachineKey,
    spec,
    v1::{self as pb, tls_trust, virtual_machine_ref},
};
use uuid::Uuid;

/// The hash of a spec, as it stands in the marks of machines made of it.
pub fn spec_hash(spec: &MachineSpec) -> String {
    spec::spec_hash(&spec.into())
}

/// The caller of one call, with an id for logs and audit lines.
pub(in crate::driver) fn caller(caller: &Caller) -> pb::Caller {
    let Caller { hub_id, epoch } = caller.clone();
    let id = Uuid::new_v4().simple().to_string();
    pb::Caller {
        hub_id,
        epoch,
        operation_id: format!("c-{}", &id[..12]),
        ..pb::Caller::default()
    }
}

pub(in crate::driver) fn trust(trust: &Trust) -> Option<pb::TlsTrust> {
    let trust = match trust.clone() {
        Trust::System => return None,
        Trust::CaBundle(pem) => tls_trust::Trust::CaBundlePem(pem),
        Trust::Thumbprint(hex) => tls_trust::Trust::Sha256Thumbprint(hex),
        Trust::Insecure => tls_trust::Trust::Insecure(pb::InsecureTrust {}),
    };
    Some(pb::TlsTrust { trust: Some(trust) })
}

pub(in crate::driver) fn connect(by: &Caller, login: &Login) -> pb::ConnectVCenterRequest {
    let user = pb::UserPassword {
        username: login.username.clone(),
        password: login.password.clone(),
    };
    pb::ConnectVCenterRequest {
        caller: Some(caller(by)),
        server: login.server.clone(),
        credential: Some(pb::connect_v_center_request::Credential::UserPassword(user)),
        trust: trust(&login.trust),
        ..pb::ConnectVCenterRequest::default()
    }
}

pub(in crate::driver) fn filter(hub_id: &str) -> pb::VirtualMachineFilter {
    let ownerships = [
        pb::Ownership::Ours,
        pb::Ownership::Copy,
        pb::Ownership::Companion,
    ];
    pb::VirtualMachineFilter {
        hub_id: hub_id.into(),
        ownerships: ownerships.map(Into::into).to_vec(),
        ..pb::VirtualMachineFilter::default()
    }
}

impl From<&MachineSpec> for pb::VirtualMachineSpec {
    fn from(spec: &MachineSpec) -> Self {
        let MachineSpec {
            datacenter,
            cluster,
            resource_pool,
            datastore,
            folder,
            network,
            num_cpus,
            memory_mib,
            disk_gib,
            guest_id,
            firmware,
            nested_virtualization,
            disk_enable_uuid,
            iso_path,
            extra_config,
        } = spec.clone();
        let firmware = match firmware {
            Firmware::Bios => pb::Firmware::Bios,
            Firmware::Efi => pb::Firmware::Efi,
            Firmware::EfiSecure => pb::Firmware::EfiSecure,
        };
        Self {
            placement: Some(pb::Placement {
                datacenter,
                cluster,
                resource_pool,
                datastore,
                folder,
            }),
            source: None,
            hardware: Some(pb::Hardware {
                num_cpus,
                memory_mib,
                guest_id,
                firmware: firmware.into(),
                nested_virtualization,
                disk_enable_uuid,
            }),
            disks: vec![pb::Disk { size_gib: disk_gib }],
            network_interfaces: vec![pb::NetworkInterface { network }],
            cdrom: iso_path.map(|iso_path| pb::Cdrom { iso_path }),
            extra_config: extra_config.0,
        }
    }
}

impl From<&Adoption> for pb::Adoption {
    fn from(adoption: &Adoption) -> Self {
        let Adoption {
            moref,
            name,
            folder,
            previous,
            slot,
        } = adoption.clone();
        let previous = match previous {
            Previous::Companion(template) => pb::adoption::Previous::CompanionTemplate(template),
            Previous::Key(key) => pb::adoption::Previous::Key(wire_key(key)),
        };
        Self {
            moref,
            name,
            folder,
            slot,
            previous: Some(previous),
        }
    }
}

fn wire_key(key: MachineKey) -> pb::VirtualMachineKey {
    pb::VirtualMachineKey {
        hub_id: key.hub_id,
        owner_uid: key.owner_uid,
        slot: key.slot,
    }
}

impl From<&Owner> for pb::Owner {
    fn from(owner: &Owner) -> Self {
        let Owner {
            namespace,
            name,
            uid,
        } = owner.clone();
        Self {
            kind: KIND.into(),
            namespace,
            name,
            uid,
        }
    }
}

impl From<&MachineRef> for pb::VirtualMachineRef {
    fn from(machine: &MachineRef) -> Self {
        let MachineRef { key, moref, folder } = machine.clone();
        Self {
            r#ref: Some(virtual_machine_ref::Ref::Key(wire_key(key))),
            moref_hint: moref,
            folder_hint: folder,
        }
    }
}
