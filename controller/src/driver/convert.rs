//! Between wire messages and this crate's own types.

use super::{
    Answer, Caller, Event, Fault, Firmware, Freshness, Kind, Login, Machine, MachineRef,
    MachineSpec, Message, Name, Owner, Ownership, Placement, Power, Retry, State, Tombstone, Trust,
    Vcenter,
};
use crate::crd::KIND;
use contract::{
    identity::MachineKey,
    spec,
    v1::{self as pb, tls_trust, virtual_machine_ref, watch_virtual_machines_response},
};
use tonic::{Code, Status};
use uuid::Uuid;

/// Field of a spec's folder in a placement report.
const FOLDER: &str = "folder";

/// The hash of a spec, as it stands in the marks of machines made of it.
pub fn spec_hash(spec: &MachineSpec) -> String {
    spec::spec_hash(&spec.into())
}

/// The caller of one call, with an id for logs and audit lines.
pub(super) fn caller(caller: &Caller) -> pb::Caller {
    let Caller { hub_id, epoch } = caller.clone();
    let id = Uuid::new_v4().simple().to_string();
    pb::Caller {
        hub_id,
        epoch,
        operation_id: format!("c-{}", &id[..12]),
        ..pb::Caller::default()
    }
}

pub(super) fn trust(trust: &Trust) -> Option<pb::TlsTrust> {
    let trust = match trust.clone() {
        Trust::System => return None,
        Trust::CaBundle(pem) => tls_trust::Trust::CaBundlePem(pem),
        Trust::Thumbprint(hex) => tls_trust::Trust::Sha256Thumbprint(hex),
        Trust::Insecure => tls_trust::Trust::Insecure(pb::InsecureTrust {}),
    };
    Some(pb::TlsTrust { trust: Some(trust) })
}

pub(super) fn connect(by: &Caller, login: &Login) -> pb::ConnectVCenterRequest {
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

pub(super) fn filter(hub_id: &str) -> pb::VirtualMachineFilter {
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
        let key = pb::VirtualMachineKey {
            hub_id: key.hub_id,
            owner_uid: key.owner_uid,
            slot: key.slot,
        };
        Self {
            r#ref: Some(virtual_machine_ref::Ref::Key(key)),
            moref_hint: moref,
            folder_hint: folder,
        }
    }
}

impl From<pb::Fault> for Fault {
    fn from(fault: pb::Fault) -> Self {
        let reason = fault.reason();
        Self {
            word: reason.row().word,
            retry: fault.retry().into(),
            after: fault.wait(),
            kind: match reason {
                pb::Reason::VcenterUnknown => Kind::VcenterUnknown,
                pb::Reason::StaleEpoch => Kind::StaleEpoch,
                _ => Kind::Other,
            },
            message: fault.message,
        }
    }
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        if let Some(fault) = pb::Fault::of_status(&status) {
            return fault.into();
        }
        let message = chain(&status);
        match status.code() {
            Code::Unimplemented => Self {
                word: pb::Reason::FeatureUnsupported.row().word,
                message: format!("the driver lacks a call: {message}. Update the driver"),
                retry: Retry::Slow,
                after: None,
                kind: Kind::Other,
            },
            code => Self::unreachable(format!("the driver did not answer ({code:?}: {message})")),
        }
    }
}

impl From<pb::RetryClass> for Retry {
    fn from(class: pb::RetryClass) -> Self {
        match class {
            pb::RetryClass::Never => Self::Never,
            pb::RetryClass::Slow => Self::Slow,
            pb::RetryClass::Backoff | pb::RetryClass::Unspecified => Self::Backoff,
            pb::RetryClass::Soon => Self::Soon,
            pb::RetryClass::Recover => Self::Recover,
        }
    }
}

impl TryFrom<pb::VCenter> for Vcenter {
    type Error = Fault;

    fn try_from(vcenter: pb::VCenter) -> Result<Self, Fault> {
        if vcenter.name.is_empty() {
            return Err(Fault::bad_reply("the vCenter's name"));
        }
        Ok(Self {
            name: vcenter.name,
            instance_uuid: vcenter.instance_uuid,
            freshness: vcenter.freshness.unwrap_or_default().into(),
        })
    }
}

impl From<pb::Freshness> for Freshness {
    fn from(freshness: pb::Freshness) -> Self {
        Self {
            connected: freshness.connection_state() == pb::ConnectionState::Connected,
            fault: freshness.fault.map(Into::into),
        }
    }
}

