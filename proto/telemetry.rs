//! What both services show of themselves: metrics and probes over HTTP, logs, traces.
//!
//! With the feature `telemetry` only: who needs no more than the contract pays for no more.

pub mod endpoint;
pub mod logs;
pub mod rpc;
pub mod traces;
