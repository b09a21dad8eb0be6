//! The edge of the driver: who calls, for which hub, and how much at once.
//!
//! `gate` stands before every service and knows calls, not messages; [`caller`] is asked by the
//! services once they have read a request.

pub mod caller;
pub(crate) mod calls;
pub mod client;
mod explain;
pub mod fence;
pub(crate) mod gate;
pub mod info;
pub(crate) mod methods;
pub(crate) mod peer;
pub(crate) mod reflection;
pub mod transport;