fn machine_key(key: pb::VirtualMachineKey) -> MachineKey {
    let pb::VirtualMachineKey {
        hub_id,
        owner_uid,
        slot,
    } = key;
    MachineKey {
        hub_id,
        owner_uid,
        slot,
    }
}

impl From<pb::VirtualMachine> for Machine {
    fn from(machine: pb::VirtualMachine) -> Self {
        let (ownership, state) = (machine.ownership(), machine.state());
        let power = machine.power_state();
        Self {
            ownership: match ownership {
                pb::Ownership::Ours => Ownership::Ours,
                pb::Ownership::Copy => Ownership::Copy,
                pb::Ownership::Companion => Ownership::Companion,
                // One that is not made yet bears nothing: it is ours if it has a key.
                pb::Ownership::Unspecified if machine.key.is_some() => Ownership::Ours,
                pb::Ownership::Foreign | pb::Ownership::Unspecified => Ownership::Foreign,
            },
            state: state.into(),
            power: match power {
                pb::PowerState::On => Some(Power::On),
                pb::PowerState::Off => Some(Power::Off),
                pb::PowerState::Suspended => Some(Power::Suspended),
                pb::PowerState::Unspecified => None,
            },
            name: machine.name,
            key: machine.key.map(machine_key),
            instance_uuid: machine.instance_uuid,
            bios_uuid: machine.bios_uuid,
            serial_number: machine.serial_number,
            moref: machine.moref,
            fault: machine.fault.map(Into::into),
            spec_hash: machine.spec_hash,
            companion_template: machine.companion_template,
            revision: machine.revision,
        }
    }
}

impl From<pb::VirtualMachineState> for State {
    fn from(state: pb::VirtualMachineState) -> Self {
        use pb::VirtualMachineState as S;
        match state {
            S::Creating => Self::Creating,
            S::PoweringOn => Self::PoweringOn,
            S::Running => Self::Running,
            S::Off => Self::Off,
            S::Deleting => Self::Deleting,
            S::Gone => Self::Gone,
            S::Drifted => Self::Drifted,
            S::Conflict => Self::Conflict,
            S::Failed => Self::Failed,
            S::Unknown | S::Unspecified => Self::Unknown,
        }
    }
}

impl TryFrom<pb::VirtualMachineResult> for Answer {
    type Error = Fault;

    fn try_from(result: pb::VirtualMachineResult) -> Result<Self, Fault> {
        let machine = result.machine.ok_or(Fault::bad_reply("a machine"))?;
        Ok(Self {
            machine: machine.into(),
            fault: result.fault.map(Into::into),
        })
    }
}

impl From<pb::VirtualMachineTombstone> for Tombstone {
    fn from(tombstone: pb::VirtualMachineTombstone) -> Self {
        let cause = tombstone.cause();
        Self {
            key: tombstone.key.map(machine_key),
            instance_uuid: tombstone.instance_uuid,
            moref: tombstone.moref,
            gone: cause == pb::RemovalCause::Gone && tombstone.absence.is_some(),
        }
    }
}

impl From<pb::WatchVirtualMachinesResponse> for Message {
    fn from(message: pb::WatchVirtualMachinesResponse) -> Self {
        use watch_virtual_machines_response::Event as E;
        let event = match message.event {
            Some(E::SnapshotBegin(begin)) => Event::SnapshotBegin {
                run_id: begin.run_id,
            },
            Some(E::Changes(changes)) => Event::Changes {
                changed: changes.changed.into_iter().map(Into::into).collect(),
                removed: changes.removed.into_iter().map(Into::into).collect(),
            },
            Some(E::SnapshotEnd(_)) => Event::SnapshotEnd,
            Some(E::Bookmark(bookmark)) => {
                Event::Bookmark(bookmark.freshness.unwrap_or_default().into())
            }
            None => Event::Unknown,
        };
        Self {
            event,
            token: message.token,
        }
    }
}

