//! When a plan is to be looked at again. Pure.

use super::super::attempts::Due;
use jiff::Timestamp;

/// The earliest moment to look again.
#[derive(Default)]
pub(super) struct Later(pub(super) Option<Timestamp>);

// === impl Later ===

impl Later {
    pub(super) fn note(&mut self, due: Due) {
        if let Some(at) = due.at() {
            self.0 = Some(self.0.map_or(at, |earliest| earliest.min(at)));
        }
    }

    /// Whether it is due, noting when it will be.
    pub(super) fn allows(&mut self, due: Due) -> bool {
        self.note(due);
        due.is_now()
    }
}
