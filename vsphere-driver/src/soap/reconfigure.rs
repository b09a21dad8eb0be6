//! How a machine that exists is changed where it stands: its instance UUID, its drives, settings of its VMX file.

use super::{Client, Error, Method, MoRef, Request, device::Drive, xml::Writer};

/// What is changed of a machine, and nothing else is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconfiguration {
    /// The version that the change rests on: vCenter refuses it with `ConcurrentAccess` if anybody
    /// changed the machine since. Empty: any.
    pub change_version: String,
    /// UUID within vCenter.
    pub instance_uuid: Option<String>,
    /// Drives that are emptied, and stay.
    pub emptied: Vec<Drive>,
    /// Settings of the VMX file. An empty value takes a setting off.
    pub extra_config: Vec<(String, String)>,
}

/// The request of [`Client::reconfigure`].
pub fn reconfigure(vm: &MoRef, change: &Reconfiguration) -> Request {
    Request::new(Method::ReconfigVm, vm).with(|w| {
        w.el("spec", |w| change.write(w));
    })
}

// === impl Reconfiguration ===

impl Reconfiguration {
    fn write(&self, w: &mut Writer) {
        let Self {
            change_version,
            instance_uuid,
            emptied,
            extra_config,
        } = self;
        let version = Some(change_version).filter(|version| !version.is_empty());
        w.opt("changeVersion", version)
            .opt("instanceUuid", instance_uuid.as_ref());
        for drive in emptied {
            w.typed("deviceChange", "VirtualDeviceConfigSpec", |w| {
                drive.write_emptied(w);
            });
        }
        for (key, value) in extra_config {
            w.typed("extraConfig", "OptionValue", |w| {
                w.leaf("key", key).any_string("value", value);
            });
        }
    }
}

// === impl Client ===

impl Client {
    /// Begins to change a machine where it stands.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn reconfigure(&self, vm: &MoRef, change: &Reconfiguration) -> Result<MoRef, Error> {
        self.object(reconfigure(vm, change)).await
    }
}
