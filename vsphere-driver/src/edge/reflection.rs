//! Reflection, so that `grpcurl` knows the services, their messages and their error details.

use tonic_reflection::server::{
    Builder, Error,
    v1::{ServerReflection, ServerReflectionServer},
    v1alpha,
};

fn descriptors<'a>() -> Builder<'a> {
    Builder::configure()
        .register_encoded_file_descriptor_set(contract::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // Not named by the contract's files, but sent in `grpc-status-details-bin`.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}

/// The service as it is today.
pub(crate) fn v1() -> Result<ServerReflectionServer<impl ServerReflection>, Error> {
    descriptors().build_v1()
}

/// The service for older tools.
pub(crate) fn v1alpha()
-> Result<v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>, Error> {
    descriptors().build_v1alpha()
}
