//! The condition of the ISO that machines boot. Pure.

use super::{Holds, Verdict, by_fault, verdict};
use crate::{
    driver::{IsoStep, Progress},
    iso::{IsoSight, Lack},
    reason::Reason,
    reconcile::plan::Seen,
};

pub(super) fn iso_ready(seen: &Seen<'_>) -> Verdict {
    let type_ = "ISOReady";
    let Some(checks) = seen.checks else {
        let message = "The ISO was not looked for yet. See VSphereConnected and SpecValid.";
        return verdict(type_, Holds::Unknown, Reason::NotChecked, message);
    };
    match &checks.iso.sight {
        IsoSight::Ready { path, source } => {
            let from = from(source);
            verdict(
                type_,
                Holds::True,
                Reason::ISOReady,
                format!("{path}{from}"),
            )
        }
        IsoSight::Coming { progress, source } => {
            let message = format!("{}{}. Wait.", how_far(*progress), from(source));
            verdict(type_, Holds::False, Reason::Uploading, message)
        }
        IsoSight::Lacking(lack) => lacking(type_, lack),
        IsoSight::Failed(fault) => by_fault(type_, Holds::False, fault),
    }
}

fn from(source: &str) -> String {
    if source.is_empty() {
        return String::new();
    }
    format!(", from {source}")
}

fn how_far(progress: Progress) -> String {
    match (progress.step, progress.percent()) {
        (_, Some(percent)) => format!("{percent} %"),
        (IsoStep::Waiting, None) => "The source or its turn is awaited".into(),
        (IsoStep::Transferring, None) => format!("{} bytes are there", progress.transferred),
        (IsoStep::Verifying, None) => "All of it is there, and is being verified".into(),
    }
}

fn lacking(type_: &'static str, lack: &Lack) -> Verdict {
    let holds = if lack.is_of_sight() {
        Holds::Unknown
    } else {
        Holds::False
    };
    verdict(type_, holds, lack.reason, lack.message.clone())
}
