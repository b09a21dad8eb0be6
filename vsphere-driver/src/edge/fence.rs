//! Refuses leaders of yesterday.

use contract::v1::{Fault, Reason};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Remembers the highest epoch of each hub id, for as long as the driver runs.
#[derive(Debug, Default)]
pub struct Fence {
    highest: Mutex<HashMap<String, i32>>,
}

// === impl Fence ===

impl Fence {
    /// Lets a caller of this hub and epoch through, unless a later one was here. A caller without an
    /// epoch is not fenced.
    pub fn admit(&self, hub_id: &str, epoch: Option<i32>) -> Result<(), Fault> {
        let Some(epoch) = epoch else {
            return Ok(());
        };
        // The map is whole after every statement, so that a panic elsewhere cannot have broken it.
        let mut all = self.highest.lock().unwrap_or_else(PoisonError::into_inner);
        let highest = all.entry(hub_id.to_owned()).or_insert(epoch);
        *highest = epoch.max(*highest);
        let highest = *highest;
        if epoch == highest {
            return Ok(());
        }
        let what = format!("epoch {epoch} of hub `{hub_id}` is over, {highest} has been seen");
        Err(Fault::new(Reason::StaleEpoch, what)
            .with("hub_id", hub_id)
            .with("epoch", epoch)
            .with("highest_epoch", highest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_epoch_of_the_same_hub_is_refused() {
        let fence = Fence::default();
        for (why, hub_id, epoch, admitted) in [
            ("the first is admitted", "a", Some(3), true),
            ("the same again", "a", Some(3), true),
            ("a lower one is stale", "a", Some(2), false),
            ("another hub has its own count", "b", Some(0), true),
            ("no epoch is no fence", "a", None, true),
            ("a higher one takes over", "a", Some(4), true),
            ("and the former leader is out", "a", Some(3), false),
        ] {
            assert_eq!(fence.admit(hub_id, epoch).is_ok(), admitted, "{why}");
        }
    }

    #[test]
    fn the_refusal_says_which_epoch_leads() {
        let fence = Fence::default();
        fence.admit("a", Some(7)).unwrap();
        let fault = fence.admit("a", Some(5)).unwrap_err();
        let metadata: Vec<_> = fault.metadata.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(fault.reason(), Reason::StaleEpoch);
        assert_eq!(
            metadata,
            [("epoch", "5"), ("highest_epoch", "7"), ("hub_id", "a")]
        );
    }
}
