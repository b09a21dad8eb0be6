//! Ends the wishes for ISOs that the driver holds for a template: when the template goes, and where it was before
//! it had its present vCenter.
//!
//! A wish holds its file on the datastore, whichever it is: one for a file that lies there keeps that file from
//! being removed, too. So each is withdrawn, and that is tried again until it is done.

use super::{Work, attempts::Work as Task, memory::Memory};
use crate::{
    crd::VMwareNodePoolTemplateStatus,
    driver::{Driver, Fault, Kind, On, Retry},
    link::{Connection, Sight},
    wish::Ending,
};
use jiff::Timestamp;
use std::{collections::BTreeSet, time::Duration};

/// Longest that a template that goes waits for a driver that cannot be told. Wishes are in its memory alone: one
/// that is away for longer has most likely been started anew since, without them.
const PATIENCE: Duration = Duration::from_mins(10);

/// Where the driver may hold a wish for an ISO.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// The vCenters, as the driver has named them.
    vcenters: BTreeSet<String>,
    /// Since when all of them could not be withdrawn.
    kept_since: Option<Timestamp>,
}

/// Withdraws the ISO from the vCenters that the template had before its present one.
pub(super) async fn from_former<D: Driver>(work: &Work<'_, D>, sight: &Sight, memory: &mut Memory) {
    let now = (work.ctx.now)();
    let former = memory.wishes.former(sight);
    if former.is_empty() || work.wish.paused {
        memory.attempts.succeeded(Task::Withdraw);
        return;
    }
    if !memory.attempts.due(Task::Withdraw, None, now).is_now() {
        return;
    }
    match withdraw(work, former, &mut memory.wishes).await {
        Ok(()) => memory.attempts.succeeded(Task::Withdraw),
        Err(fault) => {
            work.ctx.metrics.fault(fault.word);
            memory.attempts.note(Task::Withdraw, Some(fault), now);
        }
    }
}

/// Withdraws the ISO from wherever it may be wished for, because the template goes.
pub(super) async fn from_all<D: Driver>(
    work: &Work<'_, D>,
    (status, sight): (&VMwareNodePoolTemplateStatus, &Sight),
    wishes: &mut Wishes,
) -> Result<(), Fault> {
    // A controller that was started anew does not know whether it has asked for one there.
    if let Some(vcenter) = &sight.vcenter {
        wishes.add(&vcenter.name);
    }
    let withdrawn = match unheard(wishes, status, sight) {
        Some(fault) => Err(fault),
        None => withdraw(work, wishes.vcenters.clone(), wishes).await,
    };
    let Err(fault) = withdrawn else { return Ok(()) };
    let now = (work.ctx.now)();
    // Who abandons a template wants it gone.
    if work.wish.ending == Ending::Abandon || wishes.is_past_hope(now) {
        tracing::warn!("The ISO stays wished for until the driver is started anew");
        return Ok(());
    }
    Err(fault)
}

async fn withdraw<D: Driver>(
    work: &Work<'_, D>,
    vcenters: BTreeSet<String>,
    wishes: &mut Wishes,
) -> Result<(), Fault> {
    for vcenter in vcenters {
        let on = On {
            caller: &work.ctx.caller,
            vcenter: &vcenter,
        };
        let withdrawn = work.ctx.driver.withdraw_iso(on, &work.wish.owner).await;
        if let Err(fault) = withdrawn {
            if fault.kind != Kind::VcenterUnknown {
                let (reason, problem) = (fault.word, &fault.message);
                tracing::warn!(reason, problem, "The ISO could not be withdrawn");
            }
            if let Kind::StaleEpoch { .. } = fault.kind {
                work.heed(&fault);
            }
            if !is_for_nothing(&fault) {
                let message = format!("the ISO could not be withdrawn: {}", fault.message);
                return Err(Fault { message, ..fault });
            }
        }
        wishes.vcenters.remove(&vcenter);
    }
    Ok(())
}

/// Whether there is nothing to be withdrawn, or nothing that will ever be: a vCenter that the driver does not know
/// has no wishes.
fn is_for_nothing(fault: &Fault) -> bool {
    match fault.kind {
        Kind::VcenterUnknown => true,
        Kind::StaleEpoch { .. } => false,
        Kind::BadLogin(_) | Kind::Unreachable | Kind::Other => fault.retry == Retry::Never,
    }
}

/// Why nobody can be told, where an ISO was asked for in the time of an earlier controller and the driver may be
/// heard again. A Secret that leads nowhere is not waited for.
fn unheard(wishes: &Wishes, status: &VMwareNodePoolTemplateStatus, sight: &Sight) -> Option<Fault> {
    let asked = status.iso_path.is_some() || status.iso_uploaded.is_some();
    if !asked || !wishes.vcenters.is_empty() {
        return None;
    }
    match &sight.connection {
        Connection::Starting => Some(Fault::unreachable("the driver has not answered yet")),
        Connection::DriverFault(fault) if fault.kind == Kind::Unreachable => Some(fault.clone()),
        Connection::DriverFault(_)
        | Connection::NoSecret
        | Connection::SecretRefused(_)
        | Connection::BadSecret(_)
        | Connection::VcenterDown(_)
        | Connection::Syncing
        | Connection::Live => None,
    }
}

