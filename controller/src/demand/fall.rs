//! Whether the number of machines falls too far at once. Pure.
//!
//! A mistaken edit, or a hub that was restored from a backup which lacks the node pool, would otherwise cost
//! most of a pool before anybody sees it.

use super::{Asking, Fall};
use jiff::Timestamp;

/// The condition that says so. The time of its transition is when the fall began.
pub(crate) const HELD: &str = "ScaleDownHeld";

/// The condition that says whether the node pool is there.
const FOUND: &str = "NodePoolFound";

/// Smaller pools fall as they are told.
const SMALLEST: i32 = 4;

/// The fall from `before` to `asked`, if it is to be held.
pub(super) fn fall(asking: &Asking<'_>, before: i32, asked: i32) -> Option<Fall> {
    let far = before >= SMALLEST && asked.saturating_mul(2) < before;
    far.then(|| held(asking, asked)).flatten()
}

/// The fall to what is left of a node pool that is not there and was not seen being deleted, if it is to be
/// held. One that is missed where nothing could be seen before may be about to be restored with its kind: then
/// the smallest fall is held, too.
pub(super) fn vanished(asking: &Asking<'_>, before: i32, asked: i32) -> Option<Fall> {
    let blind = asking
        .status
        .conditions
        .iter()
        .any(|it| it.type_ == FOUND && it.status == "Unknown");
    let lost = asked < before && (blind || since(asking).is_some());
    if lost {
        held(asking, asked)
    } else {
        fall(asking, before, asked)
    }
}

/// The fall to `asked`, for as long as it is held.
fn held(asking: &Asking<'_>, asked: i32) -> Option<Fall> {
    let since = since(asking).unwrap_or(asking.now);
    let until = since.checked_add(asking.grace).ok()?;
    let held = !asking.wish.may_scale_down && until > asking.now;
    held.then_some(Fall { to: asked, until })
}

/// Since when the number is held: a restart changes nothing, as the status says it.
fn since(asking: &Asking<'_>) -> Option<Timestamp> {
    let mut conditions = asking.status.conditions.iter();
    let held = conditions.find(|it| it.type_ == HELD && it.status == "True");
    held.map(|held| held.last_transition_time.0)
}
