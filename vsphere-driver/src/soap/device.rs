//! The devices of our machines: each to be added, and drives that are emptied.
//!
//! Keys of new devices are only names within one request; vCenter gives the real ones. With those
//! that it gives by convention, a boot order that refers to them stays right.

use super::{Element, MoRef, xml::Writer};

/// Key of the first SCSI controller.
pub const SCSI_CONTROLLER: i32 = 1000;
/// Key of the first SATA controller.
pub const SATA_CONTROLLER: i32 = 15_000;
const FIRST_DISK: i32 = 2000;
const FIRST_NIC: i32 = 4000;
const FIRST_SATA_DEVICE: i32 = 16_000;
/// The SCSI controller itself has this number on its bus.
const SCSI_CONTROLLER_UNIT: i32 = 7;
const KIB_PER_GIB: i64 = 1 << 20;

/// Where a network interface is plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkBacking {
    /// A network of a standard switch.
    Standard {
        /// Name of the network.
        name: String,
        /// The network.
        network: MoRef,
    },
    /// A port group of a distributed switch.
    Distributed {
        /// UUID of the switch.
        switch_uuid: String,
        /// Key of the port group.
        portgroup_key: String,
    },
    /// A segment of NSX.
    Opaque {
        /// Id of the network.
        id: String,
        /// Its type: `nsx.LogicalSwitch`.
        kind: String,
    },
}

/// A device that a machine is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A paravirtual SCSI controller, with [`SCSI_CONTROLLER`] as its key.
    ScsiController,
    /// An empty, thin disk at the SCSI controller.
    Disk {
        /// Which one, from 0.
        index: u8,
        /// Size in GiB.
        size_gib: i64,
        /// Where its file goes: `[datastore]`.
        file_name: String,
    },
    /// A VMXNET3 interface with a generated address, connected at power-on.
    Nic {
        /// Which one, from 0.
        index: u8,
        /// Where it is plugged in.
        backing: NetworkBacking,
    },
    /// An AHCI SATA controller, with [`SATA_CONTROLLER`] as its key.
    SataController,
    /// A CD-ROM drive at the SATA controller, connected at power-on.
    Cdrom {
        /// The ISO in it: `[datastore] folder/file.iso`.
        iso: String,
    },
}

/// A CD-ROM drive of a machine that exists, with an ISO in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drive {
    /// Its key.
    pub key: i32,
    /// Key of the controller that it hangs on.
    pub controller: i32,
    /// Its number there.
    pub unit: i32,
    /// The ISO in it: `[datastore] folder/file.iso`.
    pub iso: String,
}

/// The key of the disk of this index.
pub fn disk_key(index: u8) -> i32 {
    FIRST_DISK + disk_unit(index)
}

/// The number of a disk on the SCSI bus.
fn disk_unit(index: u8) -> i32 {
    let index = i32::from(index);
    index + i32::from(index >= SCSI_CONTROLLER_UNIT)
}

// === impl Device ===

impl Device {
    /// Writes the elements of a `VirtualDeviceConfigSpec`.
    pub(super) fn write(&self, w: &mut Writer) {
        w.leaf("operation", "add");
        match self {
            Self::ScsiController => w.typed("device", "ParaVirtualSCSIController", |w| {
                w.leaf("key", SCSI_CONTROLLER)
                    .leaf("busNumber", 0)
                    .leaf("sharedBus", "noSharing");
            }),
            Self::Disk {
                index,
                size_gib,
                file_name,
            } => w
                .leaf("fileOperation", "create")
                .typed("device", "VirtualDisk", |w| {
                    write_disk(w, *index, *size_gib, file_name);
                }),
            Self::Nic { index, backing } => w.typed("device", "VirtualVmxnet3", |w| {
                w.leaf("key", FIRST_NIC + i32::from(*index));
                backing.write(w);
                write_connectable(w);
                w.leaf("addressType", "generated");
            }),
            Self::SataController => w.typed("device", "VirtualAHCIController", |w| {
                w.leaf("key", SATA_CONTROLLER).leaf("busNumber", 0);
            }),
            Self::Cdrom { iso } => w.typed("device", "VirtualCdrom", |w| write_cdrom(w, iso)),
        };
    }
}

fn write_disk(w: &mut Writer, index: u8, size_gib: i64, file_name: &str) {
    w.leaf("key", disk_key(index))
        .typed("backing", "VirtualDiskFlatVer2BackingInfo", |w| {
            w.leaf("fileName", file_name)
                .leaf("diskMode", "persistent")
                .leaf("thinProvisioned", true);
        })
        .leaf("controllerKey", SCSI_CONTROLLER)
        .leaf("unitNumber", disk_unit(index))
        .leaf("capacityInKB", size_gib.saturating_mul(KIB_PER_GIB));
}

