//! How much room there is, as a driver tells it.

use jiff::Timestamp;
use std::time::Duration;

/// MHz that one CPU of a machine is reckoned with, as the companion does.
pub const MHZ_PER_CPU: i32 = 2_000;

/// From which sum the room is reckoned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// All that is installed, and all space that is free.
    #[default]
    Total,
    /// What machines can use, less what HA, reservations and thin disks keep back.
    Effective,
}

/// What is asked of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityQuestion {
    /// From which sum.
    pub basis: Basis,
    /// How old the measurement may be.
    pub max_age: Duration,
}

/// The room for machines of one spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// When vCenter was asked.
    pub measured_at: Timestamp,
    /// CPU and memory.
    pub compute: ComputeCapacity,
    /// Space.
    pub datastore: DatastoreCapacity,
    /// So many more machines fit, host by host.
    pub by_host: i32,
}

/// CPU and memory of a cluster or resource pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComputeCapacity {
    /// Managed object id: whoever has the same shares this room.
    pub moref: String,
    /// Its name.
    pub name: String,
    /// It is a resource pool, and no cluster.
    pub is_pool: bool,
    /// Managed object id of its cluster, or its own again.
    pub cluster_moref: String,
    /// CPU that is left of the cluster.
    pub cluster_cpu_mhz: i64,
    /// Memory that is left of the cluster.
    pub cluster_memory_mib: i64,
    /// CPU.
    pub cpu_mhz: Amounts,
    /// Memory.
    pub memory_mib: Amounts,
}

/// What one machine takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// CPU.
    pub cpu_mhz: i64,
    /// Memory.
    pub memory_mib: i64,
    /// Disks at full size.
    pub disk_gib: i64,
}

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// All of it.
    pub total: i64,
    /// What can be used.
    pub effective: i64,
    /// What is in use.
    pub used: i64,
    /// What is left.
    pub available: i64,
}

/// Space of a datastore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatastoreCapacity {
    /// Managed object id: whoever has the same shares this space.
    pub moref: String,
    /// Its name.
    pub name: String,
    /// Size.
    pub capacity_bytes: i64,
    /// Free now.
    pub free_bytes: i64,
    /// What is left for machines.
    pub available_bytes: i64,
}

// === impl Needs ===

impl Needs {
    /// What it takes of a datastore: its disks, and a swap file as large as its memory.
    pub fn bytes(self) -> i64 {
        (self.disk_gib << 30) + (self.memory_mib << 20)
    }
}
