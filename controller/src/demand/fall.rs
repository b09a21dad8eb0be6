//! Whether the number of machines falls too far at once. Pure.
//!
//! A mistaken edit, or a hub that was restored from a backup which lacks the node pool, would otherwise cost
//! most of a pool before anybody sees it.

use super::{Asking, Fall};
use jiff::Timestamp;

/// The condition that says so. The time of its transition is when the fall began.
pub(crate) const HELD: &str = "ScaleDownHeld";

/// Smaller pools fall as they are told.
const SMALLEST: i32 = 4;

/// The fall from `before` to `asked`, if it is to be held.
pub(super) fn fall(asking: &Asking<'_>, before: i32, asked: i32) -> Option<Fall> {
    let far = before >= SMALLEST && asked.saturating_mul(2) < before;
    if !far || asking.wish.may_scale_down {
        return None;
    }
    let until = since(asking).checked_add(asking.grace).ok()?;
    (until > asking.now).then_some(Fall { to: asked, until })
}

/// Since when the number is held: a restart changes nothing, as the status says it.
fn since(asking: &Asking<'_>) -> Timestamp {
    let mut conditions = asking.status.conditions.iter();
    let held = conditions.find(|it| it.type_ == HELD && it.status == "True");
    held.map_or(asking.now, |held| held.last_transition_time.0)
}