fn write_cdrom(w: &mut Writer, iso: &str) {
    w.leaf("key", FIRST_SATA_DEVICE)
        .typed("backing", "VirtualCdromIsoBackingInfo", |w| {
            w.leaf("fileName", iso);
        });
    write_connectable(w);
    w.leaf("controllerKey", SATA_CONTROLLER)
        .leaf("unitNumber", 0);
}

fn write_connectable(w: &mut Writer) {
    w.el("connectable", |w| {
        w.leaf("startConnected", true)
            .leaf("allowGuestControl", true)
            .leaf("connected", true);
    });
}

// === impl Drive ===

impl Drive {
    /// All drives with an ISO, of a value of `config.hardware.device`.
    pub fn all(devices: &Element) -> Vec<Self> {
        devices.children().iter().filter_map(Self::read).collect()
    }

    fn read(device: &Element) -> Option<Self> {
        let backing = device.child("backing")?;
        let has_iso = device.xsi_type() == "VirtualCdrom"
            && backing.xsi_type() == "VirtualCdromIsoBackingInfo";
        let number = |path| i32::try_from(device.i64(path)?).ok();
        Some(Self {
            key: number("key").filter(|_| has_iso)?,
            controller: number("controllerKey")?,
            unit: number("unitNumber")?,
            iso: backing.str("fileName")?.to_owned(),
        })
    }

    /// Writes the elements of a `VirtualDeviceConfigSpec`. An empty drive is one at a client that is not there.
    pub(super) fn write_emptied(&self, w: &mut Writer) {
        w.leaf("operation", "edit")
            .typed("device", "VirtualCdrom", |w| {
                w.leaf("key", self.key).typed(
                    "backing",
                    "VirtualCdromRemotePassthroughBackingInfo",
                    |w| {
                        w.leaf("deviceName", "").leaf("exclusive", false);
                    },
                );
                w.el("connectable", |w| {
                    w.leaf("startConnected", false)
                        .leaf("allowGuestControl", true)
                        .leaf("connected", false);
                });
                w.leaf("controllerKey", self.controller)
                    .leaf("unitNumber", self.unit);
            });
    }
}

// === impl NetworkBacking ===

impl NetworkBacking {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Standard { name, network } => {
                w.typed("backing", "VirtualEthernetCardNetworkBackingInfo", |w| {
                    w.leaf("deviceName", name).mo("network", network);
                })
            }
            Self::Distributed {
                switch_uuid,
                portgroup_key,
            } => w.typed(
                "backing",
                "VirtualEthernetCardDistributedVirtualPortBackingInfo",
                |w| {
                    w.el("port", |w| {
                        w.leaf("switchUuid", switch_uuid)
                            .leaf("portgroupKey", portgroup_key);
                    });
                },
            ),
            Self::Opaque { id, kind } => w.typed(
                "backing",
                "VirtualEthernetCardOpaqueNetworkBackingInfo",
                |w| {
                    w.leaf("opaqueNetworkId", id)
                        .leaf("opaqueNetworkType", kind);
                },
            ),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::xml::Limits;

    #[test]
    fn only_drives_with_an_iso_are_found() {
        let devices = r#"<val xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
            <VirtualDevice xsi:type="VirtualDisk"><key>2000</key>
              <backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds] a.vmdk</fileName></backing>
              <controllerKey>1000</controllerKey><unitNumber>0</unitNumber></VirtualDevice>
            <VirtualDevice xsi:type="VirtualCdrom"><key>16000</key>
              <backing xsi:type="VirtualCdromIsoBackingInfo"><fileName>[ds] a.iso</fileName></backing>
              <controllerKey>15000</controllerKey><unitNumber>3</unitNumber></VirtualDevice>
            <VirtualDevice xsi:type="VirtualCdrom"><key>16001</key>
              <backing xsi:type="VirtualCdromRemotePassthroughBackingInfo"><deviceName/></backing>
              <controllerKey>15000</controllerKey><unitNumber>1</unitNumber></VirtualDevice>
          </val>"#;
        let devices = Element::parse(devices.as_bytes(), Limits::DEFAULT).expect("well-formed");
        let drive = Drive {
            key: 16_000,
            controller: 15_000,
            unit: 3,
            iso: "[ds] a.iso".into(),
        };
        assert_eq!(Drive::all(&devices), [drive]);
    }

    #[test]
    fn disks_leave_out_the_number_of_their_controller() {
        let units: Vec<_> = (0..15).map(disk_unit).collect();
        assert_eq!(units, [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!((disk_key(0), disk_key(7)), (2000, 2008));
    }
}
