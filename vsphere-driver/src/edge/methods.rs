//! What kind of call a path is, from the descriptors of all services.

use prost::{DecodeError, Message as _};
use prost_types::FileDescriptorSet;
use std::collections::HashSet;

const HEALTH: &str = "/grpc.health.v1.Health/";

/// How a call is treated at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A question for the driver's health, which anybody may ask at any time.
    Probe,
    /// A watch of the driver's health. It ends when the driver begins to stop.
    ProbeStream,
    /// A call that ends by itself. It may end before the driver does.
    Unary,
    /// A call that lasts. It ends when the driver begins to stop.
    Stream,
}

/// The calls that last.
#[derive(Debug)]
pub(crate) struct Methods {
    streams: HashSet<String>,
}

// === impl Methods ===

impl Methods {
    /// Reads the descriptors of everything that the driver serves.
    pub(crate) fn read() -> Result<Self, DecodeError> {
        let mut streams = HashSet::new();
        for descriptors in [
            contract::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            streams.extend(streams_of(&FileDescriptorSet::decode(descriptors)?));
        }
        Ok(Self { streams })
    }

    /// The kind of the call of this path. An unknown one is unary: it is refused at once.
    pub(crate) fn kind(&self, path: &str) -> Kind {
        match (path.starts_with(HEALTH), self.streams.contains(path)) {
            (true, false) => Kind::Probe,
            (true, true) => Kind::ProbeStream,
            (false, false) => Kind::Unary,
            (false, true) => Kind::Stream,
        }
    }
}

fn streams_of(descriptors: &FileDescriptorSet) -> impl Iterator<Item = String> {
    descriptors.file.iter().flat_map(|file| {
        file.service.iter().flat_map(move |service| {
            let streams = |m: &&prost_types::MethodDescriptorProto| {
                m.client_streaming() || m.server_streaming()
            };
            service.method.iter().filter(streams).map(move |method| {
                let (package, service) = (file.package(), service.name());
                format!("/{package}.{service}/{}", method.name())
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_call_is_known_by_its_path() {
        let methods = Methods::read().unwrap();
        for (path, kind) in [
            ("/grpc.health.v1.Health/Check", Kind::Probe),
            ("/grpc.health.v1.Health/Watch", Kind::ProbeStream),
            ("/vsphere.driver.v1.Driver/GetDriverInfo", Kind::Unary),
            (
                "/vsphere.driver.v1.VirtualMachines/WatchVirtualMachines",
                Kind::Stream,
            ),
            (
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                Kind::Stream,
            ),
            (
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                Kind::Stream,
            ),
            ("/no.such.Service/Call", Kind::Unary),
        ] {
            assert_eq!(methods.kind(path), kind, "{path}");
        }
    }
}
