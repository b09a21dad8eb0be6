//! What was looked up for a template: the names in its spec, and its ISO.

use super::attempts::{Attempts, Due, Work};
use crate::{
    driver::{Driver, Fault, IsoWanted, MachineSpec, On, Placement},
    iso::{IsoSight, Lack, sight},
    wish::Wish,
};
use jiff::Timestamp;
use std::time::Duration;

/// An ISO that is on its way is asked for again after this, for how far it is.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// What was looked up, and how long it is believed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checks {
    /// What the names stand for.
    pub(crate) placement: Result<Placement, Fault>,
    /// What machines boot.
    pub(crate) iso: IsoCheck,
    /// The names are looked up anew after this.
    pub(crate) valid_until: Timestamp,
}

/// What was found of the ISO, and how long that is believed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IsoCheck {
    /// What was asked for, if anything could be.
    pub(crate) asked: Option<Box<IsoWanted>>,
    /// What is known of it.
    pub(crate) sight: IsoSight,
    /// It is asked for anew after this.
    pub(crate) valid_until: Timestamp,
}

/// What keeps machines from being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle<'a> {
    /// The driver refuses, or cannot.
    Fault(&'a Fault),
    /// The ISO is not there yet; its own condition says why.
    Iso,
}

/// What is to be looked up now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needed {
    names: bool,
    iso: bool,
}

/// Who looks something up, and for whom.
#[derive(Debug)]
pub(super) struct Looking<'a, D> {
    pub(super) driver: &'a D,
    pub(super) on: On<'a>,
    pub(super) wish: &'a Wish,
    pub(super) now: Timestamp,
}

/// What is to be looked up now: what was not, what is too old, and another ISO than was asked for.
pub(super) fn due(
    last: Option<&Checks>,
    wanted: &Result<IsoWanted, Lack>,
    now: Timestamp,
) -> Needed {
    Needed {
        names: last.is_none_or(|last| last.valid_until <= now),
        iso: last.is_none_or(|last| last.iso.is_due(wanted, now)),
    }
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    now.checked_add(time).unwrap_or(Timestamp::MAX)
}

/// Why names cannot be used.
fn fault_of(placement: &Result<Placement, Fault>) -> Option<&Fault> {
    match placement {
        Err(fault) => Some(fault),
        Ok(placement) => placement.faults.first(),
    }
}

// === impl Looking ===

impl<D: Driver> Looking<'_, D> {
    /// Looks up what is due, and keeps the rest. Says which calls failed.
    pub(super) async fn check(
        &self,
        (last, due): (Option<Checks>, Needed),
        wanted: Result<IsoWanted, Lack>,
        attempts: &mut Attempts,
    ) -> (Checks, Vec<Fault>) {
        let mut faults = Vec::new();
        let (names, iso) = last.map_or((None, None), |last| {
            (Some((last.placement, last.valid_until)), Some(last.iso))
        });
        let (placement, valid_until) = if let Some(known) = names.filter(|_| !due.names) {
            known
        } else {
            let placed = self.place(attempts).await;
            faults.extend(placed.0.as_ref().err().cloned());
            placed
        };
        let iso = if let Some(known) = iso.filter(|_| !due.iso) {
            known
        } else {
            let iso = self.ask(wanted, attempts).await;
            faults.extend(iso.sight.fault().cloned());
            iso
        };
        let checks = Checks {
            placement,
            iso,
            valid_until,
        };
        (checks, faults)
    }

    /// Looks up the names.
    async fn place(&self, attempts: &mut Attempts) -> (Result<Placement, Fault>, Timestamp) {
        let Self {
            driver, on, wish, ..
        } = self;
        let placement = driver.check_placement(on.vcenter, &wish.spec).await;
        let until = self.believed(Work::Check, fault_of(&placement), attempts);
        (placement, until)
    }

    /// Asks for the ISO.
    async fn ask(&self, wanted: Result<IsoWanted, Lack>, attempts: &mut Attempts) -> IsoCheck {
        let (asked, sight) = match wanted {
            Ok(wanted) => {
                let owner = &self.wish.owner;
                let answer = self.driver.ensure_iso(self.on, owner, &wanted).await;
                let sight = sight(&wanted, answer);
                (Some(Box::new(wanted)), sight)
            }
            Err(lack) => (None, IsoSight::Lacking(lack)),
        };
        let regular = self.believed(Work::Iso, sight.fault(), attempts);
        let valid_until = match sight {
            IsoSight::Coming { .. } => after(self.now, ON_ITS_WAY),
            IsoSight::Ready { .. } | IsoSight::Lacking(_) | IsoSight::Failed(_) => regular,
        };
        IsoCheck {
            asked,
            sight,
            valid_until,
        }
    }

    /// Until when an answer is believed: less long where something failed that may pass.
    fn believed(&self, work: Work, fault: Option<&Fault>, attempts: &mut Attempts) -> Timestamp {
        let regular = after(self.now, self.wish.interval);
        let Some(fault) = fault else {
            attempts.succeeded(work);
            return regular;
        };
        attempts.note(work, Some(fault.clone()), self.now);
        match attempts.due(work, None, self.now) {
            Due::Now => self.now,
            Due::At(at) => at.min(regular),
            Due::Never => regular,
        }
    }
}

// === impl Checks ===

impl Checks {
    /// The spec of machines that boot the ISO.
    pub(super) fn spec(&self, spec: &MachineSpec) -> MachineSpec {
        MachineSpec {
            iso_path: self.iso.sight.path().cloned(),
            ..spec.clone()
        }
    }

    /// When the first part of it is looked up anew.
    pub(super) fn due(&self) -> Timestamp {
        self.valid_until.min(self.iso.valid_until)
    }

    /// What keeps machines from being made, if anything does.
    pub(super) fn obstacle(&self) -> Option<Obstacle<'_>> {
        let iso = || match &self.iso.sight {
            IsoSight::Ready { .. } => None,
            IsoSight::Failed(fault) => Some(Obstacle::Fault(fault)),
            IsoSight::Coming { .. } | IsoSight::Lacking(_) => Some(Obstacle::Iso),
        };
        fault_of(&self.placement).map(Obstacle::Fault).or_else(iso)
    }
}

// === impl IsoCheck ===

impl IsoCheck {
    /// Whether it is to be asked for now: the time has come, or something else is wanted.
    pub(super) fn is_due(&self, wanted: &Result<IsoWanted, Lack>, now: Timestamp) -> bool {
        let same = match (wanted, &self.asked, &self.sight) {
            (Ok(wanted), Some(asked), _) => wanted == &**asked,
            (Err(lack), None, IsoSight::Lacking(said)) => lack == said,
            (Ok(_) | Err(_), ..) => false,
        };
        !same || self.valid_until <= now
    }
}
