//! What a machine is created from: `VirtualMachineConfigSpec`.

use super::{device::Device, xml::Writer};

/// How a machine boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS.
    Bios,
    /// UEFI, with secure boot or without.
    Efi {
        /// Only signed code is booted.
        secure_boot: bool,
    },
}

/// A device to boot from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootDevice {
    /// The disk of this key.
    Disk(i32),
    /// The first CD-ROM drive that has a medium.
    Cdrom,
}

/// What a machine is created from. What is absent is vCenter's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigSpec {
    /// Name, with `/`, `\` and `%` escaped as vCenter does.
    pub name: String,
    /// SMBIOS UUID.
    pub uuid: Option<String>,
    /// UUID within vCenter. A duplicate is silently replaced by vCenter.
    pub instance_uuid: Option<String>,
    /// vSphere's guest id.
    pub guest_id: Option<String>,
    /// Notes.
    pub annotation: Option<String>,
    /// Where its files go: `[datastore]`.
    pub vm_path_name: Option<String>,
    /// CPUs.
    pub num_cpus: Option<i32>,
    /// Memory in MiB.
    pub memory_mb: Option<i64>,
    /// Firmware, with secure boot.
    pub firmware: Option<Firmware>,
    /// Boot order; empty for the firmware's.
    pub boot_order: Vec<BootDevice>,
    /// The guest sees the CPU's virtualisation.
    pub nested_hv_enabled: Option<bool>,
    /// Devices to add.
    pub devices: Vec<Device>,
    /// Settings of the VMX file.
    pub extra_config: Vec<(String, String)>,
}

// === impl ConfigSpec ===

impl ConfigSpec {
    /// Writes the elements of the spec.
    pub fn write(&self, w: &mut Writer) {
        let path = self.vm_path_name.as_ref();
        w.leaf("name", &self.name)
            .opt("uuid", self.uuid.as_ref())
            .opt("instanceUuid", self.instance_uuid.as_ref())
            .opt("guestId", self.guest_id.as_ref())
            .opt("annotation", self.annotation.as_ref());
        if path.is_some() {
            w.el("files", |w| {
                w.opt("vmPathName", path);
            });
        }
        w.opt("numCPUs", self.num_cpus)
            .opt("memoryMB", self.memory_mb);
        for device in &self.devices {
            w.typed("deviceChange", "VirtualDeviceConfigSpec", |w| {
                device.write(w);
            });
        }
        for (key, value) in &self.extra_config {
            w.typed("extraConfig", "OptionValue", |w| {
                w.leaf("key", key).any_string("value", value);
            });
        }
        self.write_boot_options(w);
        w.opt("firmware", self.firmware.map(Firmware::word))
            .opt("nestedHVEnabled", self.nested_hv_enabled);
    }

    fn write_boot_options(&self, w: &mut Writer) {
        let secure = match self.firmware {
            Some(Firmware::Efi { secure_boot }) => Some(secure_boot),
            Some(Firmware::Bios) | None => None,
        };
        if secure.is_none() && self.boot_order.is_empty() {
            return;
        }
        w.el("bootOptions", |w| {
            w.opt("efiSecureBootEnabled", secure);
            for device in &self.boot_order {
                device.write(w);
            }
        });
    }
}

// === impl Firmware ===

impl Firmware {
    fn word(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Efi { .. } => "efi",
        }
    }
}

// === impl BootDevice ===

impl BootDevice {
    fn write(self, w: &mut Writer) {
        let (kind, key) = match self {
            Self::Disk(key) => ("VirtualMachineBootOptionsBootableDiskDevice", Some(key)),
            Self::Cdrom => ("VirtualMachineBootOptionsBootableCdromDevice", None),
        };
        w.typed("bootOrder", kind, |w| {
            w.opt("deviceKey", key);
        });
    }
}
