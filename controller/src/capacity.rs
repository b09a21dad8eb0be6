//! How much room a template has, beside the machines that other templates still lack.
//!
//! What the driver has accepted from anybody is no longer free in what it tells. What templates of this
//! hub lack and have not asked for yet, only the controller knows: each [commits](Commitments) to as
//! much, and all others do without it. So no two are promised the same room.

mod commitments;
mod room;
mod utilization;

pub use commitments::{Commitment, Commitments, Site};
pub use room::{Amount, Limit, Room, Taken, room};
pub(crate) use utilization::utilization;
