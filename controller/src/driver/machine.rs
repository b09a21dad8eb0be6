//! Machines as the controller sees them.

use super::Fault;
use contract::identity::MachineKey;
use std::{collections::BTreeMap, fmt};

/// A machine as it is, or one that is not there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Name in vCenter.
    pub name: String,
    /// Key in its mark.
    pub key: Option<MachineKey>,
    /// Instance UUID.
    pub instance_uuid: String,
    /// BIOS UUID.
    pub bios_uuid: String,
    /// SMBIOS serial number.
    pub serial_number: String,
    /// MAC addresses of its interfaces; empty until vCenter has told them.
    pub mac_addresses: Vec<String>,
    /// Managed object id. Empty: not made yet.
    pub moref: String,
    /// Folder it is in, as an inventory path.
    pub folder: String,
    /// The object in its mark, `namespace/name`.
    pub owner: String,
    /// Whose it is.
    pub ownership: Ownership,
    /// What it is doing.
    pub state: State,
    /// Its power state, where it is known.
    pub power: Option<Power>,
    /// Why the state is `Conflict`, `Failed` or `Unknown`.
    pub fault: Option<Fault>,
    /// Hash of the spec it was made of.
    pub spec_hash: String,
    /// The companion's tag, `namespace/name`.
    pub companion_template: String,
    /// `[datastore] folder/file.iso` in its drive; empty: none, or not read yet.
    pub mounted_iso: String,
    /// Why the last try to take the ISO out of its drive failed.
    pub ejection: Option<Fault>,
    /// Of two views in one run of the driver, the higher is the newer.
    pub revision: i64,
}

/// Whose a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Mark and instance UUID are ours.
    Ours,
    /// It bears our mark and another instance UUID.
    Copy,
    /// It bears the companion's tag.
    Companion,
    /// None of these.
    Foreign,
}

/// What a machine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Accepted or being made.
    Creating,
    /// Made, being switched on.
    PoweringOn,
    /// On.
    Running,
    /// Made and not on.
    Off,
    /// Being removed.
    Deleting,
    /// Proved not to be there.
    Gone,
    /// There, of another spec.
    Drifted,
    /// Something stands in its place.
    Conflict,
    /// Its last work failed.
    Failed,
    /// The driver cannot tell.
    Unknown,
}

/// Power state of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// On.
    On,
    /// Off.
    Off,
    /// Suspended.
    Suspended,
}

/// A machine that is no more to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Its key.
    pub key: Option<MachineKey>,
    /// Its instance UUID.
    pub instance_uuid: String,
    /// Its managed object id.
    pub moref: String,
    /// It is proved not to exist.
    pub gone: bool,
    /// In one run of the driver, what is told of it with a lower one is older.
    pub revision: i64,
}

/// Names a machine of this hub to be removed, and says where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineRef {
    /// Its key.
    pub key: MachineKey,
    /// The managed object id it had, or empty.
    pub moref: String,
    /// The folder it would have been made in, or empty.
    pub folder: String,
}

/// What a machine shall be. Empty and 0 stand for the contract's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineSpec {
    /// Datacenter.
    pub datacenter: String,
    /// Cluster.
    pub cluster: String,
    /// Resource pool.
    pub resource_pool: String,
    /// Datastore.
    pub datastore: String,
    /// Folder.
    pub folder: String,
    /// Network of the one interface.
    pub network: String,
    /// CPUs.
    pub num_cpus: i32,
    /// Memory.
    pub memory_mib: i32,
    /// Size of the one disk.
    pub disk_gib: i32,
    /// Guest id.
    pub guest_id: String,
    /// Firmware.
    pub firmware: Firmware,
    /// The guest sees the CPU's virtualisation.
    pub nested_virtualization: bool,
    /// The guest sees the UUIDs of its disks.
    pub disk_enable_uuid: bool,
    /// The ISO in the drive; not part of the hash.
    pub iso_path: Option<String>,
    /// Further settings.
    pub extra_config: ExtraConfig,
}

/// Firmware of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS.
    Bios,
    /// EFI without secure boot.
    Efi,
    /// EFI with secure boot.
    #[default]
    EfiSecure,
}

/// Settings whose values may be secret: only the keys are printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExtraConfig(pub BTreeMap<String, String>);

// === impl Machine ===

impl Machine {
    /// The slot, of a machine that is ours or shall be.
    pub fn slot(&self) -> Option<i32> {
        self.key.as_ref().map(|key| key.slot)
    }

    /// It exists in vCenter.
    pub fn exists(&self) -> bool {
        !self.moref.is_empty()
    }
}

// === impl ExtraConfig ===

impl fmt::Debug for ExtraConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
