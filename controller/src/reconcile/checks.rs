//! What was looked up for a template: the names in its spec, and its ISO.

use super::attempts::{Attempts, Due, Work};
use crate::{
    driver::{Driver, Fault, IsoWanted, MachineSpec, On, Placement, Scope},
    iso::{IsoSight, Lack, sight, still_holds},
    link::{IsoTold, Link},
    wish::Wish,
};
use jiff::Timestamp;
use std::time::Duration;

/// An ISO that is on its way is asked for again after this, should nobody tell how far it is.
const ON_ITS_WAY: Duration = Duration::from_secs(30);

/// What was looked up, and how long it is believed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checks {
    /// What the names stand for.
    pub(crate) placement: Result<Placement, Fault>,
    /// What machines boot.
    pub(crate) iso: IsoCheck,
    /// The names are looked up anew after this.
    pub(crate) valid_until: Timestamp,
    /// It stands until it can be looked up again, which is due at once.
    pub(crate) doubted: bool,
}

/// What was found of the ISO, and how long that is believed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IsoCheck {
    /// What was asked for, if anything could be.
    pub(crate) asked: Option<Box<IsoWanted>>,
    /// The vCenter where, as the driver names it: another one when the driver was started anew.
    pub(crate) vcenter: String,
    /// What is known is from before that, and the driver has not looked yet.
    pub(crate) held: bool,
    /// The driver has taken it on.
    pub(crate) accepted: bool,
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
    /// What was found of the same ISO before.
    pub(super) before: Option<&'a IsoCheck>,
    pub(super) link: &'a Link,
    /// What is told of the ISO meanwhile.
    pub(super) told: &'a IsoTold,
    pub(super) now: Timestamp,
}

/// What is to be looked up now: what was not, what is too old, and another ISO than was asked for.
pub(super) fn due(
    last: Option<&Checks>,
    wanted: &Result<IsoWanted, Lack>,
    told: &IsoTold,
    now: Timestamp,
) -> Needed {
    Needed {
        names: last.is_none_or(|last| last.doubted || last.valid_until <= now),
        iso: last.is_none_or(|last| last.doubted || last.iso.is_due(wanted, told, now)),
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

// === impl Needed ===

impl Needed {
    /// Whether the driver is to be asked for the ISO.
    pub(super) fn asks_for_iso(self) -> bool {
        self.iso
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
            known.followed(self.told, after(self.now, self.wish.interval))
        } else {
            let iso = self.ask(wanted, attempts).await;
            faults.extend(iso.sight.fault().filter(|_| !iso.accepted).cloned());
            iso
        };
        let checks = Checks {
            placement,
            iso,
            valid_until,
            doubted: false,
        };
        (checks, faults)
    }

    /// Looks up the names.
    async fn place(&self, attempts: &mut Attempts) -> (Result<Placement, Fault>, Timestamp) {
        let Self {
            driver, on, wish, ..
        } = self;
        let scope = if wish.iso.is_fetched() {
            Scope::WithEjection
        } else {
            Scope::Machines
        };
        let placement = driver.check_placement(on.vcenter, &wish.spec, scope).await;
        let until = self.believed(Work::Check, fault_of(&placement), attempts);
        (placement, until)
    }

    /// Asks for the ISO.
    async fn ask(&self, wanted: Result<IsoWanted, Lack>, attempts: &mut Attempts) -> IsoCheck {
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(lack) => {
                attempts.succeeded(Work::Iso);
                return IsoCheck {
                    asked: None,
                    vcenter: self.on.vcenter.to_owned(),
                    held: false,
                    accepted: false,
                    sight: IsoSight::Lacking(lack),
                    valid_until: after(self.now, self.wish.interval),
                };
            }
        };
        let owner = &self.wish.owner;
        let answer = self.driver.ensure_iso(self.on, owner, &wanted).await;
        let accepted = answer.is_ok();
        let sight = match answer {
            Ok(iso) => {
                if wanted.is_fetched() {
                    self.link.learn_iso(&owner.uid, iso.clone());
                }
                sight(&wanted, iso)
            }
            Err(fault) => IsoSight::Failed(fault),
        };
        let held = self
            .before
            .filter(|it| it.holds_on(self.on.vcenter, &wanted, &sight));
        let sight = held.map_or(sight, |before| before.sight.clone());
        let held = held.is_some();
        let valid_until = match sight {
            IsoSight::Coming { .. } => after(self.now, ON_ITS_WAY),
            IsoSight::Ready { .. } if held => after(self.now, ON_ITS_WAY),
            IsoSight::Ready { .. } | IsoSight::Lacking(_) | IsoSight::Failed(_) => {
                self.believed(Work::Iso, sight.fault(), attempts)
            }
        };
        IsoCheck {
            asked: Some(Box::new(wanted)),
            vcenter: self.on.vcenter.to_owned(),
            held,
            accepted,
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
    /// What they rest on may have changed: all is looked up again as soon as that can be.
    pub(super) fn doubt(&mut self) {
        self.doubted = true;
    }

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
    /// Whether it is to be asked for now: something else is wanted, the time has come, or the driver has
    /// forgotten it.
    fn is_due(&self, wanted: &Result<IsoWanted, Lack>, told: &IsoTold, now: Timestamp) -> bool {
        let same = match (wanted, &self.asked, &self.sight) {
            (Ok(wanted), Some(asked), _) => wanted == &**asked,
            (Err(lack), None, IsoSight::Lacking(said)) => lack == said,
            (Ok(_) | Err(_), ..) => false,
        };
        let late = if self.is_followed(told) {
            told.iso.is_none()
        } else {
            self.valid_until <= now
        };
        !same || late
    }

    /// Whether it stands for the same ISO that is asked for at this vCenter now, where the driver says this.
    fn holds_on(&self, vcenter: &str, wanted: &IsoWanted, told: &IsoSight) -> bool {
        let is_same = self.asked.as_deref() == Some(wanted);
        let is_anew = self.held || self.vcenter != vcenter;
        is_same && is_anew && still_holds(&self.sight, told)
    }

    /// Whether each change of it is told.
    fn is_followed(&self, told: &IsoTold) -> bool {
        let fetched = self.asked.as_ref().is_some_and(|it| it.is_fetched());
        told.live && self.accepted && fetched
    }

    /// The same with what is told of it since. What nobody tells of is asked for anew at a regular time.
    fn followed(mut self, told: &IsoTold, regular: Timestamp) -> Self {
        if !self.is_followed(told) {
            self.valid_until = self.valid_until.min(regular);
            return self;
        }
        self.valid_until = Timestamp::MAX;
        if let (Some(asked), Some(iso)) = (&self.asked, &told.iso) {
            let told = sight(asked, iso.clone());
            self.held = self.held && still_holds(&self.sight, &told);
            if !self.held {
                self.sight = told;
            }
        }
        self
    }
}
