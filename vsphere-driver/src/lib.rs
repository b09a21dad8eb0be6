//! Serves the contract beside vCenter: sessions, inventory and the work on machines.

pub mod audit;
pub mod bell;
pub mod capacity;
pub mod changes;
pub mod config;
pub mod core;
pub mod edge;
#[cfg(test)]
mod fuzz;
pub mod grpc;
pub mod inventory;
pub mod iso;
pub mod logs;
pub mod machines;
pub mod metrics;
pub mod placement;
pub mod secret;
pub mod serve;
pub mod shutdown;
pub mod soap;
pub mod vcenter;
pub mod verbs;
pub mod vim;
