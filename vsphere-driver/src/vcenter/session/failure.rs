//! Why something could not be done in a session.

use crate::{
    soap::{Error, VimFault},
    vcenter::explain,
};
use contract::v1::Fault;

/// Why something could not be done.
#[derive(Debug)]
pub enum Failure {
    /// The call itself failed.
    Call(Error),
    /// There is no session.
    NoSession(Box<Fault>),
}

// === impl Failure ===

impl Failure {
    pub(super) fn no_session(fault: Fault) -> Self {
        Self::NoSession(Box::new(fault))
    }

    /// The fault for something that failed while `doing` it.
    pub fn explain(&self, doing: &str, server: &str) -> Fault {
        match self {
            Self::Call(error) => explain::of_error(error, doing, server),
            Self::NoSession(fault) => (**fault).clone(),
        }
    }

    /// The vSphere fault, if vCenter answered with one.
    pub fn vim(&self) -> Option<&VimFault> {
        match self {
            Self::Call(error) => error.fault(),
            Self::NoSession(_) => None,
        }
    }

    /// Was only the connection lost, or taken by others for a moment?
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Call(
                Error::Lost { .. }
                    | Error::Busy {
                        retry_after: None,
                        ..
                    }
            )
        )
    }

    /// Is it certain that nothing was changed?
    pub fn certainly_not_run(&self) -> bool {
        match self {
            Self::Call(error) => error.certainly_not_run(),
            Self::NoSession(_) => true,
        }
    }

    /// Is it a vSphere fault of exactly this type?
    pub fn is_fault(&self, type_name: &str) -> bool {
        matches!(self, Self::Call(error) if error.is_fault(type_name))
    }
}
