//! How many machines a template shall have, and who says so. Pure.
//!
//! What cannot be read never lowers the number: it stays what it was, and nothing scales.

mod asked;
mod fall;

use crate::{
    crd::{MAX_REPLICAS, VMwareNodePoolTemplateStatus},
    pool::Pool,
    wish::{Mode, Wish},
};
use asked::asked;
pub(crate) use fall::HELD;
use fall::{fall, vanished};
use jiff::{SignedDuration, Timestamp};

/// How many machines a template shall have, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// So many are asked for, before the quota.
    pub(crate) asked: i32,
    /// So many there shall be.
    pub(crate) desired: i32,
    /// Who says so.
    pub(crate) basis: Basis,
    /// The number would have fallen by more than half at once, and is held.
    pub(crate) fall: Option<Fall>,
    /// When time alone may change it.
    pub(crate) wake: Option<Timestamp>,
}

/// Who says how many machines there shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The template goes, and its machines with it.
    Leaving,
    /// The template itself.
    Test,
    /// The node pool, or Cluster API for it.
    Pool(Parts),
    /// The node pool is being deleted: only machines that are still wanted stay.
    PoolDeleting,
    /// The node pool is gone, or was never there: only machines that are still wanted stay.
    PoolAbsent {
        /// It was there once, or machines were made.
        before: bool,
        /// It was seen while it was being deleted: nobody has lost it.
        deleted: bool,
    },
    /// Nobody who can be heard: the number stays.
    Held(Held),
}

/// What the number of a node pool is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Machines that Cluster API wants and keeps.
    pub(crate) hosts: i32,
    /// What the node pool is to have.
    pub(crate) replicas: i32,
    /// Who says so.
    pub(crate) source: Source,
    /// Machines beyond that.
    pub(crate) spares: i32,
    /// The hub lacks kinds of Cluster API, so that the number is not lowered.
    pub(crate) partial: bool,
}

/// Who says how many machines a node pool is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// Its `MachineDeployment` or `MachineSet`.
    ClusterApi,
    /// Its own spec.
    #[default]
    Replicas,
    /// The least of its automatic scaling, until Cluster API says more.
    Least,
}

/// Why the number of machines stays what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// The node pool is being read.
    Syncing,
    /// The hub does not have the kind.
    KindMissing,
    /// Something of it cannot be read.
    Unreadable(String),
    /// It is of another platform.
    Platform(String),
    /// It is paused, until then.
    Paused(Option<Timestamp>),
    /// An older template makes its machines.
    Conflict(String),
}

/// A fall that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fall {
    /// To so many.
    pub(crate) to: i32,
    /// Until then, unless it is permitted before.
    pub(crate) until: Timestamp,
}

/// What the number depends on, beside what is known of the pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) wish: &'a Wish,
    pub(crate) status: &'a VMwareNodePoolTemplateStatus,
    pub(crate) grace: SignedDuration,
    pub(crate) now: Timestamp,
}

/// How many machines the template shall have.
pub(crate) fn demand(asking: &Asking<'_>, pool: &Pool) -> Demand {
    let wish = asking.wish;
    match &wish.mode {
        _ if wish.deleting => Demand::plain(wish, 0, Basis::Leaving),
        Mode::Test { replicas } => Demand::plain(wish, *replicas, Basis::Test),
        Mode::NodePool { .. } => of_pool(asking, pool),
    }
}

fn of_pool(asking: &Asking<'_>, pool: &Pool) -> Demand {
    let Asking { wish, status, .. } = *asking;
    let before = status.desired_replicas.unwrap_or_default();
    match asked(asking, pool) {
        Err(held) => Demand {
            asked: before,
            desired: before,
            wake: match &held {
                Held::Paused(until) => *until,
                Held::Syncing
                | Held::KindMissing
                | Held::Unreadable(_)
                | Held::Platform(_)
                | Held::Conflict(_) => None,
            },
            basis: Basis::Held(held),
            fall: None,
        },
        Ok((asked, basis)) => {
            let fall = match &basis {
                Basis::Pool(parts) => fall(asking, before, parts.leads_to(asked)),
                Basis::PoolAbsent { deleted: false, .. } => vanished(asking, before, asked),
                Basis::Leaving
                | Basis::Test
                | Basis::PoolDeleting
                | Basis::PoolAbsent { deleted: true, .. }
                | Basis::Held(_) => None,
            };
            let number = if fall.is_some() { before } else { asked };
            Demand {
                fall,
                wake: fall.map(|fall| fall.until),
                ..Demand::plain(wish, number, basis)
            }
        }
    }
}

// === impl Parts ===

impl Parts {
    /// Where the number that is asked for now leads: machines that Cluster API lets go one after the other make
    /// one fall, which is seen before the first of them has gone.
    fn leads_to(&self, asked: i32) -> i32 {
        match self.source {
            Source::ClusterApi | Source::Replicas if !self.partial => {
                asked.min(self.replicas.saturating_add(self.spares))
            }
            Source::ClusterApi | Source::Replicas | Source::Least => asked,
        }
    }
}

// === impl Demand ===

impl Demand {
    /// This many, within the quota.
    fn plain(wish: &Wish, asked: i32, basis: Basis) -> Self {
        let most = wish.max.unwrap_or(MAX_REPLICAS).min(MAX_REPLICAS);
        Self {
            asked,
            desired: asked.min(most).max(0),
            basis,
            fall: None,
            wake: None,
        }
    }

    /// So many are made, if there are fewer. While a fall is held, what leaves is not made anew.
    pub(crate) fn needed(&self) -> i32 {
        self.fall
            .map_or(self.desired, |fall| fall.to.min(self.desired))
    }

    /// Why nothing scales, if that is so.
    pub(crate) fn held(&self) -> Option<&Held> {
        match &self.basis {
            Basis::Held(held) => Some(held),
            Basis::Leaving
            | Basis::Test
            | Basis::Pool(_)
            | Basis::PoolDeleting
            | Basis::PoolAbsent { .. } => None,
        }
    }

    /// Nobody who counts can be heard, so that nothing can be said of the number.
    pub(crate) fn is_unsure(&self) -> bool {
        self.held().is_some_and(|held| match held {
            Held::Syncing
            | Held::KindMissing
            | Held::Unreadable(_)
            | Held::Platform(_)
            | Held::Conflict(_) => true,
            // What there shall be is known well.
            Held::Paused(_) => false,
        })
    }
}

#[cfg(test)]
mod tests;
