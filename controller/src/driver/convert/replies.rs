//! What is received.

use crate::driver::{
    Adopted, Answer, Event, Fault, Freshness, Machine, Message, Name, Ownership, Placement, Power,
    State, Tombstone, Vcenter,
};
use contract::{
    identity::MachineKey,
    v1::{self as pb, watch_virtual_machines_response},
};

/// Field of a spec's folder in a placement report.
const FOLDER: &str = "folder";

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

fn named(owner: &pb::Owner) -> String {
    format!("{}/{}", owner.namespace, owner.name)
}

impl From<pb::VirtualMachine> for Machine {
    fn from(machine: pb::VirtualMachine) -> Self {
        let (ownership, state) = (machine.ownership(), machine.state());
        let power = machine.power_state();
        let ejection = machine.operation.filter(is_ejection);
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
            mac_addresses: machine.mac_addresses,
            moref: machine.moref,
            folder: machine.folder,
            owner: machine.owner.as_ref().map(named).unwrap_or_default(),
            fault: machine.fault.map(Into::into),
            spec_hash: machine.spec_hash,
            companion_template: machine.companion_template,
            mounted_iso: machine.mounted_iso,
            ejection: ejection.and_then(|it| it.fault).map(Into::into),
            revision: machine.revision,
        }
    }
}

fn is_ejection(operation: &pb::Operation) -> bool {
    operation.verb() == pb::Verb::EjectIso && operation.state() == pb::OperationState::Failed
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

impl TryFrom<pb::VirtualMachineResult> for Adopted {
    type Error = Fault;

    fn try_from(mut result: pb::VirtualMachineResult) -> Result<Self, Fault> {
        let changes = std::mem::take(&mut result.changes);
        let changes = changes.into_iter().map(|change| {
            let pb::PropertyChange {
                property,
                before,
                after,
            } = change;
            format!("{property}: {before} -> {after}")
        });
        Ok(Self {
            changes: changes.collect(),
            answer: result.try_into()?,
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
            revision: tombstone.revision,
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
                freshness: begin.freshness.unwrap_or_default().into(),
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

fn last_part(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
}
