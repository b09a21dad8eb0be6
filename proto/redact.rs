//! `Debug` of the messages that hold a secret; the secret itself is never printed.

use crate::v1::{UserPassword, VirtualMachineSpec, virtual_machine_spec::Source};
use std::fmt;

const HIDDEN: &str = "***";

impl fmt::Debug for UserPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            username,
            password: _,
        } = self;
        let mut out = f.debug_struct("UserPassword");
        out.field("username", username)
            .field("password", &HIDDEN)
            .finish()
    }
}

impl fmt::Debug for VirtualMachineSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            placement,
            hardware,
            disks,
            network_interfaces,
            cdrom,
            extra_config,
            source,
        } = self;
        f.debug_struct("VirtualMachineSpec")
            .field("placement", placement)
            .field("source", source)
            .field("hardware", hardware)
            .field("disks", disks)
            .field("network_interfaces", network_interfaces)
            .field("cdrom", cdrom)
            .field(
                "extra_config",
                &extra_config
                    .keys()
                    .map(|key| (key, HIDDEN))
                    .collect::<Vec<_>>(),
            )
            .finish()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank(blank) => f.debug_tuple("Blank").field(blank).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn secrets_are_not_printed() {
        let login = UserPassword {
            username: "u".into(),
            password: "canary".into(),
        };
        let extra_config = BTreeMap::from([("key".to_owned(), "canary".to_owned())]);
        let spec = VirtualMachineSpec {
            extra_config,
            ..VirtualMachineSpec::default()
        };
        let text = format!("{login:?} {spec:?}");
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("key"), "{text}");
    }
}
