//! How much room there is for machines: what vCenter measured, and what follows from it.

mod amount;
mod failover;
mod measure;
mod remembered;
mod room;

pub use self::{
    amount::Amount,
    failover::Admission,
    measure::{Cluster, Datastore, Host, Measured, Pool, Unmeasured, filter, measured},
    remembered::Remembered,
    room::{Basis, Question, Reckoned, reckon},
};

use crate::soap::MoRef;
use contract::v1::VirtualMachineSpec;

const MIB: i64 = 1 << 20;
const GIB: i64 = 1 << 30;

/// Where machines take their room from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// The cluster or stand-alone host.
    pub cluster: MoRef,
    /// The resource pool.
    pub pool: MoRef,
    /// The datastore.
    pub datastore: MoRef,
}

/// What one machine takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// CPUs.
    pub cpus: i64,
    /// Memory.
    pub memory_mib: i64,
    /// Disks at full size.
    pub disk_bytes: i64,
}

/// Room that a machine is about to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where.
    pub site: Site,
    /// How much.
    pub needs: Needs,
}

// === impl Needs ===

impl Needs {
    /// Of one machine of `spec`, which has its defaults filled in.
    pub fn of(spec: &VirtualMachineSpec) -> Self {
        let hardware = spec.hardware.clone().unwrap_or_default();
        let disks = spec.disks.iter();
        let disks: i64 = disks.map(|disk| i64::from(disk.size_gib) * GIB).sum();
        Self {
            cpus: i64::from(hardware.num_cpus),
            memory_mib: i64::from(hardware.memory_mib),
            disk_bytes: disks,
        }
    }

    /// What the machine takes of a datastore. Nothing of its memory is reserved: its swap file, which is
    /// made when it is switched on, is as large as all of it.
    pub fn bytes(self) -> i64 {
        self.disk_bytes + self.memory_mib * MIB
    }

    /// What it takes of hosts, with so many MHz for each CPU.
    pub fn amount(self, mhz_per_cpu: i64) -> Amount {
        Amount {
            cpu_mhz: self.cpus * mhz_per_cpu,
            memory_mib: self.memory_mib,
        }
    }
}