impl From<pb::PlacementReport> for Placement {
    fn from(report: pb::PlacementReport) -> Self {
        let of_folder = |name: &&pb::Resolution| last_part(&name.field) == FOLDER;
        let folder = report.resolutions.iter().find(of_folder);
        let existing = folder.and_then(|name| name.object.as_ref());
        let folder = report.folders_to_create.last().cloned();
        let folder = folder.or_else(|| existing.map(|object| object.path.clone()));
        Self {
            names: report.resolutions.into_iter().map(Into::into).collect(),
            folder: folder.unwrap_or_default(),
            faults: report.faults.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<pb::Resolution> for Name {
    fn from(name: pb::Resolution) -> Self {
        use pb::ResolutionState as S;
        let state = name.state();
        let path = name.object.map(|object| object.path).unwrap_or_default();
        let message = match (name.fault, state) {
            (Some(fault), _) => fault.message,
            (None, S::WillBeCreated) => format!("{} (will be created)", name.asked),
            (None, _) => path,
        };
        Self {
            field: last_part(&name.field).into(),
            usable: matches!(state, S::Resolved | S::Chosen | S::WillBeCreated),
            message,
        }
    }
}

/// What a status says, with its causes: a refused certificate is told of by the innermost.
fn chain(status: &Status) -> String {
    let causes = std::iter::successors(std::error::Error::source(status), |cause| cause.source());
    let causes = causes.map(ToString::to_string);
    let mut texts = vec![status.message().to_owned()];
    for cause in causes {
        if !texts.iter().any(|text| text.contains(&cause)) {
            texts.push(cause);
        }
    }
    texts.join(": ")
}

fn last_part(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_fault_of_the_driver_keeps_its_word_and_class() {
        let fault = pb::Fault::new(pb::Reason::VcenterUnknown, "no vCenter `x`")
            .after(Duration::from_secs(2));
        let fault = Fault::from(fault.into_status("op"));
        assert_eq!(
            (fault.word, fault.retry, fault.kind, fault.after),
            (
                "VCenterUnknown",
                Retry::Recover,
                Kind::VcenterUnknown,
                Some(Duration::from_secs(2))
            )
        );
    }

    #[test]
    fn a_status_that_no_driver_made_means_that_it_is_not_reached() {
        for (status, word) in [
            (Status::unavailable("refused"), "DriverUnreachable"),
            (Status::deadline_exceeded("late"), "DriverUnreachable"),
            (Status::unimplemented("what?"), "FeatureUnsupported"),
        ] {
            assert_eq!(Fault::from(status).word, word);
        }
    }

    #[test]
    fn a_machine_that_is_not_made_yet_is_ours_by_its_key() {
        let key = pb::VirtualMachineKey {
            slot: 1,
            ..pb::VirtualMachineKey::default()
        };
        let creating = pb::VirtualMachine {
            key: Some(key),
            state: pb::VirtualMachineState::Creating.into(),
            ..pb::VirtualMachine::default()
        };
        assert_eq!(Machine::from(creating).ownership, Ownership::Ours);
        let nobodys = pb::VirtualMachine::default();
        assert_eq!(Machine::from(nobodys).ownership, Ownership::Foreign);
    }

    #[test]
    fn the_folder_is_the_one_to_be_made_else_the_one_that_is_there() {
        let object = pb::InventoryObject {
            path: "/DC0/vm".into(),
            ..pb::InventoryObject::default()
        };
        let resolution = pb::Resolution {
            field: "spec.placement.folder".into(),
            object: Some(object),
            ..pb::Resolution::default()
        };
        let mut report = pb::PlacementReport {
            resolutions: vec![resolution],
            ..pb::PlacementReport::default()
        };
        assert_eq!(Placement::from(report.clone()).folder, "/DC0/vm");
        report.folders_to_create = vec!["/DC0/vm/a".into(), "/DC0/vm/a/b".into()];
        assert_eq!(Placement::from(report).folder, "/DC0/vm/a/b");
    }

    #[test]
    fn only_a_proof_makes_a_tombstone_one() {
        let mut tombstone = pb::VirtualMachineTombstone {
            cause: pb::RemovalCause::Gone.into(),
            ..pb::VirtualMachineTombstone::default()
        };
        assert!(!Tombstone::from(tombstone.clone()).gone);
        tombstone.absence = Some(pb::Absence::default());
        assert!(Tombstone::from(tombstone).gone);
    }

    #[test]
    fn neither_a_password_nor_a_setting_is_printed() {
        let login = Login {
            server: "vc".into(),
            username: "u".into(),
            password: "canary".into(),
            trust: Trust::System,
        };
        let settings = [("key".to_owned(), "canary".to_owned())];
        let spec = MachineSpec {
            extra_config: super::super::ExtraConfig(settings.into()),
            ..MachineSpec::default()
        };
        assert!(!format!("{login:?} {spec:?}").contains("canary"));
    }
}
