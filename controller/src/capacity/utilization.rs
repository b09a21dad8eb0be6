//! The room as it stands in the status. Pure.

use super::Room;
use crate::{
    crd::{ComputeUtilization, DatastoreUtilization, ResourceUtilization},
    driver::{Capacity, ComputeCapacity, DatastoreCapacity},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

const GIB: i64 = 1 << 30;

/// What is told of a measurement.
pub(crate) fn utilization(
    capacity: &Capacity,
    room: Room,
    soft_limit_exceeded: bool,
) -> ResourceUtilization {
    ResourceUtilization {
        datastore: Some(datastore(&capacity.datastore)),
        compute: Some(compute(&capacity.compute)),
        estimated_vm_capacity: Some(room.machines),
        soft_limit_exceeded: Some(soft_limit_exceeded),
        last_updated: Some(Time(capacity.measured_at)),
    }
}

fn datastore(datastore: &DatastoreCapacity) -> DatastoreUtilization {
    let DatastoreCapacity {
        moref: _,
        name,
        capacity_bytes,
        free_bytes,
        available_bytes: _,
    } = datastore;
    let (capacity_gb, free_space_gb) = (capacity_bytes / GIB, free_bytes / GIB);
    DatastoreUtilization {
        name: name.clone(),
        capacity_gb,
        free_space_gb,
        used_gb: capacity_gb - free_space_gb,
        percent_used: percent(capacity_bytes - free_bytes, *capacity_bytes),
    }
}

fn compute(compute: &ComputeCapacity) -> ComputeUtilization {
    let ComputeCapacity {
        name,
        is_pool,
        cpu_mhz,
        memory_mib,
        ..
    } = compute;
    let kind = if *is_pool { "ResourcePool" } else { "Cluster" };
    ComputeUtilization {
        resource_type: kind.into(),
        name: name.clone(),
        cpu_total_mhz: cpu_mhz.total,
        cpu_effective_mhz: cpu_mhz.effective,
        cpu_used_mhz: cpu_mhz.used,
        cpu_available_mhz: cpu_mhz.available,
        cpu_percent_used: percent(cpu_mhz.used, cpu_mhz.total),
        memory_total_mb: memory_mib.total,
        memory_effective_mb: memory_mib.effective,
        memory_used_mb: memory_mib.used,
        memory_available_mb: memory_mib.available,
        memory_percent_used: percent(memory_mib.used, memory_mib.total),
    }
}

/// How much of `all` is used, rounded down. More than all there is, as where thin disks are counted
/// whole, is more than 100.
fn percent(used: i64, all: i64) -> i32 {
    if all <= 0 {
        return 0;
    }
    let percent = i128::from(used.max(0)) * 100 / i128::from(all);
    i32::try_from(percent).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        capacity::Limit,
        driver::{Amounts, Needs},
        fixtures,
    };
    use serde_json::json;

    const ROOM: Room = Room {
        machines: 7,
        limit: Limit::Cpu,
    };

    #[test]
    fn every_field_that_the_console_reads_is_served_also_where_it_is_nothing() {
        let mut capacity = fixtures::capacity(0, Needs::default());
        capacity.compute = ComputeCapacity::default();
        capacity.datastore = DatastoreCapacity::default();
        let status = utilization(&capacity, ROOM, false);
        assert_eq!(
            serde_json::to_value(status).unwrap(),
            json!({
                "datastore": {
                    "name": "", "capacityGB": 0, "freeSpaceGB": 0, "usedGB": 0, "percentUsed": 0,
                },
                "compute": {
                    "resourceType": "Cluster", "name": "",
                    "cpuTotalMhz": 0, "cpuEffectiveMhz": 0, "cpuUsedMhz": 0, "cpuAvailableMhz": 0,
                    "cpuPercentUsed": 0,
                    "memoryTotalMb": 0, "memoryEffectiveMb": 0, "memoryUsedMb": 0,
                    "memoryAvailableMb": 0, "memoryPercentUsed": 0,
                },
                "estimatedVMCapacity": 7,
                "softLimitExceeded": false,
                "lastUpdated": "1970-01-01T00:00:00Z",
            })
        );
    }

    #[test]
    fn figures_are_in_the_units_of_their_names() {
        let mut capacity = fixtures::capacity(1, Needs::default());
        capacity.datastore.capacity_bytes = 1_000 * GIB;
        capacity.datastore.free_bytes = 255 * GIB - 1;
        capacity.compute.is_pool = true;
        capacity.compute.memory_mib = Amounts {
            total: 1_000,
            effective: 900,
            used: 299,
            available: 601,
        };
        let status = utilization(&capacity, ROOM, true);
        let (datastore, compute) = (status.datastore.unwrap(), status.compute.unwrap());
        assert_eq!(
            (
                datastore.capacity_gb,
                datastore.free_space_gb,
                datastore.used_gb,
                datastore.percent_used
            ),
            (1_000, 254, 746, 74)
        );
        assert_eq!(
            (
                compute.resource_type.as_str(),
                compute.memory_percent_used,
                compute.memory_available_mb
            ),
            ("ResourcePool", 29, 601)
        );
        assert_eq!(status.soft_limit_exceeded, Some(true));
    }
}
