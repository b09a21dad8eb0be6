//! What is counted of ISOs on their way.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::time::Duration;

/// Upper bounds in seconds: from a small image in the same zone to a large one from far away.
const SECONDS: [f64; 9] = [1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1_800.0, 7_200.0];

/// Transfers of ISOs; clones share the counts.
#[derive(Clone, Debug)]
pub struct IsoMetrics {
    /// Transfers under way.
    pub active: Gauge,
    /// Bytes that came from sources.
    pub bytes: Counter,
    transfers: Family<Ended, Counter>,
    seconds: Histogram,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Ended {
    reason: String,
}

// === impl IsoMetrics ===

impl Default for IsoMetrics {
    fn default() -> Self {
        Self {
            active: Gauge::default(),
            bytes: Counter::default(),
            transfers: Family::default(),
            seconds: Histogram::new(SECONDS),
        }
    }
}

impl IsoMetrics {
    /// A transfer ended: `DONE`, or the word of the reason why it failed.
    pub fn ended(&self, reason: &str, after: Duration) {
        let reason = reason.to_owned();
        self.transfers.get_or_create(&Ended { reason }).inc();
        self.seconds.observe(after.as_secs_f64());
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let Self {
            active,
            bytes,
            transfers,
            seconds,
        } = self;
        let help = "Transfers of ISOs under way";
        registry.register("iso_transfers_active", help, active.clone());
        let help = "Bytes of ISOs that came from sources";
        registry.register_with_unit("iso_fetched", help, Unit::Bytes, bytes.clone());
        let help =
            "Transfers of ISOs that ended, by the reason why they failed; DONE: they did not";
        registry.register("iso_transfers", help, transfers.clone());
        let help = "How long transfers of ISOs took, whatever became of them";
        registry.register_with_unit("iso_transfer", help, Unit::Seconds, seconds.clone());
    }
}
