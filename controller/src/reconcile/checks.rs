//! What was looked up for a template: the names in its spec, and its ISO.

use super::attempts::{Attempts, Due, Work};
use crate::{
    driver::{Driver, Fault, MachineSpec, On, Placement},
    wish::Wish,
};
use jiff::Timestamp;

/// What was looked up, and how long it is believed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checks {
    /// What the names stand for.
    pub(crate) placement: Result<Placement, Fault>,
    /// The path that machines boot.
    pub(crate) iso: Result<String, Fault>,
    /// It is looked up anew after this.
    pub(crate) valid_until: Timestamp,
}

pub(super) const NO_URL: &str = "agentISO.type `url` is not supported yet: set the type to `datastore`, and \
                      `datastorePath` to where the file is";

/// Looks everything up.
pub(super) async fn check<D: Driver>(
    driver: &D,
    on: On<'_>,
    wish: &Wish,
    now: Timestamp,
    attempts: &mut Attempts,
) -> Checks {
    let placement = driver.check_placement(on.vcenter, &wish.spec).await;
    let iso = match &wish.iso {
        Some(iso) => driver.ensure_iso(on, &wish.owner, iso).await,
        None => Err(Fault::unsupported_iso(NO_URL)),
    };
    let checks = Checks {
        placement,
        iso,
        valid_until: now,
    };
    checks.believed(wish, now, attempts)
}

// === impl Checks ===

impl Checks {
    /// Why a call failed.
    pub(super) fn faults(&self) -> impl Iterator<Item = &Fault> {
        let placement = self.placement.as_ref().err();
        placement.into_iter().chain(self.iso.as_ref().err())
    }

    /// The spec of machines that boot the ISO.
    pub(super) fn spec(&self, spec: &MachineSpec) -> MachineSpec {
        MachineSpec {
            iso_path: self.iso.as_ref().ok().cloned(),
            ..spec.clone()
        }
    }

    /// How long this is believed: less where something failed that may pass.
    fn believed(mut self, wish: &Wish, now: Timestamp, attempts: &mut Attempts) -> Self {
        let regular = now.checked_add(wish.interval).unwrap_or(Timestamp::MAX);
        self.valid_until = match super::plan::obstacle(&self).cloned() {
            None => {
                attempts.succeeded(Work::Check);
                regular
            }
            Some(fault) => {
                attempts.note(Work::Check, Some(fault), now);
                match attempts.due(Work::Check, None, now) {
                    Due::Now => now,
                    Due::At(at) => at.min(regular),
                    Due::Never => regular,
                }
            }
        };
        self
    }
}
