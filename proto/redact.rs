//! `Debug` of the messages that hold a secret; the secret itself is never printed.

use crate::v1::{
    HttpProxy, UploadIsoRequest, UrlSource, UserPassword, VirtualMachineSpec,
    upload_iso_request::Part, virtual_machine_spec::Source,
};
use std::{collections::BTreeMap, fmt};

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
            .field("extra_config", &hidden(extra_config))
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

impl fmt::Debug for UrlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url: _,
            ca_bundle_pem,
            headers,
            proxy,
            sha256,
            revision,
            system_authorities,
        } = self;
        f.debug_struct("UrlSource")
            .field("url", &HIDDEN)
            .field("ca_bundle_pem", ca_bundle_pem)
            .field("system_authorities", system_authorities)
            .field("headers", &hidden(headers))
            .field("proxy", proxy)
            .field("sha256", sha256)
            .field("revision", revision)
            .finish()
    }
}

impl fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            username,
            password: _,
        } = self;
        f.debug_struct("HttpProxy")
            .field("url", url)
            .field("username", username)
            .field("password", &HIDDEN)
            .finish()
    }
}

impl fmt::Debug for UploadIsoRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part } = self;
        let mut out = f.debug_struct("UploadIsoRequest");
        out.field("part", part).finish()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(header) => f.debug_tuple("Header").field(header).finish(),
            Self::Chunk(bytes) => write!(f, "Chunk({} bytes)", bytes.len()),
        }
    }
}

/// The keys alone.
fn hidden(map: &BTreeMap<String, String>) -> Vec<(&String, &'static str)> {
    map.keys().map(|key| (key, HIDDEN)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let source = UrlSource {
            url: "https://images/canary.iso".into(),
            headers: BTreeMap::from([("key".to_owned(), "canary".to_owned())]),
            proxy: Some(HttpProxy {
                password: "canary".into(),
                ..HttpProxy::default()
            }),
            ..UrlSource::default()
        };
        let chunk = UploadIsoRequest {
            part: Some(Part::Chunk(b"canary".as_slice().into())),
        };
        let text = format!("{login:?} {spec:?} {source:?} {chunk:?}");
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("key"), "{text}");
    }
}
