//! Why a call has no answer, by what the caller can do about it.

use super::{VimFault, trust::Untrusted, xml::InvalidXml};
use std::time::Duration;

/// What stood in the way below: an error of whatever carries the calls.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// vCenter answered with a fault: the method was refused, and started nothing.
    #[error(transparent)]
    Fault(#[from] Box<VimFault>),
    /// There was no connection to send the call on.
    #[error("cannot connect to {server}")]
    Unreachable {
        /// `host:port`.
        server: String,
        /// What stood in the way.
        #[source]
        source: Cause,
    },
    /// The server's certificate is not trusted, so nothing was sent.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// Something in front of vCenter, or vCenter's web server, refused the call for good.
    #[error("{method}: HTTP status {status}")]
    Refused {
        /// The method that was called.
        method: &'static str,
        /// The status, 3xx or 4xx.
        status: u16,
    },
    /// Something in front of vCenter, or vCenter's web server, cannot take the call now.
    #[error("{method}: HTTP status {status}")]
    Busy {
        /// The method that was called.
        method: &'static str,
        /// The status, 429 or 5xx.
        status: u16,
        /// When it shall be tried again, if the server says so.
        retry_after: Option<Duration>,
    },
    /// The call was sent, or partly sent, and no whole reply came.
    #[error("{method}: no reply")]
    Lost {
        /// The method that was called.
        method: &'static str,
        /// What became of the reply.
        #[source]
        source: Cause,
    },
    /// A reply came that cannot be read.
    #[error("{method}: unreadable reply (HTTP status {status})")]
    BadReply {
        /// The method that was called.
        method: &'static str,
        /// The status.
        status: u16,
        /// What is wrong with it.
        #[source]
        source: InvalidXml,
    },
}

// === impl Error ===

impl Error {
    /// The fault, if vCenter answered with one.
    pub fn fault(&self) -> Option<&VimFault> {
        match self {
            Self::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// Is it a fault of exactly this type?
    pub fn is_fault(&self, type_name: &str) -> bool {
        self.fault().is_some_and(|fault| fault.is(type_name))
    }

    /// Is there no session, or no longer? Then log in and repeat: the call was refused before it ran.
    pub fn is_not_authenticated(&self) -> bool {
        self.fault().is_some_and(VimFault::is_not_authenticated)
    }

    /// Is it certain that the call changed nothing? If not, look before it is repeated.
    pub fn certainly_not_run(&self) -> bool {
        match self {
            Self::Fault(_)
            | Self::Unreachable { .. }
            | Self::Untrusted(_)
            | Self::Refused { .. } => true,
            // A proxy says 502, 503 and 504 also when it lost the connection behind it.
            Self::Busy { status, .. } => *status == 429,
            Self::Lost { .. } | Self::BadReply { .. } => false,
        }
    }
}
