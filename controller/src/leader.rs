//! The right to act: Leases, whose transitions are the epoch of each mutation.

mod candidate;

use candidate::Candidate;
use jiff::Timestamp;
use kube::Client;
use tokio_util::sync::CancellationToken;

/// Our own Lease.
pub const LEASE: &str = "hcp-vsphere-controller";
/// The companion's: whoever holds it makes machines for the same templates.
pub const COMPANION_LEASE: &str = "vmware-nodepool-template-controller";

/// Both Leases that are needed to act: ours, and the companion's.
#[derive(Clone, Debug)]
pub struct Leases {
    ours: Candidate,
    companions: Candidate,
}

// === impl Leases ===

impl Leases {
    /// Both, in this namespace.
    pub fn new(client: &Client, namespace: &str, identity: &str, now: fn() -> Timestamp) -> Self {
        let candidate = |lease| Candidate::new(client.clone(), namespace, lease, identity, now);
        Self {
            ours: candidate(LEASE),
            companions: candidate(COMPANION_LEASE),
        }
    }

    /// The epoch, once both are held; `None` if it is not wanted any more or was lost again.
    pub async fn acquire(&self, stop: &CancellationToken) -> Option<i32> {
        let both = async {
            let epoch = self.ours.acquire().await;
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

    /// Gives both up.
    pub async fn release(&self) {
        self.companions.release().await;
        self.ours.release().await;
    }
}
