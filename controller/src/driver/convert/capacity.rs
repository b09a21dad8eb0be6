//! The room, as it is asked for and told.

use crate::driver::{
    Amounts, Basis, Capacity, CapacityQuestion, ComputeCapacity, DatastoreCapacity, Fault,
    MHZ_PER_CPU, MachineSpec, Needs,
};
use contract::{spec::with_defaults, v1 as pb};
use jiff::Timestamp;

/// What one machine of a spec takes, with the contract's defaults.
pub fn needs(spec: &MachineSpec) -> Needs {
    let spec = with_defaults(spec.into());
    let hardware = spec.hardware.unwrap_or_default();
    let disks = spec.disks.iter().map(|disk| i64::from(disk.size_gib));
    Needs {
        cpu_mhz: i64::from(hardware.num_cpus) * i64::from(MHZ_PER_CPU),
        memory_mib: hardware.memory_mib.into(),
        disk_gib: disks.sum(),
    }
}

pub(in crate::driver) fn capacity(
    vcenter: &str,
    spec: &MachineSpec,
    question: CapacityQuestion,
) -> pb::GetCapacityRequest {
    let basis = match question.basis {
        Basis::Total => pb::CapacityBasis::Total,
        Basis::Effective => pb::CapacityBasis::Effective,
    };
    pb::GetCapacityRequest {
        vcenter: vcenter.into(),
        spec: Some(spec.into()),
        basis: basis.into(),
        mhz_per_cpu: MHZ_PER_CPU,
        max_age: prost_types::Duration::try_from(question.max_age).ok(),
    }
}

impl TryFrom<pb::GetCapacityResponse> for Capacity {
    type Error = Fault;

    fn try_from(reply: pb::GetCapacityResponse) -> Result<Self, Fault> {
        let capacity = reply.capacity.ok_or(Fault::bad_reply("the capacity"))?;
        let pb::Capacity {
            measured_at,
            compute,
            datastores,
            room,
        } = capacity;
        let measured_at = measured_at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
        let datastore = datastores.into_iter().next();
        Ok(Self {
            measured_at: measured_at.ok_or(Fault::bad_reply("the time of the measurement"))?,
            compute: compute
                .ok_or(Fault::bad_reply("the capacity's compute"))?
                .into(),
            datastore: datastore
                .ok_or(Fault::bad_reply("the capacity's datastore"))?
                .into(),
            by_host: room.ok_or(Fault::bad_reply("the room"))?.by_host,
        })
    }
}

impl From<pb::ComputeCapacity> for ComputeCapacity {
    fn from(compute: pb::ComputeCapacity) -> Self {
        let object = compute.object.unwrap_or_default();
        Self {
            is_pool: object.kind() == pb::InventoryKind::ResourcePool,
            cluster_moref: compute.cluster.unwrap_or_default().moref,
            cluster_cpu_mhz: compute.cluster_cpu_available_mhz,
            cluster_memory_mib: compute.cluster_memory_available_mib,
            moref: object.moref,
            name: object.name,
            cpu_mhz: Amounts {
                total: compute.cpu_total_mhz,
                effective: compute.cpu_effective_mhz,
                used: compute.cpu_used_mhz,
                available: compute.cpu_available_mhz,
            },
            memory_mib: Amounts {
                total: compute.memory_total_mib,
                effective: compute.memory_effective_mib,
                used: compute.memory_used_mib,
                available: compute.memory_available_mib,
            },
        }
    }
}

impl From<pb::DatastoreCapacity> for DatastoreCapacity {
    fn from(datastore: pb::DatastoreCapacity) -> Self {
        let object = datastore.object.unwrap_or_default();
        Self {
            moref: object.moref,
            name: object.name,
            capacity_bytes: datastore.capacity_bytes,
            free_bytes: datastore.free_bytes,
            available_bytes: datastore.available_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn reply() -> pb::GetCapacityResponse {
        let object = |kind: pb::InventoryKind, moref: &str| {
            Some(pb::InventoryObject {
                kind: kind.into(),
                moref: moref.into(),
                ..pb::InventoryObject::default()
            })
        };
        let capacity = pb::Capacity {
            measured_at: Some(prost_types::Timestamp {
                seconds: 5,
                nanos: 0,
            }),
            compute: Some(pb::ComputeCapacity {
                object: object(pb::InventoryKind::ResourcePool, "resgroup-1"),
                cpu_available_mhz: 7,
                memory_available_mib: 9,
                ..pb::ComputeCapacity::default()
            }),
            datastores: vec![pb::DatastoreCapacity {
                object: object(pb::InventoryKind::Datastore, "datastore-1"),
                available_bytes: 11,
                ..pb::DatastoreCapacity::default()
            }],
            room: Some(pb::Room {
                by_host: 3,
                ..pb::Room::default()
            }),
        };
        pb::GetCapacityResponse {
            capacity: Some(capacity),
        }
    }

    #[test]
    fn a_measurement_is_taken_over() {
        let capacity = Capacity::try_from(reply()).unwrap();
        assert!(capacity.compute.is_pool);
        assert_eq!(
            (
                capacity.measured_at.as_second(),
                capacity.compute.cpu_mhz.available,
                capacity.compute.memory_mib.available,
                capacity.datastore.available_bytes,
                capacity.by_host,
            ),
            (5, 7, 9, 11, 3)
        );
    }

    #[test]
    fn a_measurement_that_lacks_something_is_no_measurement() {
        type Change = fn(&mut pb::Capacity);
        let changes: [Change; 4] = [
            |c| c.measured_at = None,
            |c| c.compute = None,
            |c| c.datastores.clear(),
            |c| c.room = None,
        ];
        for change in changes {
            let mut reply = reply();
            change(reply.capacity.as_mut().unwrap());
            let fault = Capacity::try_from(reply).unwrap_err();
            assert_eq!(fault.word, "DriverBadReply");
        }
        let nothing = Capacity::try_from(pb::GetCapacityResponse::default());
        assert_eq!(nothing.unwrap_err().word, "DriverBadReply");
    }

    #[test]
    fn what_a_spec_leaves_out_takes_as_much_as_the_driver_makes_of_it() {
        let spec = MachineSpec {
            disk_gib: 120,
            ..MachineSpec::default()
        };
        let expected = Needs {
            cpu_mhz: 4_000,
            memory_mib: 8_192,
            disk_gib: 120,
        };
        assert_eq!(needs(&spec), expected);
        assert_eq!(expected.bytes(), 128 << 30);
    }

    #[test]
    fn the_basis_is_what_the_template_says() {
        for (asked, basis) in [
            (Basis::Effective, pb::CapacityBasis::Effective),
            (Basis::Total, pb::CapacityBasis::Total),
        ] {
            let question = CapacityQuestion {
                basis: asked,
                max_age: Duration::from_secs(9),
            };
            let request = capacity("vc", &MachineSpec::default(), question);
            assert_eq!(request.basis(), basis);
            assert_eq!(request.max_age.unwrap().seconds, 9);
        }
    }
}
