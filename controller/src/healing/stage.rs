//! What a machine is to reach next on its way to a node. Pure.

use crate::{
    agents::phase::{
        BINDING, DISCOVERED, FAILED, INSTALLING, INSUFFICIENT, JOINED, KNOWN, UNBINDING, WAITING,
    },
    crd::Awaited,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// What a machine is to reach within a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It was made, and is to be on.
    PowerOn,
    /// It is on, and its Agent is to register.
    Registration,
    /// Its Agent is to be one that can be installed.
    Validation,
    /// It is bound, and is to be a node.
    Installation,
}

/// Where a machine is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// Nobody can tell.
    Unseen,
    /// A person, or its cluster, has to do something first.
    Excused,
    /// Before this stage is reached.
    Before(Stage),
    /// It can be taken at any time.
    Ready,
    /// It is a node.
    Joined,
}

// === impl Stage ===

impl Stage {
    pub(crate) const ALL: [Self; 4] = [
        Self::PowerOn,
        Self::Registration,
        Self::Validation,
        Self::Installation,
    ];

    /// As it stands in the status, and in metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::PowerOn => "PowerOn",
            Self::Registration => "Registration",
            Self::Validation => "Validation",
            Self::Installation => "Installation",
        }
    }

    /// Why a machine goes that does not reach it.
    pub(crate) fn missed(self) -> &'static str {
        match self {
            Self::PowerOn => "NotPoweredOn",
            Self::Registration => "NotRegistered",
            Self::Validation => "NotValidated",
            Self::Installation => "NotInstalled",
        }
    }

    /// The stage that a machine goes for that leaves for this reason.
    pub(crate) fn of_reason(reason: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.missed() == reason)
    }

    /// Whether it can be asked for once more without harm. Nothing but switching it off and on makes a
    /// host register or validate itself anew, and that is no less than another machine.
    pub(crate) fn is_retried(self) -> bool {
        self == Self::PowerOn
    }
}

// === impl Position ===

impl Position {
    /// That of a machine that is on, by the phase of its host.
    pub(crate) fn of_host(phase: &str) -> Self {
        match phase {
            WAITING => Self::Before(Stage::Registration),
            DISCOVERED | INSUFFICIENT => Self::Before(Stage::Validation),
            KNOWN => Self::Ready,
            BINDING | INSTALLING | FAILED => Self::Before(Stage::Installation),
            JOINED => Self::Joined,
            UNBINDING => Self::Excused,
            _ => Self::Unseen,
        }
    }

    /// Whether who is here has got on from before `stage`, or need not.
    pub(crate) fn is_beyond(self, stage: Stage) -> bool {
        match self {
            Self::Unseen => false,
            Self::Before(next) => next > stage,
            Self::Excused | Self::Ready | Self::Joined => true,
        }
    }

    /// What is recorded of a machine here, after this was: a stage begins once, however often what is
    /// tried in it changes the phase.
    pub(crate) fn awaited(self, before: Option<Awaited>, now: Timestamp) -> Option<Awaited> {
        let stage = match self {
            Self::Unseen => return before,
            Self::Excused | Self::Ready | Self::Joined => return None,
            Self::Before(stage) => stage,
        };
        let goes_on =
            before.filter(|before| before.stage == stage.word() && before.since.is_some());
        Some(goes_on.unwrap_or_else(|| Awaited {
            stage: stage.word().into(),
            since: Some(Time(now)),
            retried: false,
        }))
    }

    /// Whether who is here has got on so far that what it is made of, and where, is good.
    pub(crate) fn has_got_on(self) -> bool {
        match self {
            Self::Ready | Self::Joined => true,
            Self::Unseen | Self::Excused | Self::Before(_) => false,
        }
    }
}

// === impl Awaited ===

impl Awaited {
    /// So much time does not count.
    pub(crate) fn put_off(&mut self, time: SignedDuration) {
        if let Some(since) = &mut self.since {
            since.0 = since.0.saturating_add(time).unwrap_or(since.0);
        }
    }

    /// Where it is an Agent that is awaited, it was not before this: nobody could look at Agents then, nor
    /// could those be made whose hub was away.
    pub(crate) fn not_before(&mut self, position: Position, seen_since: Timestamp) {
        let of_agent = matches!(position, Position::Before(stage) if stage != Stage::PowerOn);
        let begun = self.since.as_mut().filter(|_| of_agent);
        if let Some(since) = begun {
            since.0 = since.0.max(seen_since);
        }
    }

    /// It is asked for once more.
    pub(crate) fn again(&self, now: Timestamp) -> Self {
        Self {
            stage: self.stage.clone(),
            since: Some(Time(now)),
            retried: true,
        }
    }
}
