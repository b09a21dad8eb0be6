//! One field of a spec that names something, and how it is told what became of it.

use crate::inventory::Kind;
use contract::v1::{Reason, Resolution, ResolutionState};

/// One field to resolve.
pub(super) struct Field<'a> {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) asked: &'a str,
}

// === impl Field ===

impl<'a> Field<'a> {
    pub(super) fn of(name: &str, kind: Kind, asked: &'a str) -> Self {
        Self {
            path: format!("spec.placement.{name}"),
            kind,
            asked,
        }
    }

    pub(super) fn resolution(&self, state: ResolutionState) -> Resolution {
        Resolution {
            field: self.path.clone(),
            kind: self.kind.on_the_wire().into(),
            asked: self.asked.to_owned(),
            state: state.into(),
            object: None,
            candidates: Vec::new(),
            fault: None,
        }
    }

    pub(super) fn problem(&self, reason: Reason, candidates: &str) -> String {
        let Self { path, kind, asked } = self;
        let noun = kind.noun();
        let ambiguous = reason == Reason::PlacementAmbiguous;
        match (asked.is_empty(), ambiguous, candidates.is_empty()) {
            (true, true, _) => format!("`{path}` is left out, and there are several: {candidates}"),
            (true, false, _) => format!("`{path}` is left out, and no {noun} is in sight"),
            (false, true, _) => format!("`{path}`: several are called `{asked}`: {candidates}"),
            (false, false, true) => format!("`{path}`: no {noun} `{asked}` is in sight"),
            (false, false, false) => {
                format!("`{path}`: no {noun} `{asked}` is in sight; near it: {candidates}")
            }
        }
    }
}
