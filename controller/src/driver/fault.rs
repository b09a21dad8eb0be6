//! Why something did not happen, and what to do about it.

use super::LoginPart;
use std::{fmt, time::Duration};

/// Why a call failed, or a machine is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Reason of a condition: `VCenterUnreachable`.
    pub word: &'static str,
    /// What happened, to what, and what to do. Holds no secret.
    pub message: String,
    /// What to do about it.
    pub retry: Retry,
    /// Not before this time has passed.
    pub after: Option<Duration>,
    /// What sets it apart from others for the controller.
    pub kind: Kind,
}

/// What a caller does about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Only a change of the request helps.
    Never,
    /// Somebody has to change something outside.
    Slow,
    /// It may pass by itself.
    Backoff,
    /// It passes in a moment.
    Soon,
    /// Something else is to be done first, then at once.
    Recover,
}

/// The faults that the controller treats in a way of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The driver does not know the vCenter: it was restarted.
    VcenterUnknown,
    /// The driver has seen a later epoch than ours.
    StaleEpoch {
        /// The highest that it has seen; `i32::MAX` if it did not say.
        highest: i32,
    },
    /// A part of the login cannot be used; the message goes on after its name.
    BadLogin(LoginPart),
    /// The driver itself cannot be reached.
    Unreachable,
    /// Any other: its retry class says all.
    Other,
}

// === impl Fault ===

impl Fault {
    /// A fault of the connection to the driver.
    pub fn unreachable(message: impl fmt::Display) -> Self {
        Self {
            word: "DriverUnreachable",
            message: format!(
                "{message}. Check that the driver runs, its address, and the certificates of both sides"
            ),
            retry: Retry::Backoff,
            after: None,
            kind: Kind::Unreachable,
        }
    }

    /// A reply that breaks the contract.
    pub fn bad_reply(problem: &str) -> Self {
        Self {
            word: "DriverBadReply",
            message: format!(
                "the driver's reply lacks {problem}. Check that driver and controller are of one release"
            ),
            retry: Retry::Backoff,
            after: None,
            kind: Kind::Other,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.word, self.message)
    }
}

impl std::error::Error for Fault {}
