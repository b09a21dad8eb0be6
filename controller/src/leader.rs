//! The right to act: Leases, whose transitions are the epoch of each mutation.

mod candidate;
mod pace;

use candidate::Candidate;
pub use pace::Pace;

use jiff::Timestamp;
use kube::Client;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Our own Lease.
pub const LEASE: &str = "hcp-vsphere-controller";
/// The companion's: whoever holds it makes machines for the same templates.
pub const COMPANION_LEASE: &str = "vmware-nodepool-template-controller";

/// Giving up the Leases must not hold up the end for longer.
const GRACE: Duration = Duration::from_secs(5);

/// Where Leases are, and who takes them.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Their namespace.
    pub namespace: &'a str,
    /// Who this is; no other process is called so.
    pub identity: &'a str,
    /// How long they last.
    pub pace: Pace,
}

/// Both Leases that are needed to act: ours, and the companion's.
#[derive(Clone, Debug)]
pub struct Leases {
    ours: Candidate,
    companions: Candidate,
}

// === impl Leases ===

impl Leases {
    /// Both, in this namespace.
    pub fn new(client: &Client, at: &Place<'_>, now: fn() -> Timestamp) -> Self {
        let candidate = |lease| Candidate::new(client.clone(), lease, at, now);
        Self {
            ours: candidate(LEASE),
            companions: candidate(COMPANION_LEASE),
        }
    }

    /// The epoch, once both are held; `None` if it is not wanted any more or was lost again.
    pub async fn acquire(&self, stop: &CancellationToken) -> Option<i32> {
        let both = async {
            // The silence of both holders is waited for at the same time, and not one after the other.
            let epoch = tokio::select! {
                epoch = self.ours.acquire() => epoch,
                () = self.companions.observe() => return None,
            };
            tokio::select! {
                _ = self.companions.acquire() => Some(epoch),
                () = self.ours.hold() => None,
            }
        };
        tokio::select! {
            epoch = both => epoch,
            () = stop.cancelled() => {
                self.release().await;
                None
            }
        }
    }

    /// Returns when one of them is lost.
    pub async fn hold(&self) {
        tokio::select! {
            () = self.ours.hold() => {}
            () = self.companions.hold() => {}
        }
    }

    /// Moves the epoch above one that the driver has seen, and returns it; `None` if the Lease is not
    /// ours any more.
    ///
    /// A Lease that was deleted begins anew, and the driver remembers what was. Whoever else believes
    /// to hold it cannot do this: the API server takes such a write only from the last to have read.
    pub async fn raise(&self, above: i32) -> Option<i32> {
        self.ours.raise(above).await
    }

    /// Gives both up, unless the API server does not answer: they run out by themselves.
    pub async fn release(&self) {
        let released = async {
            self.companions.release().await;
            self.ours.release().await;
        };
        if timeout(GRACE, released).await.is_err() {
            tracing::warn!("Giving up the Leases took too long");
        }
    }
}

#[cfg(test)]
mod tests;
