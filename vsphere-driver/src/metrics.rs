//! Every metric of the driver. All names begin with `vsphere_driver_`.

pub mod isos;
mod vcenters;

use crate::{core::Core, soap::counts::SoapMetrics};
use contract::telemetry::rpc::RpcMetrics;
use isos::IsoMetrics;
use prometheus_client::{metrics::info::Info, registry::Registry};
use prost::DecodeError;
use std::sync::Arc;
use vcenters::VCenters;

const PREFIX: &str = "vsphere_driver";

/// What is counted as it happens; clones share the counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Calls to vCenters.
    pub soap: SoapMetrics,
    /// Calls of clients.
    pub rpc: RpcMetrics,
    /// Transfers of ISOs.
    pub isos: IsoMetrics,
}

// === impl Metrics ===

impl Metrics {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// The built-in descriptors are broken.
    pub fn new() -> Result<Self, DecodeError> {
        let rpc = RpcMetrics::of(&[
            contract::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ])?;
        let soap = SoapMetrics::default();
        let isos = IsoMetrics::default();
        Ok(Self { soap, rpc, isos })
    }

    /// All of it, with what is looked up in `core` whenever somebody asks.
    pub(crate) fn registry(&self, core: Arc<Core>) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register("build", "What this driver is", Info::new(build()));
        self.rpc.register(&mut registry);
        self.soap.register(&mut registry);
        self.isos.register(&mut registry);
        registry.register_collector(Box::new(VCenters(core)));
        registry
    }
}

fn build() -> Vec<(&'static str, String)> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let revision = contract::REVISION.to_string();
    vec![("version", version), ("contract_revision", revision)]
}