// === impl Wishes ===

impl Wishes {
    /// The driver is asked for an ISO there, or may have been.
    pub(super) fn add(&mut self, vcenter: &str) {
        if !self.vcenters.contains(vcenter) {
            self.vcenters.insert(vcenter.to_owned());
        }
    }

    /// The template does not go, after all.
    pub(super) fn stays(&mut self) {
        self.kept_since = None;
    }

    /// Where one may be held though the template has another vCenter now.
    fn former(&self, sight: &Sight) -> BTreeSet<String> {
        let Some(present) = &sight.vcenter else {
            return BTreeSet::new();
        };
        let former = self.vcenters.iter().filter(|it| **it != present.name);
        former.cloned().collect()
    }

    /// Whether a template that goes has waited long enough, from its first failure on.
    fn is_past_hope(&mut self, now: Timestamp) -> bool {
        let since = *self.kept_since.get_or_insert(now);
        since
            .checked_add(PATIENCE)
            .is_ok_and(|hopeless| hopeless <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        driver::{Freshness, LoginPart, Vcenter},
        fixtures::{fault, world::World},
    };

    fn sight(connection: Connection, vcenter: Option<&str>) -> Sight {
        let mut sight = *World::new(0, &[]).sight;
        sight.connection = connection;
        sight.vcenter = vcenter.map(|name| Vcenter {
            name: name.into(),
            instance_uuid: String::new(),
            freshness: Freshness {
                connected: true,
                fault: None,
            },
        });
        sight
    }

    fn wishes(vcenters: &[&str]) -> Wishes {
        let mut wishes = Wishes::default();
        for vcenter in vcenters {
            wishes.add(vcenter);
        }
        wishes
    }

    #[test]
    fn what_was_wished_for_is_withdrawn_everywhere_but_at_the_present_vcenter() {
        let wishes = wishes(&["a", "b"]);
        let former = |vcenter| wishes.former(&sight(Connection::Live, vcenter));
        assert_eq!(former(Some("b")), BTreeSet::from(["a".to_owned()]));
        assert_eq!(former(None), BTreeSet::new(), "there is no other one yet");
    }

    #[test]
    fn a_driver_that_may_be_heard_again_is_waited_for_where_an_iso_was_asked_for() {
        let away = || Connection::DriverFault(Fault::unreachable("nobody listens"));
        let refused = || Connection::DriverFault(fault(Retry::Slow));
        for (why, path, known, connection, waits) in [
            ("it was never asked for one", None, "", away(), false),
            ("it is away", Some("p"), "", away(), true),
            (
                "it is just asked",
                Some("p"),
                "",
                Connection::Starting,
                true,
            ),
            ("it can be told", Some("p"), "a", away(), false),
            ("it refuses the Secret", Some("p"), "", refused(), false),
            ("no Secret", Some("p"), "", Connection::NoSecret, false),
        ] {
            let status = VMwareNodePoolTemplateStatus {
                iso_path: path.map(ToOwned::to_owned),
                ..VMwareNodePoolTemplateStatus::default()
            };
            let known = wishes(if known.is_empty() { &[] } else { &["a"] });
            let said = unheard(&known, &status, &sight(connection, None));
            assert_eq!(said.is_some(), waits, "{why}");
        }
    }

    #[test]
    fn a_wish_is_over_where_the_driver_knows_no_such_vcenter_or_never_will_hear() {
        let of = |kind, retry| Fault {
            kind,
            ..fault(retry)
        };
        for (fault, over) in [
            (of(Kind::VcenterUnknown, Retry::Recover), true),
            (of(Kind::Other, Retry::Never), true),
            (of(Kind::Other, Retry::Slow), false),
            (of(Kind::Unreachable, Retry::Backoff), false),
            (of(Kind::BadLogin(LoginPart::Server), Retry::Slow), false),
            (of(Kind::StaleEpoch { highest: 2 }, Retry::Never), false),
        ] {
            assert_eq!(is_for_nothing(&fault), over, "{fault:?}");
        }
    }

    #[test]
    fn hope_ends_ten_minutes_after_the_first_failure() {
        let mut wishes = wishes(&["a"]);
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(!wishes.is_past_hope(at(60)));
        assert!(!wishes.is_past_hope(at(659)));
        assert!(wishes.is_past_hope(at(660)));
        wishes.stays();
        assert!(!wishes.is_past_hope(at(661)));
    }
}
