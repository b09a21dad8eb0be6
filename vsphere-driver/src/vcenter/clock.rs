//! The driver's clock, as messages show it.

use prost_types::Timestamp;

/// What time it is.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the driver reads the clock"
)]
pub fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}
