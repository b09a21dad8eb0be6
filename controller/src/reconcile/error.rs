//! How a reconciliation fails, and when it is tried again.

use kube::runtime::{controller::Action, finalizer};
use std::time::Duration;

/// After a failure to write, which is the API server's.
const RETRY: Duration = Duration::from_secs(3);
/// After somebody else wrote first: the cache is about to have it.
const CONFLICT: Duration = Duration::from_secs(1);

/// Why a reconciliation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The template lacks what the API server always sets.
    #[error("template has no {0}")]
    Incomplete(&'static str),
    /// The status could not be written.
    #[error("writing the status")]
    WriteStatus(#[source] kube::Error),
    /// The finalizer could not be added or removed.
    #[error("writing the finalizer")]
    WriteFinalizer(#[source] kube::Error),
    /// Machines are left, or are held by what could not be let go; the finalizer must stay.
    #[error("machines are still being removed")]
    StillDeleting(Action),
}

// === impl Error ===

impl Error {
    /// When to try again.
    pub(super) fn retry(&self) -> Action {
        match self {
            // Only an edit helps, and an edit wakes us.
            Self::Incomplete(_) => Action::await_change(),
            Self::WriteStatus(kube::Error::Api(status)) if status.is_conflict() => {
                Action::requeue(CONFLICT)
            }
            Self::WriteStatus(_) | Self::WriteFinalizer(_) => Action::requeue(RETRY),
            Self::StillDeleting(again) => again.clone(),
        }
    }
}

// Unwrapped here, so that nobody else has to look through kube's wrapper.
impl From<finalizer::Error<Self>> for Error {
    fn from(error: finalizer::Error<Self>) -> Self {
        use finalizer::Error as E;
        match error {
            E::ApplyFailed(error) | E::CleanupFailed(error) => error,
            E::AddFinalizer(source) | E::RemoveFinalizer(source) => Self::WriteFinalizer(source),
            E::UnnamedObject | E::InvalidFinalizer => Self::Incomplete("name"),
        }
    }
}
