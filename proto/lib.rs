//! The wire contract between controller and driver, with what both ends compute from it.
//!
//! What each call promises stands in the `.proto` files beside this one.

pub mod fault;
pub mod identity;
pub mod reason;
mod redact;
pub mod spec;
#[cfg(feature = "telemetry")]
pub mod telemetry;

/// The messages and services of `vsphere.driver.v1`.
#[allow(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod v1 {
    tonic::include_proto!("vsphere.driver.v1");
}

/// The package, also the `domain` of each `google.rpc.ErrorInfo`.
pub const PACKAGE: &str = "vsphere.driver.v1";

/// How many times v1 has grown: `GetDriverInfoResponse.contract_revision`, and part of each mark.
pub const REVISION: i32 = 1;

/// All files of the contract with their comments, an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
